package faults

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-dev/portolan/test/proxysite"
)

func TestWhileTheAPIServerIsAwayAllGoesOn(t *testing.T) {
	w := newWorld(t)
	w.start()
	svc := w.put(w.service("web"), w.Local[0], w.Remote[0])
	w.settle()
	flows := w.open(w.both(svc))
	launch, err := w.Prepare(t.Context(), w.command)
	w.must(err)
	before := w.listed()
	w.Plane.KillAPIServer()
	t.Cleanup(func() { _ = w.Plane.StartAPIServer(t.Context()) }) // for other tests; of one that runs this is an error
	w.whileConnecting("the API server is away", w.targets(svc, "tcp"), func() {
		time.Sleep(time.Second)
		w.kill()
		for range 2 { // one begins while it is away, and another one after that
			w.proxy, err = launch()
			w.must(err)
			w.until("it runs", func() bool { return strings.Contains(w.show(), "The kernel is not programmed yet.") })
			time.Sleep(time.Second) // there is nothing to wait for: it shall do nothing
			w.proxy.Stop()
		}
		w.proxy, err = launch()
		w.must(err)
	})
	if diff := cmp.Diff(before, w.listed()); diff != "" {
		t.Errorf("the table has changed (-before +after)\n%s", diff)
	}
	w.must(w.Plane.StartAPIServer(t.Context()))
	flows.wantOne()
	w.serve("web", w.Local[1], w.Remote[1])
	other := w.put(w.service("other"), w.Local[2])
	w.settle()
	w.wantServed(svc, w.Local[1], w.Remote[1])
	w.wantServed(other, w.Local[2])
	w.wantAsFresh()
}

// away is how long the API server is away at least. A watch is tried again after longer and longer, up to a minute.
const away = 10 * time.Second

func TestWhenTheAPIServerHasBeenAwayForLongTheNodeFollowsAgain(t *testing.T) {
	for name, lose := range map[string]func(*world){
		"its connections end": func(w *world) { w.CutOff() },
		"nothing comes of it": func(w *world) { w.Silence() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of the time it waits
			w := newWorld(t)
			w.start()
			svc := w.put(w.service("web"), w.Local[0], w.Remote[0])
			old := w.put(w.service("old"), w.Local[0])
			w.settle()
			flows := w.openAtPace(w.both(svc), 20*time.Millisecond)
			lose(w)
			w.serve("web", w.Local[0], w.Remote[0], w.Local[1])
			other := w.put(w.service("other"), w.Local[2])
			w.serve("old", w.Local[1])
			for began := time.Now(); time.Since(began) < long(away); time.Sleep(time.Second) {
				w.wantServed(svc, w.Local[0], w.Remote[0])
				w.wantServed(old, w.Local[0]) // of its change nobody could tell
			}
			began := time.Now()
			w.Reconnect()
			w.untilWithin(2*time.Minute, "all that was missed is there", func() bool { return w.InStep(t.Context()) == nil })
			t.Logf("in step %s after the API server was back, which had been away for %s", time.Since(began).Round(time.Millisecond), long(away))
			w.wantServed(old, w.Local[1])
			w.wantServed(other, w.Local[2])
			flows.wantOne()
		})
	}
}

func TestANodeThatBeginsWhileTheAPIServerIsAwayWritesNothingUntilItIsBack(t *testing.T) {
	t.Parallel() // most of the time it waits
	w := newWorld(t)
	w.start()
	svc := w.put(w.service("web"), w.Local[0])
	w.settle()
	launch, err := w.Prepare(t.Context(), w.command)
	w.must(err)
	w.CutOff()
	w.kill()
	w.remove() // as a machine that has just started
	w.proxy, err = launch()
	w.must(err)
	w.until("it runs", func() bool { return strings.Contains(w.show(), "The kernel is not programmed yet.") })
	for began := time.Now(); time.Since(began) < long(away); time.Sleep(100 * time.Millisecond) {
		if n := len(w.held()); n > 0 {
			t.Fatalf("%d elements are there", n)
		}
	}
	if code := w.health(); code != http.StatusServiceUnavailable {
		t.Errorf("load balancers are told %d, while nothing is served", code)
	}
	began := time.Now()
	w.Reconnect()
	w.untilWithin(2*time.Minute, "it serves", func() bool { return len(w.held()) > 0 })
	t.Logf("it served %s after the API server was back, which had been away for %s", time.Since(began).Round(time.Millisecond), long(away))
	w.wantServed(svc, w.Local[0])
	w.until("load balancers are told so", func() bool { return w.health() == http.StatusOK })
}

// health is what load balancers are told of the node.
func (w *world) health() int {
	w.Helper()
	resp, err := w.onNode().Get(fmt.Sprintf("http://127.0.0.1:%d/healthz", proxysite.HealthPort))
	w.must(err)
	_ = resp.Body.Close()
	return resp.StatusCode
}
