package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// progress shows what is done, each line with the seconds since the start. Suspended, it shows nothing: what the cluster
// reports of itself then is not for a reader of the tour.
type progress struct {
	started time.Time

	mu        sync.Mutex // guards the fields below
	out       io.Writer
	suspended bool
}

func newProgress(out io.Writer) *progress { return &progress{started: time.Now(), out: out} }

// Write takes whole lines that have their seconds already.
func (p *progress) Write(line []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.suspended {
		return len(line), nil
	}
	return p.out.Write(line)
}

func (p *progress) line(text string) {
	fmt.Fprintf(p, "%5.1fs  %s\n", time.Since(p.started).Seconds(), text)
}

func (p *progress) suspend() { p.set(true) }
func (p *progress) resume()  { p.set(false) }

func (p *progress) set(suspended bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.suspended = suspended
}
