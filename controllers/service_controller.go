package controllers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
)

// +kubebuilder:rbac:groups="",resources=services/status,verbs=patch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch

// allocatedCondition is set on a Service only where there is trouble: each write of a Service wakes every node.
const allocatedCondition = "portolan.dev/Allocated"

// serviceReconciler tells the owners of Services about trouble with their numbers.
type serviceReconciler struct {
	client.Client
	ledger *allocator.Ledger
	charts *charts
	events events.EventRecorder
	clock  clock.PassiveClock
	turns  *turns[types.NamespacedName] // to be reworded
}

// rewording is when a condition that is there takes another text. Who mends a conflict runs a command for each Service,
// and the first one changes what is said of the others: written at once, that would meet the next command. Kubernetes
// then refuses it ("provided port is already allocated") and keeps its number for minutes: store.Update allocates before
// the write, and again when it comes back.
var rewording = tempo{settle: 5 * time.Second}

func (r *serviceReconciler) setUp(mgr manager.Manager, rangeChanged *Bell) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("service").
		For(&corev1.Service{}, builder.WithPredicates(predicate.NewPredicateFuncs(mayHaveTrouble))).
		Watches(&v1alpha1.NodePortAllocation{}, handler.EnqueueRequestsFromMapFunc(conflicting)).
		Watches(&v1alpha1.NodePortPool{}, handler.EnqueueRequestsFromMapFunc(r.all), builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(r.inNamespace), builder.WithPredicates(predicate.LabelChangedPredicate{})).
		WatchesRawSource(rangeChanged.source(handler.EnqueueRequestsFromMapFunc(r.all))).
		Complete(r)
}

// mayHaveTrouble passes Services that have numbers, or a condition of ours to take away.
func mayHaveTrouble(o client.Object) bool {
	svc, ok := o.(*corev1.Service)
	return ok && (len(numbersOf(svc)) > 0 || meta.FindStatusCondition(svc.Status.Conditions, allocatedCondition) != nil)
}

// conflicting are the Services that share an allocation's number, and its own.
func conflicting(_ context.Context, o client.Object) []request {
	a, ok := o.(*v1alpha1.NodePortAllocation)
	if !ok {
		return nil
	}
	requests := []request{{NamespacedName: allocator.OwnerOf(a)}}
	for _, other := range a.Status.ConflictsWith {
		requests = append(requests, request{NamespacedName: types.NamespacedName{Namespace: other.Namespace, Name: other.Name}})
	}
	return requests
}

// all has every Service with numbers looked at, at once: who changes a pool is about to do the next thing, and a Service that we
// write in the middle of his own write of it has Kubernetes allocate his numbers twice, and keep one for nobody.
func (r *serviceReconciler) all(ctx context.Context, _ client.Object) []request {
	return r.withNumbers(ctx)
}

func (r *serviceReconciler) inNamespace(ctx context.Context, o client.Object) []request {
	return r.withNumbers(ctx, client.InNamespace(o.GetName()))
}

func (r *serviceReconciler) withNumbers(ctx context.Context, in ...client.ListOption) []request {
	services := &corev1.ServiceList{}
	if err := r.List(ctx, services, append(in, client.MatchingFields{servicesByNumber: anyNumber}, client.UnsafeDisableDeepCopy)...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "List Services")
		return nil
	}
	var requests []request
	for i := range services.Items {
		requests = append(requests, request{NamespacedName: nameOf(&services.Items[i])})
	}
	return requests
}

// Reconcile implements reconcile.Reconciler.
func (r *serviceReconciler) Reconcile(ctx context.Context, req request) (reconcile.Result, error) {
	svc := &corev1.Service{}
	if err := r.Get(ctx, req.NamespacedName, svc); err != nil { // it has gone, and with it what was to be said of it
		r.turns.forget(req.NamespacedName)
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	return r.lookAt(ctx, svc)
}

// lookAt writes the condition of a Service anew where that is not what is to be said.
func (r *serviceReconciler) lookAt(ctx context.Context, svc *corev1.Service) (reconcile.Result, error) {
	if !r.ledger.Ready() { // nothing is known yet of what is wrong, or right again
		return reconcile.Result{RequeueAfter: cacheLag}, nil
	}
	found, err := r.troubleOf(ctx, svc)
	if err != nil {
		return reconcile.Result{}, err
	}
	before := meta.FindStatusCondition(svc.Status.Conditions, allocatedCondition)
	if found.told(before) {
		r.turns.forget(nameOf(svc))
		return reconcile.Result{}, nil
	}
	if before != nil && before.Reason == found.reason {
		if wait := r.turns.wait(nameOf(svc), r.clock.Now(), rewording); wait > 0 {
			return reconcile.Result{RequeueAfter: wait}, nil
		}
	}
	updated := svc.DeepCopy()
	if found.message == "" {
		meta.RemoveStatusCondition(&updated.Status.Conditions, allocatedCondition)
	} else {
		meta.SetStatusCondition(&updated.Status.Conditions, found.condition(r.clock.Now()))
	}
	if err := r.Status().Patch(ctx, updated, client.StrategicMergeFrom(svc)); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(fmt.Errorf("condition of Service %s: %w", nameOf(svc), err))
	}
	if found.message != "" {
		r.events.Eventf(svc, nil, corev1.EventTypeWarning, found.reason, "Allocate", "%s", found.note(freeIn(r.ledger, r.ledger.Chart())))
	}
	return reconcile.Result{}, nil
}

// troubleOf looks for what is wrong with a Service's numbers, the worst first.
func (r *serviceReconciler) troubleOf(ctx context.Context, svc *corev1.Service) (trouble, error) {
	namespace := &corev1.Namespace{}
	if err := r.Get(ctx, client.ObjectKey{Name: svc.Namespace}, namespace); err != nil {
		return trouble{}, client.IgnoreNotFound(err)
	}
	if svc.DeletionTimestamp != nil {
		return trouble{}, nil
	}
	conflicts, err := r.conflictsOf(ctx, svc, namespace.Labels)
	if err != nil || conflicts.message != "" {
		return conflicts, err
	}
	question := rules.Question{Service: svc, Namespace: svc.Namespace, NamespaceLabels: namespace.Labels, Now: r.clock.Now()}
	breaches := rules.LiveBreaches(r.charts.now(), question)
	return breachTrouble(svc, namespace.Labels, breaches), nil
}

// conflictsOf tells of the numbers that other Services carry too, and how to mend it.
func (r *serviceReconciler) conflictsOf(ctx context.Context, svc *corev1.Service, labels map[string]string) (trouble, error) {
	shared := map[int32][]corev1.Service{}
	for _, n := range numbersOf(svc) {
		carriers := &corev1.ServiceList{}
		if err := r.List(ctx, carriers, client.MatchingFields{servicesByNumber: allocator.NameOf(n)}); err != nil {
			return trouble{}, fmt.Errorf("list Services on %d: %w", n, err)
		}
		if len(carriers.Items) > 1 {
			shared[n] = carriers.Items
		}
	}
	if len(shared) == 0 {
		return trouble{}, nil
	}
	return conflictTrouble(svc, labels, shared), nil
}
