package certificate

import (
	"crypto/tls"
	"time"
)

const (
	// settle is how long the webhook configurations must have trusted a certificate before it is served: API servers
	// learn of the new trust at their own pace, and what is served meanwhile is trusted as well.
	settle = 10 * time.Second
	// settleFirst is the same for the first certificate of all: until it is served, API servers go on without us.
	settleFirst = time.Second
	// inStep is how old a certificate must be for a replica that starts to take it that it has long been trusted.
	inStep = time.Hour
)

// handover decides which certificate a replica serves.
type handover struct {
	settle time.Duration

	serving *tls.Certificate // nil: none yet
	offered *tls.Certificate // what the Secret has
	// since is from when on, as far as this replica knows, the offered one is trusted; zero: it is not.
	since time.Time
}

// trust is what the webhook configurations say.
type trust struct {
	offered, serving bool // whether they trust these
	alone            bool // they trust one authority only: there has been no other certificate
}

// offer takes in what the Secret has and whom the configurations trust. It returns when to ask again; zero: not before
// something has changed.
func (h *handover) offer(c *tls.Certificate, t trust, now time.Time) (wait time.Duration) {
	isNew := h.offered == nil || !h.offered.Leaf.Equal(c.Leaf)
	h.offered = c
	switch {
	case !t.offered:
		h.since = time.Time{}
		return 0
	case isNew && h.serving == nil && now.Sub(made(c.Leaf)) > inStep:
		h.since = made(c.Leaf)
	case isNew, h.since.IsZero():
		h.since = now
	}
	if wait := h.since.Add(h.patience(t)).Sub(now); wait > 0 {
		return wait
	}
	h.serving = c
	return 0
}

// patience is how long the offered certificate has to be trusted.
func (h *handover) patience(t trust) time.Duration {
	switch {
	case h.serving == nil && t.alone:
		return min(settleFirst, h.settle)
	case h.serving != nil && !t.serving: // nothing can be worse
		return 0
	}
	return h.settle
}
