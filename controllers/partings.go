package controllers

import (
	"context"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
)

// partings remember which Services have been seen with a number and then without it. A claim may still be pending
// when its Service has come and gone: it need not wait for a Service to appear then.
type partings struct {
	mu   sync.Mutex // guards last
	last map[int32]parting
}

// parting is a Service's last version that carried a number.
type parting struct {
	service types.NamespacedName
	version string
}

func newPartings() *partings { return &partings{last: map[int32]parting{}} }

// watch is the handler of Services: it notes partings before it asks for the allocations of their numbers.
func (p *partings) watch() handler.EventHandler {
	enqueue := func(ctx context.Context, o client.Object, q queue) {
		for _, r := range allocationsOf(ctx, o) {
			q.Add(r)
		}
	}
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { enqueue(ctx, e.Object, q) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) {
			p.note(e.ObjectOld, numbersOf(e.ObjectNew))
			enqueue(ctx, e.ObjectOld, q)
			enqueue(ctx, e.ObjectNew, q)
		},
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) {
			p.note(e.Object, nil)
			enqueue(ctx, e.Object, q)
		},
	}
}

// note takes in that a Service kept only some of its numbers.
func (p *partings) note(before client.Object, kept []int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, n := range numbersOf(before) {
		if !slices.Contains(kept, n) {
			p.last[n] = parting{client.ObjectKeyFromObject(before), before.GetResourceVersion()}
		}
	}
}

// fulfilled says whether the Service of a claim has been seen with the number since the claim was made, and then
// without it. Whoever takes the claim up again writes it, so that it is newer than what has been seen.
func (p *partings) fulfilled(a *v1alpha1.NodePortAllocation) bool {
	n, _ := allocator.NumberOf(a)
	p.mu.Lock()
	defer p.mu.Unlock()
	last, ok := p.last[n]
	return ok && last.service == allocator.OwnerOf(a) && newer(last.version, a.ResourceVersion)
}

// newer compares versions of a Service and of a claim. They are of one count where etcd keeps both; where it does not, the
// worst is a number that is held too early or too late.
func newer(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && order > 0
}
