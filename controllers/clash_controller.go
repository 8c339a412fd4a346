package controllers

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/bitmap"
	"github.com/portolan-dev/portolan/internal/metrics"
)

// gather is how long it waits until the owner of a Service is told of a clash: what is rolled out to all nodes is one
// event, with the number of nodes.
const gather = 10 * time.Second

// countAll is the request to count the numbers that clash.
var countAll = request{}

// clashReconciler tells the owners of Services when something else begins to use their numbers on nodes, and counts such
// numbers. It writes events alone: a condition would change with every node, and each write of a Service wakes all.
type clashReconciler struct {
	client.Reader // cached
	ledger        *allocator.Ledger
	events        events.EventRecorder
	// told is what the owners of Services have been told since this leader began. It is for the one worker of the
	// controller.
	told map[types.NamespacedName]telling
}

// telling are the numbers that the owner of a Service has been told of. One that takes its place has not been told.
type telling struct {
	uid     types.UID
	numbers map[int32]bool
}

func (r *clashReconciler) setUp(mgr manager.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).
		Named("clash").
		Watches(&corev1.Service{}, r.ofServices()).
		Watches(&v1alpha1.NodePortNodeState{}, r.ofNodes()).
		Complete(r)
}

// ofServices looks at Services that get numbers, or go.
func (r *clashReconciler) ofServices() handler.EventHandler {
	look := func(before, after client.Object, q queue) {
		if slices.Equal(numbersOf(before), numbersOf(after)) {
			return
		}
		q.AddAfter(countAll, settle)
		q.AddAfter(request{NamespacedName: client.ObjectKeyFromObject(cmp.Or(after, before))}, gather)
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { look(nil, e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) { look(e.ObjectOld, e.ObjectNew, q) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { look(e.Object, nil, q) },
	}
}

// ofNodes looks at the Services whose numbers a node reports to clash, and did not before or the other way round.
func (r *clashReconciler) ofNodes() handler.EventHandler {
	look := func(ctx context.Context, before, after client.Object, q queue) {
		if clashingOn(before) == clashingOn(after) {
			return
		}
		q.AddAfter(countAll, settle)
		for n := range differing(clashingOn(before), clashingOn(after)) {
			for _, carrier := range r.carriersOf(ctx, n) {
				q.AddAfter(carrier, gather)
			}
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { look(ctx, nil, e.Object, q) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) { look(ctx, e.ObjectOld, e.ObjectNew, q) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { look(ctx, e.Object, nil, q) },
	}
}

// clashingOn are the numbers that clash on a node, as text; none where o is nil.
func clashingOn(o client.Object) string {
	state, ok := o.(*v1alpha1.NodePortNodeState)
	if !ok || state == nil {
		return ""
	}
	return state.Status.ClashingNodePorts
}

// differing are the numbers that are in one of two texts alone; what cannot be read is nothing.
func differing(before, after string) iter.Seq[int32] {
	read := func(text string) *bitmap.Set {
		set, err := bitmap.Parse(text)
		if err != nil {
			return &bitmap.Set{}
		}
		return set
	}
	return bitmap.Difference(read(before), read(after))
}

func (r *clashReconciler) carriersOf(ctx context.Context, number int32) []request {
	services := &corev1.ServiceList{}
	err := r.List(ctx, services, client.MatchingFields{servicesByNumber: allocator.NameOf(number)}, client.UnsafeDisableDeepCopy)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "List Services", "nodePort", number)
		return nil
	}
	var requests []request
	for i := range services.Items {
		requests = append(requests, request{NamespacedName: nameOf(&services.Items[i])})
	}
	return requests
}

// Reconcile implements reconcile.Reconciler.
func (r *clashReconciler) Reconcile(ctx context.Context, req request) (reconcile.Result, error) {
	if !r.ledger.Ready() {
		return reconcile.Result{RequeueAfter: settle}, nil
	}
	if req == countAll {
		observeClashes(countClashes(r.ledger))
		return reconcile.Result{}, nil
	}
	svc := &corev1.Service{}
	if err := r.Get(ctx, req.NamespacedName, svc); err != nil || svc.DeletionTimestamp != nil {
		delete(r.told, req.NamespacedName)
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	namespace := &corev1.Namespace{}
	if err := r.Get(ctx, client.ObjectKey{Name: svc.Namespace}, namespace); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(fmt.Errorf("read namespace %q: %w", svc.Namespace, err))
	}
	r.tell(svc, namespace.Labels)
	return reconcile.Result{}, nil
}

// tell makes an event where a number clashes that did not when its owner was last told.
// Labels are those of its namespace.
func (r *clashReconciler) tell(svc *corev1.Service, labels map[string]string) {
	found, numbers := clashTrouble(svc, labels, r.ledger.Clashes)
	before := r.told[nameOf(svc)]
	if r.told[nameOf(svc)] = (telling{svc.UID, numbers}); len(numbers) == 0 {
		delete(r.told, nameOf(svc))
	}
	for n := range numbers {
		if before.uid != svc.UID || !before.numbers[n] {
			r.events.Eventf(svc, nil, corev1.EventTypeWarning, found.reason, "Allocate", "%s", found.note(freeIn(r.ledger, r.ledger.Chart())))
			return
		}
	}
}

func observeClashes(counts map[clashCount]int) {
	for c, n := range counts {
		metrics.ClashingNodePorts.WithLabelValues(string(cmp.Or(c.kind, "Unknown")), strconv.FormatBool(c.allocated)).Set(float64(n))
	}
}
