package allocator

import (
	"context"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
)

// A limit is kept without a counter: claim first, wait until the watch of allocations delivers the claim, count the
// namespace's claims at that moment, and give the claim back if they are too many. The watch is in one order for every
// replica, so of two claims the later one counts the earlier: no more than the limit stay, and nothing is left to
// put right after a crash. A list after a broken watch counts as earlier (AllocationsListed): that can refuse one too
// many, never let one by.

// vote is one claim that waits for the watch to deliver it.
type vote struct {
	number  int32
	pool    *rules.Pool
	service types.NamespacedName
	time    metav1.MicroTime // of the claim: tells it from others of the same Service

	arrived chan struct{} // closed when the watch has delivered the claim
	// order is the place among the arrivals, used how many numbers of the pool the namespace had then.
	order, used int
}

// await registers a claim that is about to be made; nil if its pool has no limit that is enforced.
func (l *Ledger) await(wanted *v1alpha1.NodePortAllocation) *vote {
	l.mu.Lock()
	defer l.mu.Unlock()
	number, _ := NumberOf(wanted)
	pool := l.chart.PoolOf(number)
	if pool == nil {
		return nil
	}
	if limit, unbound := pool.Allowance(); limit < 0 || unbound {
		return nil
	}
	v := &vote{number: number, pool: pool, service: OwnerOf(wanted), time: *wanted.Spec.ClaimTime, arrived: make(chan struct{})}
	l.votes[number] = append(l.votes[number], v)
	return v
}

// withdraw forgets votes.
func (l *Ledger) withdraw(votes ...*vote) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, v := range votes {
		if v == nil {
			continue
		}
		rest := slices.DeleteFunc(l.votes[v.number], func(other *vote) bool { return other == v })
		if l.votes[v.number] = rest; len(rest) == 0 {
			delete(l.votes, v.number)
		}
	}
}

// count counts for those who wait for this claim.
func (l *Ledger) count(n int32, delivered *v1alpha1.NodePortAllocation) {
	for _, v := range l.votes[n] {
		if v.order != 0 || v.service != OwnerOf(delivered) || !v.time.Equal(delivered.Spec.ClaimTime) {
			continue
		}
		l.arrivals++
		v.order = l.arrivals
		for number := range l.claimedIn[v.service.Namespace] {
			if v.pool.Numbers.Contains(number) {
				v.used++
			}
		}
		close(v.arrived)
	}
}

// counted waits until the watch has delivered all claims of a Service, and says whether one of the limits is broken.
func counted(ctx context.Context, votes []*vote) error {
	last, mine := map[*rules.Pool]*vote{}, map[*rules.Pool]int{}
	for _, v := range votes {
		select {
		case <-v.arrived:
		case <-ctx.Done():
			return ctx.Err()
		}
		mine[v.pool]++
		if known := last[v.pool]; known == nil || v.order > known.order {
			last[v.pool] = v
		}
	}
	for pool, v := range last {
		if limit, _ := pool.Allowance(); v.used > limit {
			return &QuotaError{Pool: pool, Limit: limit, Used: v.used - mine[pool], Asked: mine[pool]}
		}
	}
	return nil
}
