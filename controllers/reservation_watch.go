package controllers

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
)

// A reservation that is not ready is tried again when something happens that may have been in its way, never by the
// clock: a number that it names is given up, any number where one is to be chosen, or one of its namespace where that
// may not have more.

const (
	// waitsForAny and waitsForRoom are what reservations wait for beside numbers.
	waitsForAny  = "any"
	waitsForRoom = "room"
)

// waitingFor is the index of reservations that lack numbers.
func waitingFor(o client.Object) []string {
	r, ok := o.(*v1alpha1.NodePortReservation)
	if !ok || meta.IsStatusConditionTrue(r.Status.Conditions, v1alpha1.ReservationReady) {
		return nil
	}
	var waits []string
	for _, p := range r.Spec.Ports {
		switch has := slices.ContainsFunc(r.Status.Ports, func(s v1alpha1.ReservedPortStatus) bool {
			return s.Name == p.Name && (p.NodePort == 0 || s.NodePort == p.NodePort)
		}); {
		case has:
		case p.NodePort == 0:
			waits = append(waits, waitsForAny)
		default:
			waits = append(waits, allocator.NameOf(p.NodePort))
		}
	}
	if n := r.Spec.HealthCheckNodePort; n != r.Status.HealthCheckNodePort && n != 0 {
		waits = append(waits, allocator.NameOf(n))
	}
	if len(waits) == 0 {
		return nil
	}
	slices.Sort(waits)
	return append(slices.Compact(waits), waitsForRoom)
}

func (r *reservationReconciler) setUp(mgr manager.Manager, rangeChanged *Bell) error {
	all := handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, _ client.Object) []request { return r.matching(ctx) })
	return ctrl.NewControllerManagedBy(mgr).
		Named("nodeportreservation").
		For(&v1alpha1.NodePortReservation{}).
		Watches(&v1alpha1.NodePortAllocation{}, r.ofClaims()).
		Watches(&corev1.Service{}, r.ofNumbers()).
		Watches(&v1alpha1.NodePortNodeState{}, r.ofNodes()).
		Watches(&v1alpha1.NodePortPool{}, all, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WatchesRawSource(rangeChanged.source(all)).
		Watches(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, o client.Object) []request {
			return r.matching(ctx, client.InNamespace(o.GetName()))
		}), builder.WithPredicates(predicate.LabelChangedPredicate{})).
		WithOptions(controller.Options{MaxConcurrentReconciles: 4}).
		Complete(r)
}

func (r *reservationReconciler) matching(ctx context.Context, which ...client.ListOption) []request {
	reservations := &v1alpha1.NodePortReservationList{}
	if err := r.List(ctx, reservations, append(which, client.UnsafeDisableDeepCopy)...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "List reservations")
		return nil
	}
	requests := make([]request, len(reservations.Items))
	for i := range reservations.Items {
		requests[i] = request{NamespacedName: client.ObjectKeyFromObject(&reservations.Items[i])}
	}
	return requests
}

// ofClaims looks at the reservation of a claim, and at those that wait for its number or its namespace.
func (r *reservationReconciler) ofClaims() handler.EventHandler {
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { lookAtReservationOf(e.Object, q) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			if e.ObjectNew.GetGeneration() == e.ObjectOld.GetGeneration() { // its status
				return
			}
			lookAtReservationOf(e.ObjectOld, q)
			lookAtReservationOf(e.ObjectNew, q)
			r.lookAtWaiting(ctx, e.ObjectOld, q)
			r.lookAtWaiting(ctx, e.ObjectNew, q)
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) {
			lookAtReservationOf(e.Object, q)
			r.lookAtWaiting(ctx, e.Object, q)
		},
	}
}

func lookAtReservationOf(o client.Object, q queue) {
	if a, ok := o.(*v1alpha1.NodePortAllocation); ok && a.Spec.ReservationName != "" {
		q.Add(request{NamespacedName: types.NamespacedName{Namespace: a.Spec.ServiceRef.Namespace, Name: a.Spec.ReservationName}})
	}
}

// lookAtWaiting looks again once things have settled at the reservations that a claim may have been in the way of.
func (r *reservationReconciler) lookAtWaiting(ctx context.Context, o client.Object, q queue) {
	a, ok := o.(*v1alpha1.NodePortAllocation)
	if !ok {
		return
	}
	for _, request := range slices.Concat(
		r.matching(ctx, client.MatchingFields{reservationsWaiting: a.Name}),
		r.matching(ctx, client.MatchingFields{reservationsWaiting: waitsForAny}),
		r.matching(ctx, client.MatchingFields{reservationsWaiting: waitsForRoom}, client.InNamespace(a.Spec.ServiceRef.Namespace)),
	) {
		q.AddAfter(request, settle)
	}
}

// ofNumbers looks at the reservations that wait for a number which a Service does not carry any more: it may have had
// it without a claim.
func (r *reservationReconciler) ofNumbers() handler.EventHandler {
	look := func(ctx context.Context, before, after client.Object, q queue) {
		kept := numbersOf(after)
		for _, n := range numbersOf(before) {
			if slices.Contains(kept, n) {
				continue
			}
			for _, request := range r.matching(ctx, client.MatchingFields{reservationsWaiting: allocator.NameOf(n)}) {
				q.AddAfter(request, settle)
			}
		}
	}
	return handler.Funcs{
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) { look(ctx, e.ObjectOld, e.ObjectNew, q) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { look(ctx, e.Object, nil, q) },
	}
}

// ofNodes looks at the reservations for which a number is to be chosen, where other numbers clash than before.
func (r *reservationReconciler) ofNodes() handler.EventHandler {
	look := func(ctx context.Context, before, after client.Object, q queue) {
		if clashingOn(before) == clashingOn(after) {
			return
		}
		for _, request := range r.matching(ctx, client.MatchingFields{reservationsWaiting: waitsForAny}) {
			q.AddAfter(request, settle)
		}
	}
	return handler.Funcs{
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) { look(ctx, e.ObjectOld, e.ObjectNew, q) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { look(ctx, e.Object, nil, q) },
	}
}
