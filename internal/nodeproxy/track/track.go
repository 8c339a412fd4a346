// Package track says which Services have changed, and what they are made of now.
//
// Events of the watches mark a Service and no more; what it is made of is read when somebody takes the change. So the
// first change goes out at once, and a burst during the work on it comes as one. Nothing is handed out before both
// Services and EndpointSlices have been read in full: half of them would end as rules that send traffic nowhere.
package track

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"github.com/portolan-dev/portolan/internal/nodeproxy/endpoints"
)

// Change is a Service that has changed, or whose EndpointSlices have.
type Change struct {
	Name types.NamespacedName
	// Service is as it is now; nil for one that has gone. It and the slices are the Tracker's own: not to be written to.
	Service *corev1.Service
	// Slices are its EndpointSlices, in no order.
	Slices []*endpoints.Slice
	// Since is when the first event of the change was seen.
	Since time.Time
	// Triggers are when the changes of endpoints happened that its slices answer to: of a pod, for example. Those from
	// before the Tracker are left out, as in kube-proxy's network_programming_duration_seconds.
	Triggers []time.Time
}

// Tracker keeps all Services and EndpointSlices, and collects changes. One goroutine may take them; the rest is safe for
// concurrent use.
type Tracker struct {
	clock   clock.PassiveClock
	started time.Time
	begun   bool // the first changes are taken

	services *store[*corev1.Service]
	slices   *store[*endpoints.Slice]

	mu        sync.Mutex // guards what follows, and what the stores hold
	byService map[types.NamespacedName][]*endpoints.Slice
	pending   map[types.NamespacedName]*mark
	counts    Counts

	wake chan struct{} // holds one when Next is to return, as when something is pending that was not when it last looked
}

// mark is what is known of a change that nobody has taken.
type mark struct {
	since    time.Time
	triggers []time.Time
}

// New makes a Tracker of what its stores are told. trim takes of a Service what nobody reads; it may be nil.
func New(trim func(*corev1.Service), c clock.PassiveClock) *Tracker {
	t := &Tracker{
		clock:     c,
		started:   c.Now(),
		byService: map[types.NamespacedName][]*endpoints.Slice{},
		pending:   map[types.NamespacedName]*mark{},
		wake:      make(chan struct{}, 1),
	}
	t.services = newStore(&t.mu, inPlace(trim), t.serviceChanged)
	t.slices = newStore(&t.mu, keepSlice, t.sliceChanged)
	return t
}

// Services is the store for a reflector of Services.
func (t *Tracker) Services() cache.ReflectorStore { return t.services }

// EndpointSlices is the store for a reflector of EndpointSlices.
func (t *Tracker) EndpointSlices() cache.ReflectorStore { return t.slices }

// Next waits for changes and takes them all, those that wait longest first. The first call returns as soon as Services
// and EndpointSlices are read, with all Services there are. It fails only when ctx ends.
func (t *Tracker) Next(ctx context.Context) ([]Change, error) {
	if !t.begun {
		for _, read := range []<-chan struct{}{t.services.read, t.slices.read} {
			select {
			case <-read:
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
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
	t.mu.Lock()
	defer t.mu.Unlock()
	for name := range t.services.objects {
		t.mark(name)
	}
}

// Wake has Next return, if need be with nothing: for what is not a Service's.
func (t *Tracker) Wake() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// Service is a Service as it is now, nil if there is none, and its EndpointSlices. They are the Tracker's own.
func (t *Tracker) Service(name types.NamespacedName) (*corev1.Service, []*endpoints.Slice) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.services.objects[name], t.byService[name]
}

// Names are those of all Services, in no order.
func (t *Tracker) Names() []types.NamespacedName {
	t.mu.Lock()
	defer t.mu.Unlock()
	names := make([]types.NamespacedName, 0, len(t.services.objects))
	for name := range t.services.objects {
		names = append(names, name)
	}
	return names
}

// Everything is all Services there are, each as a Change, in no order.
func (t *Tracker) Everything() []Change {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]Change, 0, len(t.services.objects))
	for name, svc := range t.services.objects {
		all = append(all, Change{Name: name, Service: svc, Slices: t.byService[name]})
	}
	return all
}

// take takes what is pending. What changes from here on is pending again.
func (t *Tracker) take() []Change {
	t.mu.Lock()
	defer t.mu.Unlock()
	select { // the wake of what is taken
	case <-t.wake:
	default:
	}
	changes := make([]Change, 0, len(t.pending))
	for name, m := range t.pending {
		changes = append(changes, Change{
			Name:     name,
			Service:  t.services.objects[name],
			Slices:   t.byService[name],
			Since:    m.since,
			Triggers: m.triggers,
		})
	}
	t.pending = map[types.NamespacedName]*mark{}
	slices.SortFunc(changes, func(a, b Change) int {
		return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Name.Namespace, b.Name.Namespace), cmp.Compare(a.Name.Name, b.Name.Name))
	})
	return changes
}

// mark marks a Service as changed. mu is held.
func (t *Tracker) mark(name types.NamespacedName, triggers ...time.Time) {
	m := t.pending[name]
	if m == nil {
		m = &mark{since: t.clock.Now()}
		t.pending[name] = m
	}
	m.triggers = append(m.triggers, triggers...)
	t.Wake()
}
