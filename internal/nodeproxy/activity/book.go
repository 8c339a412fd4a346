// Package activity decides what a node tells the cluster of the use of its node ports.
//
// The kernel counts the connections that each number takes. What it counted before the first reading is nobody's news: it
// was there before this node-proxy. A number is reported when it has been used and was not in a report for Interval, and
// then with all others that have been used meanwhile: so numbers that are in constant use come together, once in
// Interval, however many there are. A node that has nothing to tell says so once in Silence, so that who reads it can
// tell a quiet node from one that does not count.
package activity

import (
	"sync"
	"time"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

const (
	// Interval is for how long a number that is in a report is not news again.
	Interval = 10 * time.Minute
	// Silence is after which time without a report there is one all the same.
	Silence = time.Hour
)

// Reading is what the kernel says at a moment.
type Reading struct {
	At time.Time
	// Counts are the connections that each port has taken since the kernel began to count it: see nft.Kernel.Uses.
	Counts map[nft.Port]uint64
	// Open are numbers that connections are open to, where that was looked for: those may be older than any reading.
	Open []uint16
}

// Book keeps what has been used, and what of that has been reported. Any number of goroutines may use it.
type Book struct {
	mu     sync.Mutex // guards all below
	counts map[nft.Port]uint64
	began  time.Time // the first reading
	since  time.Time // this node-proxy, or the one before it, has counted since then
	at     time.Time // the last reading; zero: there is none yet
	known  time.Time // the end of the last report; zero: there is none
	// used are the numbers whose use is to be reported, by when it was last seen.
	used map[uint16]time.Time
	// told are the numbers that have been reported, by when that was; no longer than for Interval.
	told map[uint16]time.Time
}

// NewBook makes a Book in which nothing has been read.
func NewBook() *Book { return &Book{used: map[uint16]time.Time{}, told: map[uint16]time.Time{}} }

// Take takes in a reading, whose map is the Book's from now on. A count that is lower than before is one that was begun
// anew: what it is next compared with, and no use.
func (b *Book) Take(r Reading) {
	b.mu.Lock()
	defer b.mu.Unlock()
	at := r.At.Truncate(time.Second) // as the API server keeps it
	switch {
	case b.at.IsZero():
		b.began, b.since = at, at
	case at.Before(b.at):
		b.setBack(at)
		fallthrough
	default:
		b.compare(r.Counts, at)
	}
	for _, number := range r.Open {
		b.used[number] = at
	}
	b.counts, b.at = r.Counts, at
}

func (b *Book) compare(counts map[nft.Port]uint64, at time.Time) {
	for port, count := range counts {
		if count > b.counts[port] {
			b.used[port.Number] = at
		}
	}
}

// setBack begins anew as the clock was set back: times from before are of no use.
func (b *Book) setBack(at time.Time) {
	b.began, b.since, b.known = at, at, time.Time{}
	clear(b.told)
	for number := range b.used {
		b.used[number] = at
	}
}
