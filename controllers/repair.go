package controllers

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// repairer has every number looked at again, from time to time: what a missed event or a bug left behind is found.
// The first look is the watches' own, at the start.
type repairer struct {
	client.Reader
	every  time.Duration
	events chan event.GenericEvent
}

func newRepairer(cached client.Reader, every time.Duration) *repairer {
	return &repairer{Reader: cached, every: every, events: make(chan event.GenericEvent)}
}

// source delivers the requests.
func (r *repairer) source() source.Source {
	return source.Channel(r.events, handler.EnqueueRequestsFromMapFunc(
		func(ctx context.Context, o client.Object) []request {
			if _, ok := o.(*corev1.Service); ok {
				return allocationsOf(ctx, o)
			}
			return []request{{NamespacedName: client.ObjectKeyFromObject(o)}}
		}))
}

// Start implements manager.Runnable.
func (r *repairer) Start(ctx context.Context) error {
	ticker := time.NewTicker(r.every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			if err := r.lookAtAll(ctx); err != nil {
				return err
			}
		}
	}
}

func (r *repairer) lookAtAll(ctx context.Context) error {
	claims, services := &v1alpha1.NodePortAllocationList{}, &corev1.ServiceList{}
	for list, which := range map[client.ObjectList][]client.ListOption{claims: nil, services: {client.MatchingFields{servicesByNumber: anyNumber}}} {
		if err := r.List(ctx, list, append(which, client.UnsafeDisableDeepCopy)...); err != nil {
			return fmt.Errorf("repair: %w", err)
		}
	}
	for i := range claims.Items {
		r.enqueue(ctx, &claims.Items[i])
	}
	for i := range services.Items {
		r.enqueue(ctx, &services.Items[i])
	}
	return nil
}

func (r *repairer) enqueue(ctx context.Context, o client.Object) {
	select {
	case r.events <- event.GenericEvent{Object: o}:
	case <-ctx.Done():
	}
}
