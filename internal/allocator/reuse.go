package allocator

import (
	"maps"
	"slices"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// reuse fills in numbers that are claimed for this Service but not used by it: its last life's, or an earlier
// attempt's. As on an update (serviceports.CarryOver) an entry's name decides first, then protocol and port.
func (l *Ledger) reuse(c Claimant, requests []Request, pools []*rules.Pool, numbers []int32) {
	left := l.left(c, pools)
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

// left are the numbers of these pools, ascending, that are claimed for this Service and used by nobody; for a
// reservation those that the Service uses too, but not what another reservation keeps. On update pending claims are not
// among them: the API server repeats an update whose write conflicted, and has allocated the first attempt's numbers
// already, so that it would refuse them.
func (l *Ledger) left(c Claimant, pools []*rules.Pool) []int32 {
	now := l.clock.Now()
	return slices.DeleteFunc(slices.Sorted(maps.Keys(l.claimedBy[c.Service])), func(n int32) bool {
		repeated := c.UID != "" && StateOf(l.claims[n], now) == Pending
		bound := c.UID != "" && l.claims[n].Spec.ServiceUID == c.UID
		kept := c.Reservation != "" && l.claims[n].Spec.ReservationName != ""
		return repeated || bound || kept || slices.Contains(c.Uses, n) || !l.offers(pools, n) || l.carriedByOther(n, c)
	})
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
