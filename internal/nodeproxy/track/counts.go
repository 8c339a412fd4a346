package track

import "time"

// Counts are what a Tracker has seen, and what nobody has taken yet.
type Counts struct {
	ServiceEvents, SliceEvents int
	// Pending are the Services that wait to be taken, Oldest is since when; zero where none waits.
	Pending int
	Oldest  time.Time
}

// Counts are those of now.
func (t *Tracker) Counts() Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counts
	c.Pending = len(t.pending)
	for _, m := range t.pending {
		if c.Oldest.IsZero() || m.since.Before(c.Oldest) {
			c.Oldest = m.since
		}
	}
	return c
}
