package allocator

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/portolan-dev/portolan/internal/rules"
)

// A refused claim waits before it is tried again, at least firstPause and up to twice as long, and twice that the next time,
// up to lastPause: Services that are in each other's way count each other's claims, and must not come again at the same
// moment, however slowly a claim is written.
const (
	firstPause = 20 * time.Millisecond
	lastPause  = 320 * time.Millisecond
)

// retrying calls claim until it succeeds, fails for good, or has been refused for so long that nothing is to be hoped
// for: a claim in flight may come to nothing, and a number whose Service has gone is about to be held, which can be
// given up. Reservations do not wait: whoever keeps them comes again when something changes. What was refused before ctx
// ended stays refused: else a user whose time is up in the middle of another try would hear of no reason, and a limit
// would count for nothing.
func (l *Ledger) retrying(ctx context.Context, c Claimant, pools []*rules.Pool, claim func() (*Claim, error)) (*Claim, error) {
	hoping, cancel := context.WithTimeout(ctx, l.hope)
	defer cancel()
	var refusal error
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		l.mu.Lock()
		changed := l.changed
		l.mu.Unlock()
		done, err := claim()
		if err != nil && refusal != nil && ctx.Err() != nil {
			return nil, refusal
		}
		if err == nil || c.Reservation != "" || !l.hopeful(c, pools, err) {
			return done, err
		}
		refusal = err
		if !waitFor(hoping, changed) || !waitFor(hoping, time.After(pause+rand.N(pause))) { //nolint:gosec // it spreads waits, nobody gains by guessing
			return nil, err
		}
	}
}

// waitFor is false where ctx ends first.
func waitFor[T any](ctx context.Context, event <-chan T) bool {
	select {
	case <-event:
		return true
	case <-ctx.Done():
		return false
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

// signal tells those who hope that something has changed.
func (l *Ledger) signal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changedLocked()
}

// changedLocked is signal where the lock is held.
func (l *Ledger) changedLocked() {
	close(l.changed)
	l.changed = make(chan struct{})
}
