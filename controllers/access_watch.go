package controllers

import (
	"context"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
	"github.com/portolan-dev/portolan/internal/fleet"
)

// A Service concerns the objects of its namespace that select it, before or after; a node's report, those that it is the
// first to enforce, each at its turn.

func newAccessReconciler(c client.Client, clock clock.PassiveClock) *accessReconciler {
	return &accessReconciler{Client: c, clock: clock, guards: fleet.NewGuards(), tally: newAccessTally(),
		turns: newTurns[types.NamespacedName](), counts: newTurns[types.NamespacedName]()}
}

func (r *accessReconciler) setUp(mgr manager.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("nodeportaccess").
		For(&v1alpha1.NodePortAccess{}).
		Watches(&corev1.Service{}, settled(r.selecting), builder.WithPredicates(predicate.Funcs{UpdateFunc: changesAccess})).
		Watches(&v1alpha1.NodePortNodeState{}, r.ofNodes()).
		WithOptions(controller.Options{MaxConcurrentReconciles: 4}).
		Complete(r)
}

// changesAccess leaves out changes of a Service by which nobody selects anything else.
func changesAccess(e event.UpdateEvent) bool {
	before, ok := e.ObjectOld.(*corev1.Service)
	after, isService := e.ObjectNew.(*corev1.Service)
	return !ok || !isService || before.Spec.Type != after.Spec.Type || !maps.Equal(before.Labels, after.Labels) ||
		!slices.EqualFunc(before.Spec.Ports, after.Spec.Ports, func(a, b corev1.ServicePort) bool {
			return a.Name == b.Name && a.NodePort == b.NodePort && a.Protocol == b.Protocol
		})
}

// selecting are the objects that select a Service.
func (r *accessReconciler) selecting(ctx context.Context, service client.Object) []request {
	var requests []request
	for _, object := range r.where(ctx, func(object *v1alpha1.NodePortAccess) bool {
		return access.NewSelection(object).Selects(service.GetLabels())
	}, client.InNamespace(service.GetNamespace())) {
		requests = append(requests, request{NamespacedName: client.ObjectKeyFromObject(object)})
	}
	return requests
}

// ofNodes has those objects looked at that more nodes enforce than before, or fewer.
func (r *accessReconciler) ofNodes() handler.EventHandler {
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { r.seen(ctx, e.Object, q) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) { r.seen(ctx, e.ObjectNew, q) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) {
			r.enqueue(ctx, r.note(func(g *fleet.Guards) fleet.Advance { return g.Drop(e.Object.GetName()) }), q)
		},
	}
}

func (r *accessReconciler) seen(ctx context.Context, o client.Object, q queue) {
	if state, ok := o.(*v1alpha1.NodePortNodeState); ok {
		r.enqueue(ctx, r.note(func(g *fleet.Guards) fleet.Advance { return g.Put(state) }), q)
	}
}

func (r *accessReconciler) note(change func(*fleet.Guards) fleet.Advance) fleet.Advance {
	r.mu.Lock()
	defer r.mu.Unlock()
	return change(r.guards)
}

// enqueue has objects looked at, after all that cannot wait.
func (r *accessReconciler) enqueue(ctx context.Context, a fleet.Advance, q queue) {
	if a.None() {
		return
	}
	for _, object := range r.where(ctx, func(object *v1alpha1.NodePortAccess) bool { return a.Concerns(specVersion(object)) }) {
		item := request{NamespacedName: client.ObjectKeyFromObject(object)}
		if wait, news := r.ask(object, r.nodesOf(object)); news {
			addLast(q, wait, item)
		}
	}
}

// where are the objects for which something holds.
func (r *accessReconciler) where(ctx context.Context, holds func(*v1alpha1.NodePortAccess) bool, which ...client.ListOption) []*v1alpha1.NodePortAccess {
	objects := &v1alpha1.NodePortAccessList{}
	if err := r.List(ctx, objects, append(which, client.UnsafeDisableDeepCopy)...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "List NodePortAccess")
		return nil
	}
	var found []*v1alpha1.NodePortAccess
	for i := range objects.Items {
		if holds(&objects.Items[i]) {
			found = append(found, &objects.Items[i])
		}
	}
	return found
}
