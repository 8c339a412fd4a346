package controllers

import (
	"context"
	"fmt"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
	"github.com/portolan-dev/portolan/internal/fleet"
)

// +kubebuilder:rbac:groups=portolan.dev,resources=nodeportaccesses,verbs=list;watch
// +kubebuilder:rbac:groups=portolan.dev,resources=nodeportaccesses/status,verbs=update

// accessReconciler says in each NodePortAccess what it is about, and how many nodes enforce it. The nodes read the
// objects themselves: nothing that it does or leaves undone opens or closes a port.
type accessReconciler struct {
	client.Client
	clock clock.PassiveClock
	// turns are for what nodes report, counts for that of which only how many nodes there are is new.
	turns, counts *turns[types.NamespacedName]
	tally         *accessTally

	mu     sync.Mutex // guards guards
	guards *fleet.Guards
}

// Reconcile implements reconcile.Reconciler.
func (r *accessReconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	turn, countTurn, wait := r.begin(req.NamespacedName) // before the nodes are looked at
	object, err := found(ctx, r, req.NamespacedName, &v1alpha1.NodePortAccess{})
	if err != nil {
		return reconcile.Result{}, err
	}
	if object == nil {
		r.tally.note(req.NamespacedName, nil)
		return reconcile.Result{}, nil
	}
	status, err := r.statusOf(ctx, object)
	if err != nil {
		return reconcile.Result{}, err
	}
	r.tally.note(req.NamespacedName, status.Conditions)
	if onlyCounts(object.Status, *status.Nodes) {
		turn = countTurn
	}
	switch {
	case equality.Semantic.DeepEqual(status, object.Status):
		return reconcile.Result{RequeueAfter: wait}, nil
	case !turn && onlyGuardsDiffer(status, object.Status):
		asked, _ := r.ask(object, *status.Nodes)
		return reconcile.Result{RequeueAfter: sooner(wait, asked)}, nil
	}
	object.Status = status
	err = r.Status().Update(ctx, object)
	if apierrors.IsConflict(err) {
		return reconcile.Result{RequeueAfter: settle}, nil // the cache is behind
	}
	if client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("access %s: status: %w", req.NamespacedName, err)
	}
	return reconcile.Result{RequeueAfter: wait}, nil
}

func (r *accessReconciler) statusOf(ctx context.Context, object *v1alpha1.NodePortAccess) (v1alpha1.NodePortAccessStatus, error) {
	policy := access.NewPolicy(object)
	services := &corev1.ServiceList{}
	if err := r.List(ctx, services, client.InNamespace(object.Namespace), client.MatchingLabelsSelector{Selector: policy.Services()}, client.UnsafeDisableDeepCopy); err != nil {
		return v1alpha1.NodePortAccessStatus{}, fmt.Errorf("list Services: %w", err)
	}
	return accessStatus(object, guardingOf(policy, services.Items), r.nodesOf(object), r.clock.Now()), nil
}

// nodesOf is how many nodes enforce an object as it is.
func (r *accessReconciler) nodesOf(object *v1alpha1.NodePortAccess) v1alpha1.NodeCounts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.guards.Of(specVersion(object))
}
