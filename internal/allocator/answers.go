package allocator

import (
	"slices"
	"strings"

	"github.com/portolan-dev/portolan/internal/rules"
)

// Holders implements rules.Ledger.
func (l *Ledger) Holders(number int32) []rules.Holder {
	l.mu.Lock()
	defer l.mu.Unlock()
	var holders []rules.Holder
	claim := l.claims[number]
	if claim != nil {
		holders = append(holders, holderOf(claim, l.clock.Now()))
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
	u.Clashing = l.clashingIn(pool, func(n int32) bool { return l.underway[n] > 0 })
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

// Counts counts the numbers of a pool. A number that a Service carries without a claim counts as bound.
func (l *Ledger) Counts(pool *rules.Pool) Counts {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.clock.Now()
	c := Counts{Total: pool.Numbers.Len()}
	for n, claim := range l.claims {
		state := StateOf(claim, now)
		if !pool.Numbers.Contains(n) {
			if claim.Spec.PoolName == pool.Name && !pool.Commons() && state != Held && state != Lapsed {
				c.Outside++
			}
			continue
		}
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
	for n := range l.carriers {
		if l.claims[n] == nil && pool.Numbers.Contains(n) {
			c.Bound++
		}
	}
	c.Clashing = l.clashingIn(pool, func(int32) bool { return false })
	c.Free = c.Total - c.Bound - c.Pending - c.Held - c.Reserved - c.Clashing
	return c
}
