// Package allocator is the ledger of node ports: which number belongs to which Service.
//
// The policy:
//   - The claim of a number is the creation of the NodePortAllocation of its name; the view kept here only
//     picks candidates. Whoever creates the object has the number, however many replicas ask.
//   - Better to leak than to allocate twice: claim first, release only what is seen to be gone.
//   - A Service gets all of its numbers or none.
//   - Nothing is handed out before the present claims and Services are in the view.
//   - The same request again gets the same numbers, and makes no second claim.
package allocator

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"k8s.io/utils/clock"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/bitmap"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// Ledger hands out numbers. It keeps a view of all claims and of the numbers that Services carry, fed by
// watches, and writes claims to a Store. Any number of goroutines may use it.
type Ledger struct {
	store  Store
	clock  clock.PassiveClock
	random func() uint32
	feeds  []func() bool // each true once its first list is in the view; set before use

	mu sync.Mutex // guards all below
	// clusterRange and pools make the chart; it is nil until the range is known.
	clusterRange v1alpha1.PortRange
	pools        map[string]v1alpha1.NodePortPool
	chart        *rules.Chart
	// free are the free numbers of each pool by its name: all that is not a claim, carried or on its way.
	free map[string]*bitmap.Set
	// claims are the newest known allocations, claimedBy their numbers by Service.
	claims    map[int32]*v1alpha1.NodePortAllocation
	claimedBy map[types.NamespacedName]map[int32]bool
	// carriers are the Services that carry a number, carriedBy the numbers by Service.
	carriers  map[int32]map[types.NamespacedName]bool
	carriedBy map[types.NamespacedName][]int32
	// underway counts the claims of a number that are being written.
	underway map[int32]int
	// seen is the newest resourceVersion that the watch of allocations has delivered.
	seen string
}

// New returns an empty ledger that writes to store.
func New(store Store, clock clock.PassiveClock) *Ledger {
	return &Ledger{
		store:     store,
		clock:     clock,
		random:    rand.Uint32,
		pools:     map[string]v1alpha1.NodePortPool{},
		free:      map[string]*bitmap.Set{},
		claims:    map[int32]*v1alpha1.NodePortAllocation{},
		claimedBy: map[types.NamespacedName]map[int32]bool{},
		carriers:  map[int32]map[types.NamespacedName]bool{},
		carriedBy: map[types.NamespacedName][]int32{},
		underway:  map[int32]int{},
	}
}

// Chart is the pools at this moment; nil until the cluster's range is known.
func (l *Ledger) Chart() *rules.Chart {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.chart
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
	if l.claims[n] != nil || len(l.carriers[n]) > 0 || l.underway[n] > 0 {
		l.free[pool.Name].Take(n)
	} else {
		l.free[pool.Name].GiveBack(n)
	}
}

// AllocationSeen takes in a claim that the watch delivered.
func (l *Ledger) AllocationSeen(a *v1alpha1.NodePortAllocation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.advance(a.ResourceVersion)
	l.put(a)
}

// AllocationGone takes in that the watch saw a claim deleted.
func (l *Ledger) AllocationGone(a *v1alpha1.NodePortAllocation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.advance(a.ResourceVersion)
	l.drop(a)
}

// learn takes in a claim that was read or written outside of the watch. One that the watch has passed is
// old news: it is in the view already, or gone.
func (l *Ledger) learn(a *v1alpha1.NodePortAllocation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if newer(a.ResourceVersion, l.seen) {
		l.put(a)
	}
}

// forget takes in that a claim was deleted by us.
func (l *Ledger) forget(a *v1alpha1.NodePortAllocation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(a)
}

func (l *Ledger) advance(resourceVersion string) {
	if newer(resourceVersion, l.seen) {
		l.seen = resourceVersion
	}
}

func newer(a, b string) bool {
	if b == "" {
		return true
	}
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err != nil || order > 0
}

func (l *Ledger) put(a *v1alpha1.NodePortAllocation) {
	n, ok := NumberOf(a)
	if !ok {
		return
	}
	if known := l.claims[n]; known != nil {
		if !newer(a.ResourceVersion, known.ResourceVersion) {
			return
		}
		l.unlist(n, known)
	}
	l.claims[n] = a
	owner := OwnerOf(a)
	if l.claimedBy[owner] == nil {
		l.claimedBy[owner] = map[int32]bool{}
	}
	l.claimedBy[owner][n] = true
	l.refresh(n)
}

func (l *Ledger) drop(a *v1alpha1.NodePortAllocation) {
	n, ok := NumberOf(a)
	if !ok {
		return
	}
	known := l.claims[n]
	if known == nil || known.UID != a.UID {
		return
	}
	l.unlist(n, known)
	delete(l.claims, n)
	l.refresh(n)
}

func (l *Ledger) unlist(n int32, a *v1alpha1.NodePortAllocation) {
	owner := OwnerOf(a)
	delete(l.claimedBy[owner], n)
	if len(l.claimedBy[owner]) == 0 {
		delete(l.claimedBy, owner)
	}
}

// ServiceSeen takes in the numbers that a Service carries.
func (l *Ledger) ServiceSeen(svc *corev1.Service) {
	l.carry(types.NamespacedName{Namespace: svc.Namespace, Name: svc.Name},
		serviceports.Numbers(serviceports.Requests(svc)))
}

// ServiceGone takes in that a Service was deleted.
func (l *Ledger) ServiceGone(service types.NamespacedName) { l.carry(service, nil) }

func (l *Ledger) carry(service types.NamespacedName, numbers []int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.carriedBy[service]
	if slices.Equal(before, numbers) {
		return
	}
	for _, n := range before {
		delete(l.carriers[n], service)
		if len(l.carriers[n]) == 0 {
			delete(l.carriers, n)
		}
	}
	for _, n := range numbers {
		if l.carriers[n] == nil {
			l.carriers[n] = map[types.NamespacedName]bool{}
		}
		l.carriers[n][service] = true
	}
	if l.carriedBy[service] = numbers; len(numbers) == 0 {
		delete(l.carriedBy, service)
	}
	for _, n := range before {
		l.refresh(n)
	}
	for _, n := range numbers {
		l.refresh(n)
	}
}

// Knows says whether the view has a claim or a number of the Service: it may well exist.
func (l *Ledger) Knows(service types.NamespacedName) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.claimedBy[service]) > 0 || len(l.carriedBy[service]) > 0
}

// Holders implements rules.Ledger.
func (l *Ledger) Holders(number int32) []rules.Holder {
	l.mu.Lock()
	defer l.mu.Unlock()
	var holders []rules.Holder
	claim := l.claims[number]
	if claim != nil {
		h := rules.Holder{Service: OwnerOf(claim)}
		if StateOf(claim, l.clock.Now()) == Held {
			h.HeldUntil = claim.Spec.HoldUntil.Time
		}
		holders = append(holders, h)
	}
	for service := range l.carriers[number] {
		if claim == nil || service != OwnerOf(claim) {
			holders = append(holders, rules.Holder{Service: service})
		}
	}
	return holders
}

// FreeNumbers implements rules.Ledger.
func (l *Ledger) FreeNumbers(pool *rules.Pool, atMost int) []int32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var numbers []int32
	if free := l.free[pool.Name]; free != nil && atMost > 0 {
		for n := range free.FreeNumbers() {
			if numbers = append(numbers, n); len(numbers) == atMost {
				break
			}
		}
	}
	return numbers
}

// Usage implements rules.Ledger.
func (l *Ledger) Usage(pool *rules.Pool) rules.Usage {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := rules.Usage{Total: pool.Numbers.Len()}
	if free := l.free[pool.Name]; free != nil {
		u.Free = free.Free()
	}
	now := l.clock.Now()
	for n, claim := range l.claims {
		if StateOf(claim, now) != Held || !pool.Numbers.Contains(n) {
			continue
		}
		if end := claim.Spec.HoldUntil.Time; u.NextHoldEnd.IsZero() || end.Before(u.NextHoldEnd) {
			u.NextHoldEnd = end
		}
	}
	return u
}

// Counts are the numbers of a pool by state.
type Counts struct{ Total, Bound, Pending, Held, Reserved, Free int }

// Counts counts the numbers of a pool. A number that a Service carries without a claim counts as bound.
func (l *Ledger) Counts(pool *rules.Pool) Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	c := Counts{Total: pool.Numbers.Len()}
	for n, claim := range l.claims {
		if !pool.Numbers.Contains(n) {
			continue
		}
		switch StateOf(claim, now) {
		case Bound:
			c.Bound++
		case Held:
			c.Held++
		default:
			c.Pending++
		}
	}
	for n := range l.carriers {
		if l.claims[n] == nil && pool.Numbers.Contains(n) {
			c.Bound++
		}
	}
	c.Free = c.Total - c.Bound - c.Pending - c.Held
	return c
}

// NumberOf is the number that an allocation stands for; false where its name is none.
func NumberOf(a *v1alpha1.NodePortAllocation) (int32, bool) {
	n, err := strconv.ParseUint(a.Name, 10, 16)
	return int32(n), err == nil && n > 0
}

// NameOf is the name of the allocation of a number.
func NameOf(number int32) string { return strconv.Itoa(int(number)) }

// OwnerOf is the Service that has an allocation's number, or had it last.
func OwnerOf(a *v1alpha1.NodePortAllocation) types.NamespacedName {
	return types.NamespacedName{Namespace: a.Spec.ServiceRef.Namespace, Name: a.Spec.ServiceRef.Name}
}

// ClaimGrace is how long a claim waits for its Service to appear.
const ClaimGrace = 90 * time.Second

// State is what a claim is at a moment.
type State int

const (
	// Bound: its Service has been seen with the number.
	Bound State = iota
	// Pending: its Service is just being created or changed.
	Pending
	// Held: its Service has gone, and the number is kept for it.
	Held
	// Lapsed: nobody has used it in time.
	Lapsed
)

// StateOf is the state of a claim at a time.
func StateOf(a *v1alpha1.NodePortAllocation, now time.Time) State {
	spec := &a.Spec
	switch {
	case spec.ServiceUID != "":
		return Bound
	case spec.ClaimTime != nil && now.Before(spec.ClaimTime.Add(ClaimGrace)):
		return Pending
	case spec.HoldUntil != nil && now.Before(spec.HoldUntil.Time):
		return Held
	}
	return Lapsed
}
