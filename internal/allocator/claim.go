package allocator

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// revertTimeout bounds the undoing of a claim, which goes on when its request has been given up.
const revertTimeout = 5 * time.Second

var (
	// ErrExhausted is returned where no number is free in the pools asked.
	ErrExhausted = errors.New("no node port is free")
	// ErrNotReady is returned before the present claims and Services are in the view.
	ErrNotReady = errors.New("the ledger has not been replayed yet")
)

// TakenError is returned where another Service has an explicit number.
type TakenError struct {
	Request serviceports.Request
	Holder  rules.Holder
}

func (e *TakenError) Error() string {
	return fmt.Sprintf("node port %d is taken by Service %s", e.Request.NodePort, e.Holder.Service)
}

// Claimant is the Service that numbers are claimed for.
type Claimant struct {
	Service types.NamespacedName
	// UID is that of the live Service; empty on create, where the caller has made sure that there is none.
	UID types.UID
	// Uses are the numbers that the Service carries now or will: none of them is picked for another request.
	Uses []int32
	// Reservation is the NodePortReservation that claims, for its Service; empty: the Service does itself.
	Reservation string
}

// Request is a number to claim, or (NodePort 0) to pick and claim.
type Request struct {
	serviceports.Request
	Origin v1alpha1.Origin
}

// Claim is a set of numbers that a Service has been given together.
type Claim struct {
	// Requests are those asked for, with their numbers.
	Requests []serviceports.Request
	// Conflicts is how many numbers were picked that somebody else had claimed first.
	Conflicts int
	// GivenUp is how many holds were given up to make room.
	GivenUp int

	ledger *Ledger
	mu     sync.Mutex // guards writes, and Conflicts and GivenUp until Claim returns
	writes []write
}

func (c *Claim) conflict() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.Conflicts++
}

// makeRoom gives holds up for the claim. One that cannot be deleted shows when the claim is made, or counted.
func (c *Claim) makeRoom(ctx context.Context, holds []*v1alpha1.NodePortAllocation) {
	gone, _ := c.ledger.giveUp(ctx, holds)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.GivenUp += gone
}

// write is a change of the store that can be undone. Before is nil where it made the claim, which is then counted
// where there is a limit.
type write struct {
	before, after *v1alpha1.NodePortAllocation
	vote          *vote
}

// Claim gives each request its number, or fails with none claimed: with ErrExhausted, a *QuotaError, a *TakenError,
// ErrNotReady or an error of the store. Numbers are picked from pools in order. The caller ends it with Commit or
// Revert.
func (l *Ledger) Claim(ctx context.Context, c Claimant, requests []Request, pools []*rules.Pool) (*Claim, error) {
	return l.retrying(ctx, c, pools, func() (*Claim, error) {
		chosen, err := l.choose(c, requests, pools, true)
		if err != nil {
			return nil, err
		}
		claim := &Claim{ledger: l, Requests: make([]serviceports.Request, len(requests))}
		written := make(chan struct{})
		go func() { err = l.write(ctx, claim, c, requests, pools, chosen); close(written) }()
		select {
		case <-written:
		case <-ctx.Done(): // answer in time; what is still being written is undone when its outcome is known
			go func() { <-written; claim.Revert(ctx) }()
			return nil, ctx.Err()
		}
		if err != nil {
			claim.revertInTime(ctx)
			l.signal()
			return nil, err
		}
		return claim, nil
	})
}

// write makes room, makes all claims of a Service at once, and counts them where there is a limit.
func (l *Ledger) write(ctx context.Context, claim *Claim, c Claimant, requests []Request, pools []*rules.Pool, chosen choice) error {
	l.mu.Lock()
	l.claimed = l.clock.Now()
	l.mu.Unlock()
	claim.makeRoom(ctx, chosen.givenUp)
	errs := make([]error, len(requests))
	var attempts sync.WaitGroup
	for i, number := range chosen.numbers {
		attempts.Go(func() {
			a := attempt{Ledger: l, claim: claim, claimant: c, request: requests[i], pools: pools}
			claim.Requests[i] = requests[i].Request
			claim.Requests[i].NodePort, errs[i] = a.run(ctx, number)
		})
	}
	attempts.Wait()
	var votes []*vote
	for _, w := range claim.writes {
		if w.vote != nil {
			votes = append(votes, w.vote)
		}
	}
	defer l.withdraw(votes...)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return counted(ctx, votes)
}

// Preview answers as Claim would, and claims nothing. Without reuse it leaves aside the numbers that are claimed
// for this very Service.
func (l *Ledger) Preview(c Claimant, requests []Request, pools []*rules.Pool, reuse bool) ([]serviceports.Request, error) {
	chosen, err := l.choose(c, requests, pools, reuse)
	if err != nil {
		return nil, err
	}
	answer := make([]serviceports.Request, len(requests))
	for i, n := range chosen.numbers {
		answer[i] = requests[i].Request
		answer[i].NodePort = n
		l.land(c, n)
	}
	return answer, nil
}

// Commit keeps the numbers. Revert after it does nothing.
func (c *Claim) Commit() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes = nil
}

// Revert undoes what the claim wrote, also when ctx is done. What cannot be undone stays as a pending claim and
// lapses after ClaimGrace.
func (c *Claim) Revert(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revertTimeout)
	defer cancel()
	for _, w := range c.writes {
		c.ledger.undo(ctx, w)
	}
	c.writes = nil
}

// revertInTime reverts, and goes on with it in the background when ctx is done.
func (c *Claim) revertInTime(ctx context.Context) {
	reverted := make(chan struct{})
	go func() { c.Revert(ctx); close(reverted) }()
	select {
	case <-reverted:
	case <-ctx.Done():
	}
}

func (l *Ledger) undo(ctx context.Context, w write) {
	if w.before == nil {
		_ = l.discard(ctx, w.after)
		return
	}
	_ = l.insist(ctx, w.after, func(written *v1alpha1.NodePortAllocation) error {
		restored := written.DeepCopy()
		restored.Spec = w.before.Spec
		err := l.store.Update(ctx, restored)
		if err == nil {
			l.learn(restored)
		}
		return err
	})
}
