package listeners

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	testclock "k8s.io/utils/clock/testing"
)

// world has what the kernel would list, and a Watcher of it.
type world struct {
	*testing.T
	*Watcher
	clock    *testclock.FakeClock
	kernel   []Listener
	failure  error
	searches int
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, clock: testclock.NewFakeClock(time.Unix(1000, 0))}
	w.Watcher = NewWatcher(Options{
		From: first, To: last,
		List:      func(uint16, uint16) ([]Listener, error) { return slices.Clone(w.kernel), w.failure },
		Processes: w.search,
		Clock:     w.clock,
		Log:       testr.New(t),
	})
	return w
}

// search finds a process for each socket but that of inode 9.
func (w *world) search(inodes map[uint32]bool) map[uint32]Process {
	w.searches++
	found := make(map[uint32]Process)
	for inode := range inodes {
		if inode != 9 {
			found[inode] = Process{Name: "nginx"}
		}
	}
	return found
}

func (w *world) looks() {
	w.Helper()
	w.conclude(w.look())
	w.clock.Step(Interval)
}

// wantChange wants the next look to tell of a change, or not.
func (w *world) wantChange(want bool) {
	w.Helper()
	w.looks()
	got := false
	select {
	case <-w.Changed():
		got = true
	default:
	}
	if got != want {
		w.Errorf("a change is told: %t, want %t", got, want)
	}
}

func (w *world) wantListeners(want ...Listener) {
	w.Helper()
	options := []cmp.Option{cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{})}
	if diff := cmp.Diff(want, w.Listeners(), options...); diff != "" {
		w.Errorf("(-want +got):\n%s", diff)
	}
}

func listener(protocol Protocol, port uint16, inode uint32) Listener {
	return Listener{Protocol: protocol, Address: netip.IPv4Unspecified(), Port: port, Inode: inode}
}

func of(l Listener, process string) Listener {
	l.Process.Name = process
	return l
}

func TestAChangeIsToldOnce(t *testing.T) {
	w := newWorld(t)
	w.wantChange(true) // there is nothing, which was not known before
	w.wantChange(false)
	w.kernel = []Listener{listener(TCP, 30080, 1)}
	w.wantChange(true)
	w.wantListeners(of(listener(TCP, 30080, 1), "nginx"))
	w.wantChange(false)
	w.kernel = nil
	w.wantChange(true)
	w.wantListeners()
}

func TestAUDPSocketListensFromTheSecondLookOn(t *testing.T) {
	w := newWorld(t)
	w.wantChange(true)
	w.kernel = []Listener{listener(UDP, 30053, 1)}
	w.wantChange(false)
	w.kernel = []Listener{listener(UDP, 30053, 2)} // another one that asks from the same port
	w.wantChange(false)
	w.wantChange(true)
	w.wantListeners(of(listener(UDP, 30053, 2), "nginx"))
	w.kernel = nil
	w.wantChange(true)
	w.kernel = []Listener{listener(UDP, 30053, 2)}
	w.wantChange(false)
}

func TestProcessesAreSearchedForWhenAListenerIsNewAndNotAllTheTime(t *testing.T) {
	w := newWorld(t)
	w.kernel = []Listener{listener(TCP, 30001, 1), listener(TCP, 30009, 9)}
	w.wantChange(true)
	w.wantListeners(of(listener(TCP, 30001, 1), "nginx"), listener(TCP, 30009, 9))
	w.kernel = append(w.kernel, listener(TCP, 30010, 2))
	w.wantChange(true) // after Interval: it is not named yet
	w.wantListeners(of(listener(TCP, 30001, 1), "nginx"), listener(TCP, 30009, 9), listener(TCP, 30010, 2))
	for range int(namingPause/Interval) - 2 {
		w.wantChange(false)
	}
	w.wantChange(true)
	w.wantListeners(of(listener(TCP, 30001, 1), "nginx"), listener(TCP, 30009, 9), of(listener(TCP, 30010, 2), "nginx"))
	for range 2 * int(namingPause/Interval) {
		w.wantChange(false) // also not for the one whom nobody knows
	}
	if w.searches != 2 {
		t.Errorf("%d searches, want 2", w.searches)
	}
}

func TestWhatWasKnownStaysWhileTheTableCannotBeRead(t *testing.T) {
	w := newWorld(t)
	w.kernel = []Listener{listener(TCP, 30080, 1)}
	w.wantChange(true)
	w.kernel, w.failure = nil, errors.New("no memory")
	w.wantChange(false)
	w.wantListeners(of(listener(TCP, 30080, 1), "nginx"))
	w.failure = nil
	w.wantChange(true)
	w.wantListeners()
}

func TestItLooksEveryIntervalUntilItIsEnded(t *testing.T) {
	w := newWorld(t)
	looks := make(chan struct{})
	w.List = func(uint16, uint16) ([]Listener, error) {
		looks <- struct{}{}
		return nil, nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.Watcher.Run(ctx)
	}()
	<-looks
	for range 3 {
		w.clock.Step(Interval)
		<-looks
	}
	cancel()
	<-ended
}
