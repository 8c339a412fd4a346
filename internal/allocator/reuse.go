package allocator

import (
	"maps"
	"slices"
	"time"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// reuse fills in numbers of those left that are claimed for the same entry. As on an update (serviceports.CarryOver) an entry's
// name decides first, then protocol and port.
func (l *Ledger) reuse(requests []Request, left, numbers []int32) {
	for _, same := range []func(*v1alpha1.NodePortAllocation, Request) bool{sameName, samePort} {
		for i, r := range requests {
			if numbers[i] != 0 {
				continue
			}
			for _, n := range left {
				if !slices.Contains(numbers, n) && same(l.claims[n], r) {
					numbers[i] = n
					break
				}
			}
		}
	}
}

// left are the numbers of these pools, ascending, that are claimed for this Service and used by nobody: its last life's, or
// an earlier attempt's; for a reservation those that the Service uses too, but not what another reservation keeps. On update
// pending claims are not among them: the API server repeats an update whose write conflicted, and has allocated the first
// attempt's numbers already, so that it would refuse them.
func (l *Ledger) left(c Claimant, pools []*rules.Pool) []int32 {
	now := l.clock.Now()
	return slices.DeleteFunc(slices.Sorted(maps.Keys(l.claimedBy[c.Service])), func(n int32) bool {
		repeated := c.UID != "" && StateOf(l.claims[n], now) == Pending
		bound := c.UID != "" && l.claims[n].Spec.ServiceUID == c.UID
		kept := c.Reservation != "" && l.claims[n].Spec.ReservationName != ""
		return repeated || bound || kept || slices.Contains(c.Uses, n) || !l.offers(pools, n) || l.carriedByOther(n, c)
	})
}

// underwayFor is how long a request is under way, at most, once it has its numbers.
const underwayFor = 10 * time.Second

// refused says whether a number was picked for a request that came to nothing, and may come to nothing again with it: what
// Kubernetes allocates for an update that then conflicts it keeps from everybody, for some ten minutes. Another one is taken, if
// that costs nobody anything; but what the Service had in its last life, or would have in every cluster, is promised to it.
func (l *Ledger) refused(n int32) bool {
	spec, now := l.claims[n].Spec, l.clock.Now()
	promised := spec.HoldUntil != nil || l.chart.PoolOf(n).Spec.Strategy == v1alpha1.StrategyStable
	return !promised && StateOf(l.claims[n], now) == Pending && now.After(spec.ClaimTime.Add(underwayFor))
}

// offers says whether a number is in one of the pools.
func (l *Ledger) offers(pools []*rules.Pool, n int32) bool {
	owner := l.chart.PoolOf(n)
	return owner != nil && slices.ContainsFunc(pools, func(p *rules.Pool) bool { return p.Name == owner.Name })
}

// carriedByOther says whether another Service carries a number: Kubernetes gave it away while it was only held.
func (l *Ledger) carriedByOther(n int32, c Claimant) bool {
	others := len(l.carriers[n])
	if l.carriers[n][c.Service] {
		others--
	}
	return others > 0
}

func sameName(claim *v1alpha1.NodePortAllocation, r Request) bool {
	return sameRole(claim, r) && (r.Role == serviceports.HealthCheck || shares(claim, r,
		func(a v1alpha1.AllocatedPort, b serviceports.Port) bool { return a.Name == b.Name }))
}

func samePort(claim *v1alpha1.NodePortAllocation, r Request) bool {
	return sameRole(claim, r) && shares(claim, r,
		func(a v1alpha1.AllocatedPort, b serviceports.Port) bool {
			return a.Port == b.Port && a.Protocol == b.Protocol
		})
}

func sameRole(claim *v1alpha1.NodePortAllocation, r Request) bool {
	return string(claim.Spec.Role) == string(r.Role)
}

// shares says whether an entry that a number was claimed for is the same as one asked for.
func shares(claim *v1alpha1.NodePortAllocation, r Request, same func(v1alpha1.AllocatedPort, serviceports.Port) bool) bool {
	return slices.ContainsFunc(claim.Spec.Ports, func(a v1alpha1.AllocatedPort) bool {
		return slices.ContainsFunc(r.Ports, func(b serviceports.Port) bool { return same(a, b) })
	})
}
