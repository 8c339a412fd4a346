package controllers

import (
	"sync"
	"time"
)

// tempo is how fast turns follow.
type tempo struct {
	// settle is how long a turn waits, after a change, for more of them.
	settle time.Duration
	// gap is the time between two turns.
	gap time.Duration
}

// rollUp is the tempo of numbers: of 5,000 nodes that come with 2,768 numbers each number is written once a minute.
var rollUp = tempo{settle: 2 * time.Second, gap: 20 * time.Millisecond}

// turns gives each thing that has changed a turn to be written: one turn for all that changes until then, and
// no more turns a second than the API server should be asked for. Any number of goroutines may use it.
type turns[K comparable] struct {
	mu   sync.Mutex // guards next and last
	next map[K]time.Time
	last time.Time // of the turns
}

func newTurns[K comparable]() *turns[K] { return &turns[K]{next: map[K]time.Time{}} }

// ask gives a thing a turn of a tempo, unless it has one already, and returns how long that is from now. News is false
// where it had one.
func (p *turns[K]) ask(what K, now time.Time, of tempo) (wait time.Duration, news bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	turn, waits := p.next[what]
	if !waits {
		turn = now.Add(of.settle)
		if next := p.last.Add(of.gap); next.After(turn) {
			turn = next
		}
		p.next[what], p.last = turn, turn
	}
	return turn.Sub(now), !waits
}

// begin says whether it is a thing's turn, and if it is to come, how long that is from now. A turn that has come is
// over with this call: what changes after it is for the next.
func (p *turns[K]) begin(what K, now time.Time) (turn bool, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, waits := p.next[what]
	switch {
	case !waits:
		return false, 0
	case at.After(now):
		return false, at.Sub(now)
	}
	delete(p.next, what)
	return true, 0
}

// wait is how long it is until a thing's turn, which it is given if it has none; 0: it has come, and is over with this call.
func (p *turns[K]) wait(what K, now time.Time, of tempo) time.Duration {
	turn, wait := p.begin(what, now)
	if !turn && wait == 0 {
		wait, _ = p.ask(what, now, of)
	}
	return wait
}

// forget takes a thing's turn away.
func (p *turns[K]) forget(what K) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.next, what)
}
