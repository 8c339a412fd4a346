package controllers

import (
	"sync"
	"time"
)

const (
	// rollUpSettle is how long a number waits, after a node has reported, for others to report it too.
	rollUpSettle = 2 * time.Second
	// rollUpGap is the time between two numbers' turns: of 5,000 nodes that come with 2,768 numbers each number is written
	// once a minute.
	rollUpGap = 20 * time.Millisecond
)

// pace gives each number whose coverage has changed a turn to be written: one turn for all that changes until then, and
// no more turns a second than the API server should be asked for. Any number of goroutines may use it.
type pace struct {
	mu    sync.Mutex // guards turns and last
	turns map[int32]time.Time
	last  time.Time // of the turns
}

func newPace() *pace { return &pace{turns: map[int32]time.Time{}} }

// ask gives a number a turn, unless it has one already, and returns how long that is from now. News is false where it had
// one.
func (p *pace) ask(number int32, now time.Time) (wait time.Duration, news bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	turn, waits := p.turns[number]
	if !waits {
		turn = now.Add(rollUpSettle)
		if next := p.last.Add(rollUpGap); next.After(turn) {
			turn = next
		}
		p.turns[number], p.last = turn, turn
	}
	return turn.Sub(now), !waits
}

// begin says whether it is a number's turn, and if it is to come, how long that is from now. A turn that has come is
// over with this call: what changes after it is for the next.
func (p *pace) begin(number int32, now time.Time) (turn bool, wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, waits := p.turns[number]
	switch {
	case !waits:
		return false, 0
	case at.After(now):
		return false, at.Sub(now)
	}
	delete(p.turns, number)
	return true, 0
}
