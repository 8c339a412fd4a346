// Package track says which Services have changed, and what they are made of now.
//
// Events of the watches mark a Service and no more; what it is made of is read when somebody takes the change. So the
// first change goes out at once, and a burst during the work on it comes as one. Nothing is handed out before both
// Services and EndpointSlices have been read in full: half of them would end as rules that send traffic nowhere.
package track

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
)

// Change is a Service that has changed, or whose EndpointSlices have.
type Change struct {
	Name types.NamespacedName
	// Service is as it is now; nil for one that has gone. It and the slices are the cache's own: not to be written to.
	Service *corev1.Service
	// Slices are its EndpointSlices, in no order.
	Slices []*discoveryv1.EndpointSlice
	// Since is when the first event of the change was seen.
	Since time.Time
	// Triggers are when the changes of endpoints happened that its slices answer to: of a pod, for example. Those from
	// before the Tracker are left out, as in kube-proxy's network_programming_duration_seconds.
	Triggers []time.Time
}

// Tracker collects changes. One goroutine may take them; the rest is safe for concurrent use.
type Tracker struct {
	services, slices cache.Indexer
	synced           []cache.DoneChecker
	clock            clock.PassiveClock
	started          time.Time
	begun            bool // the first changes are taken

	mu      sync.Mutex // guards pending and counts
	pending map[types.NamespacedName]*mark
	counts  Counts

	wake chan struct{} // holds one when Next is to return, as when something is pending that was not when it last looked
}

// mark is what is known of a change that nobody has taken.
type mark struct {
	since    time.Time
	triggers []time.Time
}

// New makes a Tracker on two informers that have not been started, of Services and of EndpointSlices.
func New(services, endpointSlices cache.SharedIndexInformer, c clock.PassiveClock) (*Tracker, error) {
	t := &Tracker{
		services: services.GetIndexer(),
		slices:   endpointSlices.GetIndexer(),
		clock:    c,
		started:  c.Now(),
		pending:  map[types.NamespacedName]*mark{},
		wake:     make(chan struct{}, 1),
	}
	if err := endpointSlices.AddIndexers(cache.Indexers{byService: serviceKeys}); err != nil {
		return nil, fmt.Errorf("index EndpointSlices by Service: %w", err)
	}
	for _, source := range []struct {
		informer cache.SharedIndexInformer
		handler  cache.ResourceEventHandler
	}{
		{services, handler[*corev1.Service]{t.serviceChanged}},
		{endpointSlices, handler[*discoveryv1.EndpointSlice]{t.sliceChanged}},
	} {
		registration, err := source.informer.AddEventHandler(source.handler)
		if err != nil {
			return nil, fmt.Errorf("watch: %w", err)
		}
		t.synced = append(t.synced, registration.HasSyncedChecker())
	}
	return t, nil
}

// Next waits for changes and takes them all, those that wait longest first. The first call returns as soon as Services
// and EndpointSlices are read, with all Services there are. It fails only when ctx ends.
func (t *Tracker) Next(ctx context.Context) ([]Change, error) {
	if !t.begun {
		if !cache.WaitFor(ctx, "", t.synced...) {
			return nil, context.Cause(ctx)
		}
		t.begun = true
		return t.take(), nil
	}
	select {
	case <-t.wake:
		return t.take(), nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// All marks all Services as changed, for when the node has.
func (t *Tracker) All() {
	for _, key := range t.services.ListKeys() {
		namespace, name, _ := cache.SplitMetaNamespaceKey(key)
		t.mark(types.NamespacedName{Namespace: namespace, Name: name})
	}
}

// Wake has Next return, if need be with nothing: for what is not a Service's.
func (t *Tracker) Wake() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// take takes what is pending. What changes from here on is pending again.
func (t *Tracker) take() []Change {
	t.mu.Lock()
	taken := t.pending
	t.pending = map[types.NamespacedName]*mark{}
	select { // the wake of what is taken
	case <-t.wake:
	default:
	}
	t.mu.Unlock()

	changes := make([]Change, 0, len(taken))
	for name, m := range taken {
		changes = append(changes, Change{
			Name:     name,
			Service:  t.service(name),
			Slices:   t.Slices(name),
			Since:    m.since,
			Triggers: m.triggers,
		})
	}
	slices.SortFunc(changes, func(a, b Change) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Name.String(), b.Name.String()))
	})
	return changes
}

// mark marks a Service as changed.
func (t *Tracker) mark(name types.NamespacedName, triggers ...time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.pending[name]
	if m == nil {
		m = &mark{since: t.clock.Now()}
		t.pending[name] = m
	}
	m.triggers = append(m.triggers, triggers...)
	t.Wake()
}
