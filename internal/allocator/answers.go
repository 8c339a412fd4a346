package allocator

import (
	"slices"
	"strings"
	"time"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
)

// Holders implements rules.Ledger.
func (l *Ledger) Holders(number int32) []rules.Holder {
	l.mu.Lock()
	defer l.mu.Unlock()
	var holders []rules.Holder
	claim := l.claims[number]
	if claim != nil {
		holders = append(holders, l.holderLocked(number, claim))
	}
	for service := range l.carriers[number] {
		if claim == nil || service != OwnerOf(claim) {
			holders = append(holders, rules.Holder{Service: service})
		}
	}
	others := holders
	if claim != nil {
		others = holders[1:]
	}
	slices.SortFunc(others, func(a, b rules.Holder) int { return strings.Compare(a.Service.String(), b.Service.String()) })
	return holders
}

// holderLocked is the Service that a claim stands for. It is no hold where that Service carries the number again, made while no
// webhook answered, and nobody has bound it yet. The lock is held.
func (l *Ledger) holderLocked(number int32, claim *v1alpha1.NodePortAllocation) rules.Holder {
	h := holderOf(claim, l.clock.Now())
	if l.carriers[number][h.Service] {
		h.HeldUntil = time.Time{}
	}
	return h
}

// Carried says whether any live Service has the number.
func (l *Ledger) Carried(number int32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.carriers[number]) > 0
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
	for n := range l.clashes.counts {
		if pool.Numbers.Contains(n) && l.unheld(n) && l.underway[n] == 0 {
			u.Clashing++
		}
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

// Counts are the numbers of a pool by state. Clashing are those that nobody has and that something else uses on a node.
// Outside are those that were taken from it and are not among its numbers any more, and are not only held.
type Counts struct{ Total, Bound, Pending, Held, Reserved, Clashing, Free, Outside int }

// Counts counts the numbers of each pool of a chart, and of the commons, by name: of all in one pass. A number that a
// Service carries without a claim counts as bound.
func (l *Ledger) Counts(chart *rules.Chart) map[string]Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := map[*rules.Pool]*Counts{}
	for _, p := range chart.Pools() {
		counts[p] = &Counts{Total: p.Numbers.Len()}
	}
	l.countClaims(chart, counts)
	for n := range l.carriers {
		if c := counts[chart.PoolOf(n)]; c != nil && l.claims[n] == nil {
			c.Bound++
		}
	}
	for n := range l.clashes.counts {
		if c := counts[chart.PoolOf(n)]; c != nil && l.unheld(n) {
			c.Clashing++
		}
	}
	all := map[string]Counts{}
	for p, c := range counts {
		c.Free = c.Total - c.Bound - c.Pending - c.Held - c.Reserved - c.Clashing
		all[p.Name] = *c
	}
	return all
}

func (l *Ledger) countClaims(chart *rules.Chart, counts map[*rules.Pool]*Counts) {
	now := l.clock.Now()
	for n, claim := range l.claims {
		state, pool := StateOf(claim, now), chart.PoolOf(n)
		if c := counts[pool]; c != nil {
			c.add(state)
		}
		from := chart.Pool(claim.Spec.PoolName)
		if from != nil && from != pool && !from.Commons() && state != Held && state != Lapsed {
			counts[from].Outside++
		}
	}
}

// add counts a claim of a number of the pool.
func (c *Counts) add(state State) {
	switch state {
	case Bound:
		c.Bound++
	case Held:
		c.Held++
	case Reserved:
		c.Reserved++
	default:
		c.Pending++
	}
}
