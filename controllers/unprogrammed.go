package controllers

import (
	"sync"
	"time"
)

// programmingPatience is how long nodes may take to have a number before it is counted: they report once a minute at most.
const programmingPatience = 5 * time.Minute

// unprogrammed are the numbers that some of the nodes which serve their Services lack, for the metric.
type unprogrammed struct {
	mu    sync.Mutex // guards since
	since map[int32]time.Time
}

func newUnprogrammed() *unprogrammed { return &unprogrammed{since: map[int32]time.Time{}} }

// note takes in how many nodes have a number.
func (u *unprogrammed) note(o observed) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if o.nodes.Programmed == o.nodes.Total {
		delete(u.since, o.number)
	} else if u.since[o.number].IsZero() {
		u.since[o.number] = o.now
	}
}

// overdue is how many numbers some node has lacked for so long that it is not on its way any more.
func (u *unprogrammed) overdue(now time.Time) (n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, since := range u.since {
		if now.Sub(since) >= programmingPatience {
			n++
		}
	}
	return n
}
