package cluster

import (
	"errors"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
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

var errStopped = errors.New("the cluster is stopped")

// newThread starts a thread and runs prepare on it first; on an error there is no thread.
func newThread(prepare func() error) (*thread, error) {
	t := &thread{calls: make(chan func()), closed: make(chan struct{})}
	prepared := make(chan error)
	goOnOwnThread(func() {
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
	})
	return t, <-prepared
}

// do runs f on the thread and returns its error. f must be short: calls queue.
func (t *thread) do(f func() error) error {
	result := make(chan error, 1)
	select {
	case t.calls <- func() { result <- f() }:
		return <-result
	case <-t.closed:
		return errStopped
	}
}

// close ends the thread, and with it every child forked on it. To be called once.
func (t *thread) close() { close(t.closed) }

// onOwnThread runs f on a thread that does nothing else and ends afterwards, so f may change the thread as it likes.
func onOwnThread(f func() error) error {
	result := make(chan error, 1)
	goOnOwnThread(func() { result <- f() })
	return <-result
}

// goOnOwnThread starts a goroutine on a thread that ends with it. The process's main thread never ends, and its network
// namespace is what others see as the process's, so it is passed over.
func goOnOwnThread(run func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != os.Getpid() {
			run() // never unlocked: the runtime ends the thread when the goroutine returns
			return
		}
		elsewhere := make(chan struct{})
		go func() {
			runtime.LockOSThread()
			close(elsewhere)
			run()
		}()
		<-elsewhere
		runtime.UnlockOSThread()
	}()
}
