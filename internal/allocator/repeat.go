package allocator

import (
	"context"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// A request comes several times: it passes both webhooks, is reinvoked, retried by a client, answered by another
// replica. What an earlier call claimed counts for the later one.

// Unclaimed are the requests, with their numbers, that no claim of this Service is pending or bound for, by the view:
// where it is behind, a claim may have been withdrawn a moment ago, and the Service's number will be adopted.
func (l *Ledger) Unclaimed(c Claimant, requests []Request) []Request {
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(requests), func(r Request) bool {
		claim := l.claims[r.NodePort]
		return claim != nil && settled(claim, c, now)
	})
}

// settled says whether a claim is this Service's already, by an earlier call of the same request or of one before.
// A pending one that is not young any more could lapse under the request: it is claimed anew.
func settled(claim *v1alpha1.NodePortAllocation, c Claimant, now time.Time) bool {
	if OwnerOf(claim) != c.Service {
		return false
	}
	if c.Reservation != "" {
		return claim.Spec.ReservationName == c.Reservation
	}
	switch StateOf(claim, now) {
	case Reserved:
		return true
	case Bound:
		return claim.Spec.ServiceUID == c.UID
	case Pending:
		return now.Before(claim.Spec.ClaimTime.Add(ClaimGrace / 2))
	}
	return false
}

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
