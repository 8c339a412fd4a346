package allocator

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// A request comes several times: it passes both webhooks, is reinvoked, retried by a client, answered by another
// replica. It gets the numbers again that an earlier one claimed for the Service, but that claim may be about to be
// released: its Service may have come and gone. So who takes it up writes it, and of that write and the release, which
// both name the version that they change, one loses. Only what the mutating webhook claims the validating one need not
// write once more.

// Unclaimed are the requests, with their numbers, that have yet to be claimed. It goes by the view: where that is behind,
// what the mutating webhook claimed may have been withdrawn a moment ago, and the Service's number will be adopted.
func (l *Ledger) Unclaimed(c Claimant, requests []Request) []Request {
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(requests), func(r Request) bool {
		claim := l.claims[r.NodePort]
		return claim != nil && settled(claim, c, r, now)
	})
}

// settled says whether a claim is the one that a request wants, and stays it without a write.
func settled(claim *v1alpha1.NodePortAllocation, c Claimant, r Request, now time.Time) bool {
	if OwnerOf(claim) != c.Service {
		return false
	}
	if c.Reservation != "" {
		return claim.Spec.ReservationName == c.Reservation
	}
	switch StateOf(claim, now) {
	case Reserved: // whether or not its Service is there
		return true
	case Pending: // one that is not young any more could lapse under the request
		return r.filledIn() && now.Before(claim.Spec.ClaimTime.Add(ClaimGrace/2))
	}
	return false // also of a bound one: the Service has left the number, and wants it again
}

// filledIn says whether a number stands in the Service that its user did not set: the mutating webhook has chosen and
// claimed it in the same request. Where it was another webhook, or Kubernetes, that hit upon a number with a claim that an
// earlier request left, the ledger may have to adopt the Service.
func (r Request) filledIn() bool { return r.NodePort != 0 && r.Origin == v1alpha1.OriginAutomatic }

// Withdraw gives up claims that came to nothing. What was held before is held again.
func (l *Ledger) Withdraw(ctx context.Context, abandoned []*v1alpha1.NodePortAllocation) {
	for _, claim := range abandoned {
		w := write{after: claim}
		if claim.Spec.HoldUntil != nil {
			w.before = claim.DeepCopy()
			w.before.Spec.ClaimTime = nil
		}
		l.undo(ctx, w)
	}
}

// Abandoned are the Service's pending claims of numbers that it neither keeps nor has been seen to carry: an earlier
// request made them that has come to nothing. That it has is for the caller to make sure.
func (l *Ledger) Abandoned(service types.NamespacedName, keep []int32) []*v1alpha1.NodePortAllocation {
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	var claims []*v1alpha1.NodePortAllocation
	for n := range l.claimedBy[service] {
		claim := l.claims[n]
		if StateOf(claim, now) == Pending && !slices.Contains(keep, n) && !l.carriers[n][service] {
			claims = append(claims, claim)
		}
	}
	return claims
}
