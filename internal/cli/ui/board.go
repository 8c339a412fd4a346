package ui

import (
	"bytes"
	"encoding/json"
	"sync"
	"time"

	"github.com/portolan-dev/portolan/internal/cli/picture"
)

// snapshot is what pages are sent, whole each time.
type snapshot struct {
	// Now is when it is sent: ages are counted from then.
	Now time.Time `json:"now"`
	// Stale says why it may be out of date; empty: it is not.
	Stale string          `json:"stale,omitempty"`
	Model json.RawMessage `json:"model"`
}

// board is where the latest snapshot hangs. It is safe for concurrent use.
type board struct {
	now func() time.Time

	mu     sync.Mutex // guards what follows
	latest *picture.Picture
	model  []byte // nil: there is none yet
	stale  string
	// next is closed as the next snapshot comes, and replaced.
	next chan struct{}
}

// newBoard is empty. now tells the time, and is safe for concurrent use.
func newBoard(now func() time.Time) *board { return &board{now: now, next: make(chan struct{})} }

// put shows a picture, as of session.Follow. Pages hear of it only if they would look different.
func (b *board) put(p *picture.Picture, stale error) {
	model := encode(modelOf(p))
	why := ""
	if stale != nil {
		why = stale.Error()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.latest = p
	if b.model != nil && why == b.stale && bytes.Equal(model, b.model) {
		return
	}
	b.model, b.stale = model, why
	close(b.next)
	b.next = make(chan struct{})
}

// see is the latest snapshot as JSON, nil before there is any, and what is closed when there is another.
func (b *board) see() (text []byte, next <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.model == nil {
		return nil, b.next
	}
	return encode(snapshot{Now: b.now(), Stale: b.stale, Model: b.model}), b.next
}

// ready is closed when the first snapshot comes, if it has not.
func (b *board) ready() <-chan struct{} {
	text, next := b.see()
	if text == nil {
		return next
	}
	came := make(chan struct{})
	close(came)
	return came
}

// picture is the latest. There is one once ready is closed.
func (b *board) picture() *picture.Picture {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.latest
}

// encode is a value as JSON: ours always can be.
func encode(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}
