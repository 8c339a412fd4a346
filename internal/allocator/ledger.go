// Package allocator is the ledger of node ports: which number belongs to which Service.
//
// The policy:
//   - The claim of a number is the creation of the NodePortAllocation of its name; the view kept here only
//     picks candidates. Whoever creates the object has the number, however many replicas ask.
//   - Better to leak than to allocate twice: claim first, release only what is seen to be gone.
//   - A Service gets all of its numbers or none.
//   - Nothing is handed out before the present claims and Services are in the view.
//   - The same request again gets the same numbers, and makes no second claim. Who takes up what an earlier request left
//     writes it: its release, which may be under way, is of an older version then, and fails.
//   - A limit is exact without a counter: see vote.
//   - A number that something else uses on any node is not picked. It is claimed where it is asked for, and a Service that
//     had it gets it again.
package allocator

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/bitmap"
	"github.com/portolan-dev/portolan/internal/rules"
)

// Ledger hands out numbers. It keeps a view of all claims and of the numbers that Services carry, fed by
// watches, and writes claims to a Store. Any number of goroutines may use it.
type Ledger struct {
	store  Store
	clock  clock.PassiveClock
	random func() uint32
	feeds  []func() bool // each true once its first list is in the view; set before use
	hope   time.Duration // how long a claim that was refused waits for numbers that are about to be given up

	// holding lets one hold at a time be written, so that each counts those before it.
	holding sync.Mutex

	mu sync.Mutex // guards all below
	// clusterRange and pools make the chart; it is nil until the range is known.
	clusterRange v1alpha1.PortRange
	pools        map[string]v1alpha1.NodePortPool
	chart        *rules.Chart
	// free are the free numbers of each pool by its name: all that is not a claim, carried, on its way or clashing.
	free map[string]*bitmap.Set
	// claims are the newest known allocations, claimedBy their numbers by Service, claimedIn by namespace.
	claims    map[int32]*v1alpha1.NodePortAllocation
	claimedBy map[types.NamespacedName]map[int32]bool
	claimedIn map[string]map[int32]bool
	// carriers are the Services that carry a number, carriedBy the numbers by Service.
	carriers  map[int32]map[types.NamespacedName]bool
	carriedBy map[types.NamespacedName][]int32
	// clashes are the numbers that something else uses on nodes.
	clashes *clashes
	// underway counts the claims of a number that are being written, underwayIn those of each namespace.
	underway   map[int32]int
	underwayIn map[string]map[int32]int
	// votes are the claims whose delivery by the watch is awaited, by number; arrivals counts those delivered.
	votes    map[int32][]*vote
	arrivals int
	// changed is closed, and made anew, when something changes that a refused claim may wait for.
	changed chan struct{}
	// claimed is when a number was last claimed, here or by another replica.
	claimed time.Time
	// seen is the newest resourceVersion that the watch of allocations has delivered. What we know before it:
	// ahead are the numbers of claims that it has yet to deliver, deleted the UIDs of those that it has yet to
	// see go.
	seen    string
	ahead   map[int32]bool
	deleted map[int32]types.UID
}

// New returns an empty ledger that writes to store.
func New(store Store, clock clock.PassiveClock) *Ledger {
	return &Ledger{
		store:      store,
		clock:      clock,
		random:     rand.Uint32,
		hope:       3 * time.Second,
		pools:      map[string]v1alpha1.NodePortPool{},
		free:       map[string]*bitmap.Set{},
		claims:     map[int32]*v1alpha1.NodePortAllocation{},
		claimedBy:  map[types.NamespacedName]map[int32]bool{},
		claimedIn:  map[string]map[int32]bool{},
		carriers:   map[int32]map[types.NamespacedName]bool{},
		carriedBy:  map[types.NamespacedName][]int32{},
		clashes:    newClashes(),
		underway:   map[int32]int{},
		underwayIn: map[string]map[int32]int{},
		votes:      map[int32][]*vote{},
		changed:    make(chan struct{}),
		ahead:      map[int32]bool{},
		deleted:    map[int32]types.UID{},
	}
}

// Chart is the pools at this moment; nil until the cluster's range is known.
func (l *Ledger) Chart() *rules.Chart {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.chart
}

// ChartOf is the chart of these pools: the present one, where it is of the same, as it nearly always is. The cluster's
// range must be known.
func (l *Ledger) ChartOf(pools []*v1alpha1.NodePortPool) *rules.Chart {
	l.mu.Lock()
	defer l.mu.Unlock()
	another := func(p *v1alpha1.NodePortPool) bool {
		known, ok := l.pools[p.Name]
		return !ok || known.UID != p.UID || known.Generation != p.Generation || p.Generation == 0
	}
	if len(pools) == len(l.pools) && !slices.ContainsFunc(pools, another) {
		return l.chart
	}
	all := make([]v1alpha1.NodePortPool, len(pools))
	for i, p := range pools {
		all[i] = *p
	}
	return rules.NewChart(l.clusterRange, all)
}

// SetClusterRange says which numbers the API server allocates.
func (l *Ledger) SetClusterRange(r v1alpha1.PortRange) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clusterRange = r
	l.redraw()
}

// PoolSeen takes in a pool that was listed, created or changed.
func (l *Ledger) PoolSeen(pool *v1alpha1.NodePortPool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	old, known := l.pools[pool.Name]
	l.pools[pool.Name] = *pool
	// A write of a pool's status changes nothing here.
	if !known || old.Generation != pool.Generation || old.UID != pool.UID || pool.Generation == 0 {
		l.redraw()
	}
}

// PoolGone takes in that a pool was deleted.
func (l *Ledger) PoolGone(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pools, name)
	l.redraw()
}

// redraw lays the pools over the cluster's range anew.
func (l *Ledger) redraw() {
	if l.clusterRange.To == 0 {
		return
	}
	l.chart = rules.NewChart(l.clusterRange, slices.Collect(maps.Values(l.pools)))
	clear(l.free)
	for _, p := range l.chart.Pools() {
		l.free[p.Name] = freeNumbers(p.Numbers)
	}
	for n := range l.claims {
		l.refresh(n)
	}
	for n := range l.carriers {
		l.refresh(n)
	}
	for n := range l.underway {
		l.refresh(n)
	}
	for n := range l.clashes.counts {
		l.refresh(n)
	}
}

func freeNumbers(numbers rules.Ranges) *bitmap.Set {
	if len(numbers) == 0 {
		return &bitmap.Set{}
	}
	first, last := numbers[0].From, numbers[len(numbers)-1].To
	free := bitmap.New(first, last)
	for _, hole := range (rules.Ranges{{From: first, To: last}}).Subtract(numbers) {
		free.TakeRun(hole.From, hole.To)
	}
	return free
}

// refresh brings the bit of a number into line with who has it.
func (l *Ledger) refresh(n int32) {
	if l.chart == nil {
		return
	}
	pool := l.chart.PoolOf(n)
	if pool == nil {
		return
	}
	claimed := l.claims[n] != nil && (!holdIgnored || l.claims[n].Spec.ServiceUID != "")
	if claimed || len(l.carriers[n]) > 0 || l.underway[n] > 0 || l.clashes.has(n) {
		l.free[pool.Name].Take(n)
	} else {
		l.free[pool.Name].GiveBack(n)
	}
}
