package controllers

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/admissionpolicy"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/metrics"
	"github.com/portolan-dev/portolan/internal/rules"
)

// The right to create is used by an apply of what is not there. It has a name then, unlike other creations.
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=validatingadmissionpolicies;validatingadmissionpolicybindings,resourceNames=nodeports.portolan.dev,verbs=list;watch;create;patch;delete

const (
	// policySettle is how long a change of a pool waits for others: the API server compiles the policy anew each time.
	policySettle = 100 * time.Millisecond
	// policyRetry is when to try again what the API server has refused.
	policyRetry = time.Minute
)

// policyReconciler keeps the ValidatingAdmissionPolicy and its binding as the pools have them. There is one of each,
// so that there is one request.
type policyReconciler struct {
	client.Client
	ledger  *allocator.Ledger
	options admissionpolicy.Options
	report  *policyReport
}

func (r *policyReconciler) setUp(mgr manager.Manager, rangeChanged *Bell) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("admissionpolicy").
		Watches(&v1alpha1.NodePortPool{}, onceSettled, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&admissionv1.ValidatingAdmissionPolicy{}, onceSettled).
		Watches(&admissionv1.ValidatingAdmissionPolicyBinding{}, onceSettled).
		WatchesRawSource(rangeChanged.source(onceSettled)).
		Complete(r)
}

// onceSettled has the policy looked at for whatever event.
var onceSettled = handler.Funcs{
	CreateFunc:  func(_ context.Context, _ event.CreateEvent, q queue) { lookAtPolicy(q) },
	UpdateFunc:  func(_ context.Context, _ event.UpdateEvent, q queue) { lookAtPolicy(q) },
	DeleteFunc:  func(_ context.Context, _ event.DeleteEvent, q queue) { lookAtPolicy(q) },
	GenericFunc: func(_ context.Context, _ event.GenericEvent, q queue) { lookAtPolicy(q) },
}

func lookAtPolicy(q queue) {
	q.AddAfter(request{NamespacedName: client.ObjectKey{Name: admissionpolicy.Name}}, policySettle)
}

// Reconcile implements reconcile.Reconciler.
func (r *policyReconciler) Reconcile(ctx context.Context, _ request) (reconcile.Result, error) {
	if !r.ledger.Ready() {
		return reconcile.Result{RequeueAfter: settle}, nil
	}
	result, err := r.compile(ctx)
	r.observe(ctx, err)
	return result, err
}

// observe says for the metric whether the policy is as the pools have it.
func (r *policyReconciler) observe(ctx context.Context, failure error) {
	policy, err := found(ctx, r, types.NamespacedName{Name: admissionpolicy.Name}, &admissionv1.ValidatingAdmissionPolicy{})
	outOfStep := 0.0
	if failure != nil || err != nil || r.report.troubleWith(policy) != "" {
		outOfStep = 1
	}
	metrics.PolicyOutOfStep.Set(outOfStep)
}

// compile applies what the pools make: where nothing has changed the API server writes nothing.
func (r *policyReconciler) compile(ctx context.Context) (reconcile.Result, error) {
	pools := &v1alpha1.NodePortPoolList{}
	if err := r.List(ctx, pools, client.UnsafeDisableDeepCopy); err != nil {
		return reconcile.Result{}, fmt.Errorf("list pools: %w", err)
	}
	chart := rules.NewChart(r.ledger.Chart().ClusterRange(), pools.Items)
	policy, binding := admissionpolicy.Compile(chart, pools.Items, r.options)
	if policy == nil {
		r.report.set("")
		return reconcile.Result{}, r.remove(ctx)
	}
	err := r.keep(ctx, policy)
	if err == nil {
		err = r.keep(ctx, binding)
	}
	switch {
	case refused(err):
		ctrl.LoggerFrom(ctx).Error(nil, "The API server refuses the policy", "answer", shortened(err.Error()))
		r.report.set(shortened(err.Error()))
		return reconcile.Result{RequeueAfter: policyRetry}, nil
	case err != nil:
		return reconcile.Result{}, fmt.Errorf("apply the policy: %w", err)
	}
	r.report.set("")
	return reconcile.Result{}, nil
}

// keep applies one of the two objects. What others have put on its lists an apply leaves there, beside what is ours: a
// condition under which nothing is judged, an action that contradicts Deny. Then the spec is replaced.
func (r *policyReconciler) keep(ctx context.Context, configuration runtime.ApplyConfiguration) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(configuration)
	if err != nil {
		return err
	}
	object := &unstructured.Unstructured{Object: content}
	wanted := object.DeepCopy().Object["spec"]
	err = r.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.ForceOwnership)
	if err == nil && equality.Semantic.DeepEqual(object.Object["spec"], wanted) || err != nil && !apierrors.IsInvalid(err) {
		return err
	}
	patch, _ := json.Marshal([]any{map[string]any{"op": "replace", "path": "/spec", "value": wanted}}) // strings and lists: it does not fail
	replaced := r.Patch(ctx, object, client.RawPatch(types.JSONPatchType, patch))
	if replaced != nil && err != nil {
		return err // the first answer says why
	}
	return replaced
}

// remove takes policy and binding away with the last pool. Where the manager does not run then, their owner
// references do.
func (r *policyReconciler) remove(ctx context.Context) error {
	for _, object := range []client.Object{&admissionv1.ValidatingAdmissionPolicyBinding{}, &admissionv1.ValidatingAdmissionPolicy{}} {
		err := r.Get(ctx, client.ObjectKey{Name: admissionpolicy.Name}, object)
		if err == nil {
			err = r.Delete(ctx, object, client.Preconditions{UID: new(object.GetUID())})
		}
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("remove the policy: %w", err)
		}
	}
	return nil
}

// refused tells an answer of the API server to the policy from trouble on the way there.
func refused(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsForbidden(err) || apierrors.IsRequestEntityTooLargeError(err)
}
