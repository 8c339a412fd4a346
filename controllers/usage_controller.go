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
	"github.com/portolan-dev/portolan/internal/allocator"
)

// +kubebuilder:rbac:groups=portolan.dev,resources=nodeportusages,verbs=list;watch;create;delete
// +kubebuilder:rbac:groups=portolan.dev,resources=nodeportusages/status,verbs=update

// usageReconciler tells each namespace what it has of its pools. A namespace and a pool are one request, whether or not
// there is a report: one that is deleted or changed by others comes back, one that nobody asked for goes.
type usageReconciler struct {
	client.Client
	ledger *allocator.Ledger
	charts *charts
	clock  clock.PassiveClock
	walks  gathering // of all that concerns pools

	mu      sync.Mutex // guards changed
	changed []*v1alpha1.NodePortPool
}

// Reconcile implements reconcile.Reconciler.
func (r *usageReconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	if !r.ledger.Ready() {
		return reconcile.Result{RequeueAfter: settle}, nil
	}
	namespace, err := found(ctx, r, types.NamespacedName{Name: req.Namespace}, &corev1.Namespace{})
	if err != nil || namespace == nil || namespace.DeletionTimestamp != nil { // its reports go with it
		return reconcile.Result{}, err
	}
	u, err := r.using(ctx, namespace, req.Name)
	if err != nil {
		return reconcile.Result{}, err
	}
	err = r.report(ctx, req.NamespacedName, u)
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) {
		return reconcile.Result{RequeueAfter: settle}, nil // the cache is behind
	}
	return reconcile.Result{}, err
}

func (r *usageReconciler) using(ctx context.Context, namespace *corev1.Namespace, pool string) (using, error) {
	claims := &v1alpha1.NodePortAllocationList{}
	if err := r.List(ctx, claims, client.MatchingFields{allocationsByNamespace: namespace.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return using{}, fmt.Errorf("list allocations: %w", err)
	}
	return usingOf(r.charts.now(), pool, namespace.Labels, claims.Items, r.clock.Now()), nil
}

// report makes, writes or deletes the report, where it is not as it is to be.
func (r *usageReconciler) report(ctx context.Context, name types.NamespacedName, u using) error {
	usage, err := found(ctx, r, name, &v1alpha1.NodePortUsage{})
	switch {
	case err != nil:
		return err
	case !u.wanted():
		if usage == nil {
			return nil
		}
		if err := r.Delete(ctx, usage, client.Preconditions{UID: &usage.UID}); err != nil {
			return fmt.Errorf("usage %s: %w", name, err)
		}
		return nil
	case usage == nil:
		usage = &v1alpha1.NodePortUsage{}
		usage.Namespace, usage.Name = name.Namespace, name.Name
		if err := r.Create(ctx, usage); err != nil {
			return fmt.Errorf("usage %s: %w", name, err)
		}
	}
	status := usageStatus(usage, u, r.clock.Now())
	if equality.Semantic.DeepEqual(status, usage.Status) {
		return nil
	}
	usage.Status = status
	if err := r.Status().Update(ctx, usage); err != nil {
		return fmt.Errorf("usage %s: status: %w", name, err)
	}
	return nil
}
