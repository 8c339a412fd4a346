package allocator

import (
	"context"
	"time"
)

const (
	// quiet is how long no number must have been claimed for the ledger to be at rest.
	quiet = 100 * time.Millisecond
	// patience is how long to wait for that at most.
	patience = 250 * time.Millisecond
)

// Yield waits until no numbers are being claimed, a quarter of a second at most. What is not urgent, as to note what
// has become of a claim, yields to those who wait for an answer: a burst of Services has the API server to itself.
func (l *Ledger) Yield(ctx context.Context) {
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		rest := quiet - l.sinceClaimed()
		if rest <= 0 {
			return
		}
		select {
		case <-time.After(rest):
		case <-deadline.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (l *Ledger) sinceClaimed() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.clock.Since(l.claimed)
}
