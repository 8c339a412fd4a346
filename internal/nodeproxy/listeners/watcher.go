package listeners

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"
)

const (
	// Interval is the time between two looks at the kernel's table.
	Interval = 2 * time.Second
	// namingPause is the least time between two searches for processes: a program that opens a port anew all the time is
	// not to cost more.
	namingPause = 10 * time.Second
)

// Options are those of a Watcher.
type Options struct {
	// From and To are the first and the last port that matter.
	From, To uint16
	// List is Table.List.
	List func(from, to uint16) ([]Listener, error)
	// Processes is Processes.Of; it is called without haste, and on the goroutine of Run.
	Processes func(inodes map[uint32]bool) map[uint32]Process
	Clock     clock.WithTicker
	Log       logr.Logger
}

// Watcher follows who listens. Changed and Listeners may be called concurrently.
//
// A listener is known within Interval, and one of UDP within two: a UDP socket does not say whether it serves or asks, but
// one that asks is mostly gone at the next look.
type Watcher struct {
	Options
	changed chan struct{} // holds one when there is something new

	// What follows is Run's own.
	once    bool               // something has been published
	packets map[uint32]bool    // the UDP sockets of the last look
	owners  map[uint32]Process // of those that have been searched for
	named   time.Time          // when that was last done
	said    string             // the failure that was last logged

	mu        sync.Mutex // guards listeners
	listeners []Listener
}

// NewWatcher makes a Watcher. It does nothing until Run.
func NewWatcher(o Options) *Watcher {
	return &Watcher{Options: o, changed: make(chan struct{}, 1), owners: map[uint32]Process{}}
}

// Changed has something when Listeners has changed since it was last taken from here, and after the first look.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// Listeners are all that are known, in order; the caller does not change them.
func (w *Watcher) Listeners() []Listener {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.listeners
}

// Run follows until ctx ends. While the kernel's table cannot be read what was last known stays.
func (w *Watcher) Run(ctx context.Context) {
	ticker := w.Clock.NewTicker(Interval)
	defer ticker.Stop()
	for ctx.Err() == nil {
		w.conclude(w.look())
		select {
		case <-ctx.Done():
		case <-ticker.C():
		}
	}
}

// conclude logs a failure that lasts once.
func (w *Watcher) conclude(err error) {
	if err == nil {
		w.said = ""
	} else if text := err.Error(); text != w.said {
		w.said = text
		w.Log.Info("Cannot tell what listens on the node, it is tried again", "reason", text)
	}
}

func (w *Watcher) look() error {
	found, err := w.List(w.From, w.To)
	if err != nil {
		return err
	}
	found = w.lasting(found)
	w.name(found)
	w.publish(found)
	return nil
}

// lasting leaves out the UDP sockets that were not there at the last look.
func (w *Watcher) lasting(found []Listener) []Listener {
	before := w.packets
	w.packets = make(map[uint32]bool)
	return slices.DeleteFunc(found, func(l Listener) bool {
		if l.Protocol != UDP {
			return false
		}
		w.packets[l.Inode] = true
		return !before[l.Inode]
	})
}

// name fills in the processes, and searches for those of new sockets if that was not done just now.
func (w *Watcher) name(found []Listener) {
	owners, unknown := make(map[uint32]Process), make(map[uint32]bool)
	for _, l := range found {
		if owner, known := w.owners[l.Inode]; known {
			owners[l.Inode] = owner
		} else {
			unknown[l.Inode] = true
		}
	}
	if now := w.Clock.Now(); len(unknown) > 0 && (w.named.IsZero() || now.Sub(w.named) >= namingPause) {
		w.named = now
		some := w.Processes(unknown)
		for inode := range unknown {
			owners[inode] = some[inode]
		}
	}
	w.owners = owners
	for i := range found {
		found[i].Process = owners[found[i].Inode]
	}
}

func (w *Watcher) publish(found []Listener) {
	w.mu.Lock()
	before := w.listeners
	w.listeners = found
	w.mu.Unlock()
	if w.once && slices.Equal(before, found) {
		return
	}
	w.once = true
	select {
	case w.changed <- struct{}{}:
	default:
	}
}
