package allocator

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// Feed connects the view to the watches of c. Call it once, before the cache starts.
func (l *Ledger) Feed(ctx context.Context, c cache.Informers) error {
	pools := handler[*v1alpha1.NodePortPool]{l.PoolSeen, func(p *v1alpha1.NodePortPool) { l.PoolGone(p.Name) }}
	claims := handler[*v1alpha1.NodePortAllocation]{l.AllocationSeen, l.AllocationGone}
	states := handler[*v1alpha1.NodePortNodeState]{l.NodeStateSeen, func(s *v1alpha1.NodePortNodeState) { l.NodeStateGone(s.Name) }}
	services := handler[*corev1.Service]{l.ServiceSeen, func(s *corev1.Service) {
		l.ServiceGone(types.NamespacedName{Namespace: s.Namespace, Name: s.Name})
	}}
	for _, source := range []struct {
		object  client.Object
		handler toolscache.ResourceEventHandler
	}{
		{&v1alpha1.NodePortPool{}, pools},
		{&v1alpha1.NodePortAllocation{}, claims},
		{&corev1.Service{}, services},
		{&v1alpha1.NodePortNodeState{}, states},
	} {
		informer, err := c.GetInformer(ctx, source.object)
		if err != nil {
			return fmt.Errorf("watch %T: %w", source.object, err)
		}
		registration, err := informer.AddEventHandler(source.handler)
		if err != nil {
			return fmt.Errorf("watch %T: %w", source.object, err)
		}
		l.feeds = append(l.feeds, registration.HasSynced)
	}
	return nil
}

// Ready says whether numbers may be handed out: the cluster's range is known, and all pools, claims, Services and node
// states that were there at the start are in the view.
func (l *Ledger) Ready() bool {
	for _, synced := range l.feeds {
		if !synced() {
			return false
		}
	}
	return l.Chart() != nil
}

// handler passes the events of one kind on to the view.
type handler[T any] struct{ seen, gone func(T) }

func (h handler[T]) OnAdd(obj any, atStart bool) {
	if _, isService := obj.(*corev1.Service); isService && atStart && replaySkipped {
		return
	}
	h.pass(obj, h.seen)
}

func (h handler[T]) OnUpdate(_, obj any) { h.pass(obj, h.seen) }

func (h handler[T]) OnDelete(obj any) {
	// The deletion was missed; this is the last state known.
	if missed, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
		obj = missed.Obj
	}
	h.pass(obj, h.gone)
}

func (handler[T]) pass(obj any, to func(T)) {
	if t, ok := obj.(T); ok {
		to(t)
	}
}
