package controllers

import (
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// Bell wakes controllers where no watch does: something that they go by has changed in memory. The zero value has
// nobody who listens. Any number of goroutines may use it.
type Bell struct {
	mu        sync.Mutex // guards listeners
	listeners []chan event.GenericEvent
}

// Ring has each listener look again. It never waits: a ring that is still to be heard stands for this one too.
func (b *Bell) Ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.listeners {
		select {
		case l <- event.GenericEvent{Object: &v1alpha1.NodePortPool{}}:
		default:
		}
	}
}

// source passes each Ring on to the handler, as a generic event about no object.
func (b *Bell) source(h handler.EventHandler) source.Source {
	c := make(chan event.GenericEvent, 1)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.listeners = append(b.listeners, c)
	return source.Channel(c, h)
}
