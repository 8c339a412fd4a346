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

type (
	request = reconcile.Request
	queue   = workqueue.TypedRateLimitingInterface[request]
)

// addLast adds a request for after some time, and then after all that cannot wait.
func addLast(q queue, after time.Duration, item request) {
	q.(priorityqueue.PriorityQueue[request]).AddWithOpts(priorityqueue.AddOpts{After: after, Priority: new(last)}, item)
}

// onAny handles events of any kind.
func onAny(handle func(context.Context, queue)) handler.EventHandler {
	return handler.Funcs{
		CreateFunc:  func(ctx context.Context, _ event.CreateEvent, q queue) { handle(ctx, q) },
		UpdateFunc:  func(ctx context.Context, _ event.UpdateEvent, q queue) { handle(ctx, q) },
		DeleteFunc:  func(ctx context.Context, _ event.DeleteEvent, q queue) { handle(ctx, q) },
		GenericFunc: func(ctx context.Context, _ event.GenericEvent, q queue) { handle(ctx, q) },
	}
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
