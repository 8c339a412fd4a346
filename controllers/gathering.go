package controllers

import (
	"sync"
	"time"
)

// gathering does a thing once for all who ask for it in some time. Any number of goroutines may use it.
type gathering struct {
	after time.Duration

	mu    sync.Mutex // guards asked
	asked bool
}

// ask has it done, unless it is going to be done anyway.
func (g *gathering) ask(do func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.asked {
		return
	}
	g.asked = true
	time.AfterFunc(g.after, func() {
		g.mu.Lock()
		g.asked = false // who asks from now on may mean what do does not see any more
		g.mu.Unlock()
		do()
	})
}
