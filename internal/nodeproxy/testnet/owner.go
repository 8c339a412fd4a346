package testnet

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
)

// T is what namespaces live as long as, and tell what fails: a test, or a part of a program (see Run). A testing.TB is
// one.
type T interface {
	Helper()
	Cleanup(f func())
	Fatal(args ...any)
	Skip(args ...any)
}

// ErrSkipped is in what Run returns when namespaces cannot be made here.
var ErrSkipped = errors.New("skipped")

// Run runs f as the part of a program that namespaces live as long as. What fails them ends f and is Run's error; only
// the goroutine that f runs on may make them.
func Run(f func(T) error) error {
	end, err := Begin(f)
	end()
	return err
}

// Begin is Run for what lives on after f has made it, until end is called, which must be done after an error, too.
func Begin(f func(T) error) (end func(), err error) {
	p := &part{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.err = f(p)
	}()
	<-done
	return p.cleanUp, p.err
}

type part struct {
	err      error
	cleanups []func()
}

func (p *part) Helper()          {}
func (p *part) Cleanup(f func()) { p.cleanups = append(p.cleanups, f) }

func (p *part) Fatal(args ...any) {
	p.err = errors.New(fmt.Sprint(args...))
	runtime.Goexit()
}

func (p *part) Skip(args ...any) {
	p.err = fmt.Errorf("%w: %s", ErrSkipped, fmt.Sprint(args...))
	runtime.Goexit()
}

func (p *part) cleanUp() {
	for _, f := range slices.Backward(p.cleanups) {
		f()
	}
}
