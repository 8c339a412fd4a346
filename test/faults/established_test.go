package faults

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

const (
	established = 500                    // TCP connections, a quarter of them to each target
	askedAfter  = 100 * time.Millisecond // in each of them
	crashes     = 5                      // at least, of a crash loop; twice each time
	midWrite    = 3                      // of those that are killed, at least, as the kernel takes what they write
)

// enough is how long a crash loop may go on until so many were.
const enough = 2 * time.Minute

func TestOfConnectionsThatStandNoneIsLostHoweverTheNodeProxyEnds(t *testing.T) {
	w := newWorld(t)
	svc := w.put(w.service("web"), w.Local[0], w.Local[1], w.Remote[0])
	for i := range manyServices {
		w.put(w.service(crowded(i)))
	}
	w.crowd(0)
	w.start()
	w.settle()
	flows := w.openAtPace(slices.Repeat(w.targets(svc, "tcp"), established/4), askedAfter)
	flows.goOn()
	for _, tc := range []struct {
		name string
		end  func(*world)
	}{
		{"killed, and started again", func(w *world) { w.again(w.kill) }},
		{"ended, and started again", func(w *world) { w.again(w.end) }},
		{"upgraded to other rules", func(w *world) { w.command.Config = upgrades[0]; w.again(w.end) }},
		{"followed by another one that has begun before", overlap},
		{"crashing again and again while all changes", crashLoop},
	} {
		before, began := flows.answers(), time.Now()
		tc.end(w)
		w.settle()
		flows.goOn()
		t.Logf("%s: %d answers in %s; %d of %d connections lost", tc.name, flows.answers()-before, time.Since(began).Round(time.Millisecond), flows.losses(), established)
	}
	flows.wantOne()
	w.wantAsFresh()
}

// overlap has the next node-proxy begin while the one before still runs, as a rolling update with a surge does.
func overlap(w *world) {
	w.Helper()
	next := w.command
	next.Config = upgrades[1]
	next.Args = []string{"--healthz-bind-address=", "--metrics-bind-address="} // those of the other one
	launch, err := w.Prepare(w.Context(), next)
	w.must(err)
	old := w.proxy
	defer old.Kill()
	w.proxy, err = launch()
	w.must(err)
	w.until("it has met the other one", func() bool { return strings.Contains(w.proxy.Log(), "belongs to another process") })
	old.Stop()
	w.settle()
	w.again(w.end) // as the command says, that the next ones have
}

// crashLoop kills node-proxies at random moments, as they write most of the table anew and as they begin, and in every other
// round as soon after it as they are writing. It wants each to leave the table whole, and the last of each round to be in step,
// and goes on until some were killed in the middle of a write.
func crashLoop(w *world) {
	w.Helper()
	seed := *seeded
	if seed == 0 {
		seed = rand.Uint64()
	}
	defer func() { w.Logf("the seed is %d", seed) }()
	random := rand.New(rand.NewPCG(seed, 0))
	launch, err := w.Prepare(w.Context(), w.command)
	w.must(err)
	before, round, met := w.held(), 0, 0
	for began := time.Now(); round < crashes || time.Since(began) < long(0) || met < midWrite && time.Since(began) < long(enough); round++ {
		some := 1 + random.IntN(manyServices)
		w.crowdSome(0, some, round%2+1)
		var left []nft.Table
		for _, within := range []time.Duration{20 * time.Millisecond, 400 * time.Millisecond} { // about what a few of the Services take, and what a start does
			time.Sleep(time.Duration(random.Int64N(int64(within)))) // any moment will do
			if round%2 == 1 {
				w.awaitWriting(400 * time.Millisecond)
			}
			if w.killed() {
				met++
			}
			left = append(left, w.held())
			w.proxy, err = launch()
			w.must(err)
			w.crowdSome(some, manyServices, round%2+1)
		}
		w.settle()
		for _, held := range left {
			w.wantWhole(before, held)
		}
		before = w.held()
	}
	w.Logf("%d were killed, %d of them in the middle of a write", 2*round, met)
	if met < midWrite {
		w.Errorf("of %d that were killed only %d were writing: that says little of what a kill leaves", 2*round, met)
	}
}

// wantWhole wants the table to have each frontend that it had before, with all endpoints that it leads to.
func (w *world) wantWhole(before, held nft.Table) {
	w.Helper()
	w.wantWholeLists(held)
	if diff := cmp.Diff(frontends(before), frontends(held)); diff != "" {
		w.Errorf("its frontends are others (-before +after)\n%s", diff)
	}
}

// frontends are how many there are of each address and protocol, and of each node port one. The port of the sentinel
// changes, but it has always one of each family.
func frontends(held nft.Table) map[string]int {
	counts := map[string]int{}
	for _, e := range held.Elements() {
		if family, address, protocol, port, ok := e.Key.Frontend(); ok {
			if address.IsValid() {
				port = 0
			}
			counts[fmt.Sprint(family, address, protocol, port)]++
		}
	}
	return counts
}
