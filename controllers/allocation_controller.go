// Package controllers keeps the ledger in step with the Services, and reports.
//
// Each controller observes, decides by a pure plan, then acts; it writes a status once a pass, and only where it
// has changed. Services are never changed but for a status condition where there is trouble.
package controllers

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/metrics"
	"github.com/portolan-dev/portolan/internal/rules"
)

// +kubebuilder:rbac:groups=portolan.dev,resources=nodeportallocations/status,verbs=update

// cacheLag is when to look again where the API server knows more than the cache.
const cacheLag = time.Second

// allocationReconciler owns the life of each number: it adopts, binds, holds, passes on and drops. One number is
// one request, whether or not there is an allocation for it: so a deleted one comes back, and nothing else need
// know how a number changes hands.
type allocationReconciler struct {
	client.Client               // cached
	live          client.Reader // the API server itself
	store         allocator.Store
	ledger        *allocator.Ledger
	clock         clock.PassiveClock
	partings      *partings
	conflicts     *conflicts
	nodes         *nodes
	idle          *idleTally
	unprogrammed  *unprogrammed
	idleAfter     time.Duration // 0: no number is called idle
}

func (r *allocationReconciler) setUp(mgr manager.Manager, repair source.Source) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("nodeportallocation").
		Watches(&v1alpha1.NodePortAllocation{}, newestLast()).
		Watches(&corev1.Service{}, r.partings.watch()).
		Watches(&v1alpha1.NodePortPool{}, handler.EnqueueRequestsFromMapFunc(r.heldIn), builder.WithPredicates(deletions)).
		Watches(&v1alpha1.NodePortNodeState{}, r.nodes.watch()).
		WatchesRawSource(repair).
		WithOptions(controller.Options{MaxConcurrentReconciles: 8}).
		Complete(r)
}

// newestLast has allocations looked at, but one that is new only when nothing else is to be done: its status can
// wait. So on a cluster that had its Services before Portolan all numbers are claimed first.
func newestLast() handler.EventHandler {
	enqueue := func(o client.Object, q queue, priority *int) {
		item := request{NamespacedName: client.ObjectKeyFromObject(o)}
		q.(priorityqueue.PriorityQueue[request]).AddWithOpts(priorityqueue.AddOpts{Priority: priority}, item)
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { enqueue(e.Object, q, new(last)) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) { enqueue(e.ObjectNew, q, nil) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { enqueue(e.Object, q, nil) },
	}
}

var deletions = predicate.Funcs{
	CreateFunc:  func(event.CreateEvent) bool { return false },
	UpdateFunc:  func(event.UpdateEvent) bool { return false },
	GenericFunc: func(event.GenericEvent) bool { return false },
}

// heldIn are the numbers held in a pool: when it is deleted its holds go at once.
func (r *allocationReconciler) heldIn(ctx context.Context, pool client.Object) []reconcile.Request {
	all := &v1alpha1.NodePortAllocationList{}
	if err := r.List(ctx, all); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "List allocations")
		return nil
	}
	var requests []reconcile.Request
	for i := range all.Items {
		if a := &all.Items[i]; a.Spec.PoolName == pool.GetName() && a.Spec.HoldUntil != nil {
			requests = append(requests, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(a)})
		}
	}
	return requests
}

// Reconcile implements reconcile.Reconciler.
func (r *allocationReconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	if !r.ledger.Ready() { // whose pool a number is, and how long it is held, is not known yet
		return reconcile.Result{RequeueAfter: cacheLag}, nil
	}
	o, err := r.observe(ctx, req.Name)
	if err != nil || o.number == 0 {
		return reconcile.Result{}, err
	}
	r.conflicts.note(o)
	r.idle.note(o)
	r.unprogrammed.note(o)
	p := planFor(o)
	if p.confirm {
		switch confirmed, err := r.confirm(ctx, o, p); {
		case err != nil:
			return reconcile.Result{}, err
		case !confirmed:
			return reconcile.Result{RequeueAfter: cacheLag}, nil
		}
	}
	result, err := r.act(ctx, o, p)
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) {
		return reconcile.Result{RequeueAfter: cacheLag}, nil // the cache is behind, and will bring us here again
	}
	return result, err
}

func (r *allocationReconciler) observe(ctx context.Context, name string) (observed, error) {
	o := observed{now: r.clock.Now(), hold: rules.DefaultHold, idleAfter: r.idleAfter}
	a := &v1alpha1.NodePortAllocation{}
	a.Name = name
	number, ok := allocator.NumberOf(a)
	if !ok {
		return o, nil
	}
	o.number = number
	o.turn, o.wait = r.nodes.pace.begin(number, o.now) // before the nodes are looked at
	switch err := r.Get(ctx, client.ObjectKey{Name: name}, a); {
	case err == nil:
		o.allocation, o.fulfilled = a, r.partings.fulfilled(a)
	case !apierrors.IsNotFound(err):
		return o, fmt.Errorf("read allocation %s: %w", name, err)
	}
	services := &corev1.ServiceList{}
	if err := r.List(ctx, services, client.MatchingFields{servicesByNumber: name}); err != nil {
		return o, fmt.Errorf("list Services on %s: %w", name, err)
	}
	for i := range services.Items {
		o.carriers = append(o.carriers, &services.Items[i])
	}
	if o.allocation != nil {
		owner := o.owner()
		o.behind = owner != nil && newer(a.ResourceVersion, owner.ResourceVersion)
		o.nodes, o.used = r.nodes.of(number, owner), r.nodes.used(number)
	}
	if err := r.observeConflict(ctx, &o); err != nil {
		return o, err
	}
	return o, r.observePool(ctx, &o)
}

// observePool finds which pool has the number today, and how long it is held: not at all where its last owner's
// namespace would not be given it any more.
func (r *allocationReconciler) observePool(ctx context.Context, o *observed) error {
	chart := r.ledger.Chart()
	if pool := chart.PoolOf(o.number); pool != nil {
		o.pool, o.hold = pool.Name, pool.Hold()
	}
	if o.allocation == nil {
		return nil
	}
	if name := o.allocation.Spec.PoolName; name != "" { // the chart may be behind the event of its deletion
		err := r.Get(ctx, client.ObjectKey{Name: name}, &v1alpha1.NodePortPool{})
		if o.poolGone = apierrors.IsNotFound(err); err != nil && !o.poolGone {
			return fmt.Errorf("read pool %s: %w", name, err)
		}
	}
	namespace := &corev1.Namespace{}
	err := r.Get(ctx, client.ObjectKey{Name: o.allocation.Spec.ServiceRef.Namespace}, namespace)
	if apierrors.IsNotFound(err) { // it may come back, with its Services
		return nil
	}
	o.hold = holdFor(chart, o.number, namespace)
	return err
}

// confirm asks the API server whether the allocation's Service does not carry the number any more, or does, as the plan
// has it. Only then is the number given up: better to leak than to allocate twice.
func (r *allocationReconciler) confirm(ctx context.Context, o observed, p plan) (bool, error) {
	svc := &corev1.Service{}
	err := r.live.Get(ctx, allocator.OwnerOf(o.allocation), svc)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("read Service %s: %w", allocator.OwnerOf(o.allocation), err)
	}
	carries := err == nil && slices.Contains(numbersOf(svc), o.number)
	if p.change == bind {
		return carries && svc.UID == p.spec.ServiceUID, nil
	}
	return !carries, nil
}

// act makes at most one write. Its event brings the next pass, with a cache that has it: a second write now would
// have that pass start from a cache that is behind, and write it again for nothing.
func (r *allocationReconciler) act(ctx context.Context, o observed, p plan) (reconcile.Result, error) {
	switch {
	case p.change != keep:
		if p.change == bind || p.change == release {
			r.ledger.Yield(ctx)
		}
		return reconcile.Result{}, r.change(ctx, o, p)
	case o.allocation == nil:
		return reconcile.Result{}, nil
	}
	return r.report(ctx, o, p)
}

func (r *allocationReconciler) change(ctx context.Context, o observed, p plan) error {
	a := &v1alpha1.NodePortAllocation{}
	if o.allocation != nil {
		a = o.allocation.DeepCopy()
	}
	var err error
	switch p.change {
	case drop, lapse:
		err = r.store.Delete(ctx, a)
	case adopt:
		a.Name, a.Spec = allocator.NameOf(o.number), p.spec
		err = r.store.Create(ctx, a)
	case release:
		a.Spec = p.spec
		err = r.hold(ctx, a)
	default:
		a.Spec = p.spec
		err = r.store.Update(ctx, a)
	}
	if err != nil {
		return fmt.Errorf("allocation %d: %s: %w", o.number, p.change, err)
	}
	ctrl.LoggerFrom(ctx).V(1).Info("Allocation "+string(p.change), "service", allocator.OwnerOf(a))
	if repairs[p.change] {
		metrics.Repairs.WithLabelValues(string(p.change)).Inc()
	}
	return nil
}

// hold writes what has been released. A namespace may have so many holds at a time: the oldest beyond that go.
func (r *allocationReconciler) hold(ctx context.Context, a *v1alpha1.NodePortAllocation) error {
	givenUp, err := r.ledger.Hold(ctx, a)
	metrics.HoldsGivenUp.Add(float64(givenUp))
	return err
}

// report writes the status where it has changed, and says when to look again. What nodes have reported is written along
// with what else has changed; by itself it waits for the number's turn.
func (r *allocationReconciler) report(ctx context.Context, o observed, p plan) (reconcile.Result, error) {
	if allocator.StateOf(o.allocation, o.now) == allocator.Pending {
		if waited := o.now.Sub(o.allocation.Spec.ClaimTime.Time); waited < pendingPatience {
			return reconcile.Result{RequeueAfter: pendingPatience - waited}, nil
		}
	}
	status := statusFor(o)
	again := sooner(p.again, o.useAgain(&status))
	result := reconcile.Result{RequeueAfter: sooner(again, o.wait)}
	if equality.Semantic.DeepEqual(status, o.allocation.Status) {
		return result, nil
	}
	if !o.turn && onlyNodesDiffer(status, o.allocation.Status) {
		wait, _ := r.nodes.pace.ask(o.number, o.now, rollUp)
		return reconcile.Result{RequeueAfter: sooner(again, wait)}, nil
	}
	r.ledger.Yield(ctx)
	a := o.allocation.DeepCopy()
	a.Status = status
	if err := r.Status().Update(ctx, a); err != nil {
		return reconcile.Result{}, fmt.Errorf("allocation %d: status: %w", o.number, err)
	}
	return result, nil
}

// sooner is the shorter of two times to wait; 0 is never.
func sooner(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}
