package term

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// patience is how long nothing may be said.
const patience = time.Second

// Progress says on a terminal what goes on, if it takes more than a second. Done takes that away again; it may be called
// more than once. Where out is no terminal nothing is said: a log has no use for it.
func Progress(out io.Writer, what string) (done func()) {
	if !IsTerminal(out) {
		return func() {}
	}
	if g, ok := out.(*Guarded); ok {
		out = g.Stream // to take it away again
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-end:
		case <-time.After(patience):
			fmt.Fprintf(out, "%s ...", what)
			<-end
			fmt.Fprint(out, "\r\x1b[K")
		}
	}()
	var once sync.Once
	return func() {
		once.Do(func() { close(end) })
		<-ended
	}
}
