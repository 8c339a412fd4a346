package allocator

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/portolan-dev/portolan/internal/rules"
)

// jitter keeps two Services that are in each other's way from coming again at the same moment.
const jitter = 10 * time.Millisecond

// retrying calls claim until it succeeds, fails for good, or has been refused for so long that nothing is to be hoped
// for: a claim in flight may come to nothing, and a number whose Service has gone is about to be held, which can be
// given up.
func (l *Ledger) retrying(ctx context.Context, c Claimant, pools []*rules.Pool, claim func() (*Claim, error)) (*Claim, error) {
	giveUp := time.NewTimer(l.hope)
	defer giveUp.Stop()
	for {
		l.mu.Lock()
		changed := l.changed
		l.mu.Unlock()
		done, err := claim()
		if err == nil || !l.hopeful(c, pools, err) {
			return done, err
		}
		select {
		case <-changed:
			time.Sleep(rand.N(jitter))
		case <-giveUp.C:
			return nil, err
		case <-ctx.Done():
			return nil, err
		}
	}
}

// hopeful says whether a refusal may be over in a moment: somebody is about to lose a number that was in the way.
func (l *Ledger) hopeful(c Claimant, pools []*rules.Pool, refusal error) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	var over *QuotaError
	switch {
	case errors.As(refusal, &over):
		return l.unsettled([]*rules.Pool{over.Pool}, func(namespace string) bool { return namespace == c.Service.Namespace })
	case errors.Is(refusal, ErrExhausted):
		return l.unsettled(pools, func(string) bool { return true })
	}
	return false
}

// unsettled says whether any number of these pools is claimed in such a namespace, and carried by no Service.
func (l *Ledger) unsettled(pools []*rules.Pool, in func(namespace string) bool) bool {
	now := l.clock.Now()
	for n, claim := range l.claims {
		state := StateOf(claim, now)
		if (state == Bound || state == Pending) && in(claim.Spec.ServiceRef.Namespace) && l.offers(pools, n) && !l.carriers[n][OwnerOf(claim)] {
			return true
		}
	}
	for namespace, numbers := range l.underwayIn {
		for n := range numbers {
			if in(namespace) && l.offers(pools, n) {
				return true
			}
		}
	}
	return false
}

// changedLocked tells those who hope.
func (l *Ledger) changedLocked() {
	close(l.changed)
	l.changed = make(chan struct{})
}
