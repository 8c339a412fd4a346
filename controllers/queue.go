package controllers

import (
	"context"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

// last is the priority of what can wait for all that has an event or comes with the first list of a watch.
const last = handler.LowPriority - 1

// settle is how long what is counted may lag: a burst of Services is one write of a pool's status.
const settle = 500 * time.Millisecond

// together is how long a change of a pool waits for others: at a start all pools come at once.
const together = 50 * time.Millisecond

type (
	request = reconcile.Request
	queue   = workqueue.TypedRateLimitingInterface[request]
)

// addLast adds a request for after some time, and then after all that cannot wait.
func addLast(q queue, after time.Duration, item request) {
	q.(priorityqueue.PriorityQueue[request]).AddWithOpts(priorityqueue.AddOpts{After: after, Priority: new(last)}, item)
}

// settled has the requests of an object, before and after, handled once things have settled.
func settled(requestsOf handler.MapFunc) handler.EventHandler {
	later := func(ctx context.Context, o client.Object, q queue) {
		for _, request := range requestsOf(ctx, o) {
			q.AddAfter(request, settle)
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { later(ctx, e.Object, q) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			later(ctx, e.ObjectOld, q)
			later(ctx, e.ObjectNew, q)
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { later(ctx, e.Object, q) },
	}
}
