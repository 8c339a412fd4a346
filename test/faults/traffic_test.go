package faults

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

const (
	clients = 8
	pace    = 6 * time.Millisecond // between two connections of a client: all make more than a thousand in a second
)

// whileConnecting has a client outside connect to the targets, a thousand times a second, until change returns. No
// connection may fail, and no first packet of one be lost.
func (w *world) whileConnecting(what string, targets []target, change func()) {
	w.Helper()
	var connecting sync.WaitGroup
	var stop atomic.Bool
	var connections atomic.Int64
	before, began := w.synRetransmissions(), time.Now()
	for i := range clients {
		connecting.Go(func() {
			if err := w.Client.Do(func() error { return w.connect(targets, i, &stop, &connections) }); err != nil {
				w.Errorf("while %s: %v", what, err)
			}
		})
	}
	change()
	stop.Store(true)
	connecting.Wait()
	if after := w.synRetransmissions(); after != before {
		w.Errorf("while %s: the client had sent %s SYNs twice before, and now %s", what, before, after)
	}
	w.Logf("%s: %d connections, %.0f a second", what, connections.Load(), float64(connections.Load())/time.Since(began).Seconds())
}

// connect connects to one target after the other, from the thread that it is called on, until it is to stop.
func (w *world) connect(targets []target, from int, stop *atomic.Bool, connections *atomic.Int64) error {
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for i := from; !stop.Load(); i++ {
		t := targets[i%len(targets)]
		if _, err := testnet.Ask(w.Context(), t.network, t.at, patience); err != nil {
			return fmt.Errorf("connection %d, to %s at %s: %w", connections.Load(), t.name, t.at, err)
		}
		connections.Add(1)
		<-tick.C
	}
	return nil
}

// synRetransmissions counts the SYNs that the client has sent again: first packets that were lost.
func (w *world) synRetransmissions() string {
	w.Helper()
	var text []byte
	w.must(w.Client.Do(func() (err error) {
		text, err = os.ReadFile("/proc/thread-self/net/netstat")
		return err
	}))
	lines := strings.Split(string(text), "\n")
	column := slices.Index(strings.Fields(lines[0]), "TCPSynRetrans")
	return strings.Fields(lines[1])[column]
}

// flows are connections, and datagrams from one port each, that live long.
type flows struct {
	*world
	all    []*flow
	pause  time.Duration // of each, between an answer and the next question
	stop   atomic.Bool
	asking sync.WaitGroup
}

// flow is one of them, and who answers in it.
type flow struct {
	target
	*testnet.Flow
	answers testnet.Echo
	count   atomic.Int64
	lost    atomic.Bool
}

// open opens a flow to each target, and keeps asking in all of them, all the time. Each is to be answered by who answered
// first, who is to see the same client.
func (w *world) open(targets []target) *flows {
	w.Helper()
	return w.openAtPace(targets, time.Millisecond)
}

// openAtPace is open with a pause between two questions of a flow.
func (w *world) openAtPace(targets []target, pause time.Duration) *flows {
	w.Helper()
	f := &flows{world: w, pause: pause}
	for _, t := range targets {
		conn, err := w.Client.Dial(w.Context(), t.network, t.at, patience)
		w.must(err)
		w.Cleanup(conn.Close)
		first, err := conn.Ask(patience)
		w.must(err)
		f.all = append(f.all, &flow{target: t, Flow: conn, answers: first})
	}
	for _, one := range f.all {
		f.asking.Go(func() { f.ask(one) })
	}
	w.Cleanup(f.end) // before they are closed, which would look like a loss
	return f
}

func (f *flows) ask(one *flow) {
	for !f.stop.Load() {
		echo, err := one.Ask(patience)
		if err != nil || echo != one.answers {
			one.lost.Store(true)
			f.Errorf("%s: %v answers after %d answers of %v; error %v", one.name, echo, one.count.Load(), one.answers, err)
			return
		}
		one.count.Add(1)
		time.Sleep(f.pause)
	}
}

// wantOne ends the asking, and wants it to have gone on all the time.
func (f *flows) wantOne() {
	f.Helper()
	f.end()
	f.Logf("%d answers in %d flows, of which %d are lost", f.answers(), len(f.all), f.losses())
}

// end ends the asking.
func (f *flows) end() {
	f.stop.Store(true)
	f.asking.Wait()
}

// goOn waits until each flow has been answered twice from now on: the first answer may have been under way.
func (f *flows) goOn() {
	f.Helper()
	before := make([]int64, len(f.all))
	for i, one := range f.all {
		before[i] = one.count.Load()
	}
	for i, one := range f.all {
		f.until("more answers in each flow", func() bool { return one.lost.Load() || one.count.Load() >= before[i]+2 })
	}
}

// answers are how many there have been in all flows, and losses how many flows have ended.
func (f *flows) answers() (n int64) {
	for _, one := range f.all {
		n += one.count.Load()
	}
	return n
}

func (f *flows) losses() (n int) {
	for _, one := range f.all {
		if one.lost.Load() {
			n++
		}
	}
	return n
}
