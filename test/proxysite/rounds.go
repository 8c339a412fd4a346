package proxysite

import (
	"context"
	"sync"
)

// rounds are changes that tell whether what was written before is programmed, made one after the other. Its methods may
// be called concurrently.
type rounds struct {
	making chan struct{} // held by who is making one
	mu     sync.Mutex    // guards next
	next   *round        // that has not begun, nil if nobody waits for one
}

func newRounds() *rounds { return &rounds{making: make(chan struct{}, 1)} }

// round is one. Who calls while it has not begun shares it.
type round struct {
	done chan struct{}
	err  error
}

// await waits for a round that begins after the call, and is made by once.
func (r *rounds) await(ctx context.Context, once func(context.Context) error) error {
	r.mu.Lock()
	mine := r.next
	if mine == nil {
		mine = &round{done: make(chan struct{})}
		r.next = mine
		go r.begin(context.WithoutCancel(ctx), mine, once)
	}
	r.mu.Unlock()
	select {
	case <-mine.done:
		return mine.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin makes a round when the one before has ended.
func (r *rounds) begin(ctx context.Context, mine *round, once func(context.Context) error) {
	r.making <- struct{}{}
	r.mu.Lock()
	r.next = nil
	r.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	mine.err = once(ctx)
	<-r.making
	close(mine.done)
}
