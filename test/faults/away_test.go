package faults

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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
