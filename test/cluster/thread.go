package cluster

import (
	"errors"
	"runtime"
)

// thread is one OS thread that runs functions one after another until it is closed.
//
// Children are forked on such a thread and not on any other, because the kernel sends a child its parent-death signal
// when the forking thread ends, not the process (prctl(2), PR_SET_PDEATHSIG); and because a child inherits the network
// namespace of the thread.
type thread struct {
	calls  chan func()
	closed chan struct{}
}

var errThreadClosed = errors.New("the cluster is stopped")

// newThread starts a thread and runs prepare on it first; on an error there is no thread.
func newThread(prepare func() error) (*thread, error) {
	t := &thread{calls: make(chan func()), closed: make(chan struct{})}
	prepared := make(chan error)
	go func() {
		// Never unlocked: the thread ends with the goroutine, so no other goroutine inherits its namespace.
		runtime.LockOSThread()
		err := prepare()
		prepared <- err
		if err != nil {
			return
		}
		for {
			select {
			case call := <-t.calls:
				call()
			case <-t.closed:
				return
			}
		}
	}()
	return t, <-prepared
}

// do runs f on the thread and returns its error. f must be short: calls queue.
func (t *thread) do(f func() error) error {
	result := make(chan error, 1)
	select {
	case t.calls <- func() { result <- f() }:
		return <-result
	case <-t.closed:
		return errThreadClosed
	}
}

// close ends the thread, and with it every child forked on it. To be called once.
func (t *thread) close() { close(t.closed) }
