package soak

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/portolan-dev/portolan/internal/allocator"
)

// conclude judges what is left when all is at rest, and how much of it is only for a while.
func (j *judge) conclude(now time.Time) (left []violation) {
	for name, s := range j.live {
		for _, n := range s.numbers {
			a := j.claims[n]
			if a != nil && a.owner() != name && j.otherwise(n, a, now) {
				continue
			}
			if a == nil || a.owner() != name || a.spec.ServiceUID != s.uid {
				left = append(left, violation{kind: unbound, number: n, text: fmt.Sprintf("%s (%s) carries it, the ledger has %s", name, s.uid, a)})
			}
		}
	}
	for _, n := range slices.Sorted(maps.Keys(j.claims)) {
		a := j.claims[n]
		if j.carriedByOwner(n, a) {
			continue
		}
		switch stateOf(a, now) {
		case allocator.Bound, allocator.Lapsed:
			left = append(left, violation{kind: leaked, number: n, text: fmt.Sprintf("nobody carries it, the ledger has %s", a)})
		}
	}
	return left
}

// otherwise says whether there is a reason why a number is not claimed for one that carries it: the creation of the claim's own
// Service may be under way, and it is adopted after the grace; or it carries it, too.
func (j *judge) otherwise(n int32, a *claim, now time.Time) bool {
	return stateOf(a, now) == allocator.Pending || j.shared[n] && j.carriedByOwner(n, a)
}

// waits says whether any claim is there that its Service does not carry, and that is to go by itself.
func (j *judge) waits() bool {
	for n, a := range j.claims {
		if a.spec.ReservationName == "" && !j.carriedByOwner(n, a) {
			return true
		}
	}
	return false
}

func (j *judge) carriedByOwner(n int32, a *claim) bool {
	s := j.live[a.owner()]
	return s != nil && slices.Contains(s.numbers, n)
}

// carried says whether a Service carries a number now.
func (j *judge) carried(n int32) bool { return len(j.carriers[n]) > 0 }
