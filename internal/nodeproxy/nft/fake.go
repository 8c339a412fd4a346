package nft

import (
	"fmt"
	"maps"
	"sync"

	"golang.org/x/sys/unix"
)

// Fake is a Kernel without a kernel, for tests. It is as strict as one: it wants to be read first and after each error,
// and it refuses to delete what is not there, and to add what is.
type Fake struct {
	// Remembered is what Affinities says. It is to be set before the first call.
	Remembered []List

	mu            sync.Mutex // guards all below
	before, after func(call string) error
	table         Table
	rules         Rules
	known         bool
	open, touched bool
	calls         []string
	counts        map[Port]uint64
}

// Fail has calls fail from now on: before and after, where they are not nil, are asked by the method's name, and what
// they return is its error; before when nothing has been done yet, after when all has.
func (f *Fake) Fail(before, after func(call string) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.after = before, after
}

// Table is what it holds. The caller may keep it.
func (f *Fake) Table() Table {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.table)
}

// Rules are those that were installed last.
func (f *Fake) Rules() Rules {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rules
}

// Calls are the methods that were called since it was last asked, in order.
func (f *Fake) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

// Edit does what somebody else does to the table, whoever owns it; with an edit that does nothing, to another one.
func (f *Fake) Edit(edit func(Table)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.table == nil {
		f.table = Table{}
	}
	edit(f.table)
	f.touched = true
}

// Disown has it be a kernel in which others can change the table.
func (f *Fake) Disown() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open = true
}

// Claim is Kernel's.
func (f *Fake) Claim() error { return f.call("Claim", func() error { return nil }) }

// Read is Kernel's.
func (f *Fake) Read() (Table, error) {
	var held Table
	err := f.call("Read", func() error {
		held, f.known, f.touched = maps.Clone(f.table), true, false
		if held == nil {
			held = Table{}
		}
		return nil
	})
	return held, err
}

// Affinities is Kernel's.
func (f *Fake) Affinities() ([]List, error) {
	return f.Remembered, f.call("Affinities", func() error { return nil })
}

// Closes is Kernel's.
func (f *Fake) Closes(ports PortRange) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.table != nil && f.rules.Closed == ports, nil
}

// Uses is Kernel's, with what Count has counted.
func (f *Fake) Uses() (map[Port]uint64, error) {
	counts, there := map[Port]uint64{}, false
	err := f.call("Uses", func() error {
		there = f.table != nil
		for p := range f.table.InUse() {
			counts[p] = f.counts[p]
		}
		return nil
	})
	if err == nil && !there {
		err = ErrUncounted
	}
	return counts, err
}

// Count has n flows come to a port that there is a Use of.
func (f *Fake) Count(p Port, n uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.table[Use(p.Protocol, p.Number).Key]; !ok {
		return
	}
	if f.counts == nil {
		f.counts = map[Port]uint64{}
	}
	f.counts[p] += n
}

// Install is Kernel's.
func (f *Fake) Install(rules Rules, changes ...Change) error {
	return f.call("Install", func() error {
		if err := f.apply(changes); err != nil {
			return err
		}
		f.rules = rules
		return nil
	})
}

// Apply is Kernel's.
func (f *Fake) Apply(changes ...Change) error {
	return f.call("Apply", func() error { return f.apply(changes) })
}

// Owned is Kernel's.
func (f *Fake) Owned() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return !f.open
}

// Touched is Kernel's.
func (f *Fake) Touched() (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.touched || !f.known, nil
}

// call notes a call and does it, between what Fail was given. After an error nothing is known.
func (f *Fake) call(name string, do func() error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, name)
	for _, step := range []func() error{ask(f.before, name), do, ask(f.after, name)} {
		if err := step(); err != nil {
			f.known = false
			return err
		}
	}
	return nil
}

func ask(fault func(string) error, call string) func() error {
	return func() error {
		if fault == nil {
			return nil
		}
		return fault(call)
	}
}

// apply does changes, all or none.
func (f *Fake) apply(changes []Change) error {
	if !f.known {
		return fmt.Errorf("%w: it has to be read first", ErrDoubt)
	}
	next := maps.Clone(f.table)
	if next == nil {
		next = Table{}
	}
	change := merge(changes)
	for _, e := range change.Delete {
		if _, there := next[e.Key]; !there {
			return refused(unix.ENOENT, "delete element", e)
		}
		delete(next, e.Key)
		if p, ok := e.Key.used(); ok {
			delete(f.counts, p)
		}
	}
	for _, e := range change.Add {
		if _, there := next[e.Key]; there {
			return refused(unix.EEXIST, "add element", e)
		}
		next[e.Key] = e.Value
	}
	f.table = next
	return nil
}

func refused(errno unix.Errno, operation string, e Element) *Error {
	return &Error{Errno: errno, Operation: operation, Object: e.Key.Set() + " " + e.Key.String()}
}
