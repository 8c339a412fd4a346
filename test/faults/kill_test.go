package faults

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/test/proxysite"
)

const (
	manyServices  = 8
	manyEndpoints = 1000 // of each, which is as many as a slice may have
	// manyElements are those of so many endpoints, over two protocols.
	manyElements = 2 * manyServices * manyEndpoints

	kills = 4
)

// crowd gives manyServices manyEndpoints each, which nobody is behind; those of another round are others.
func (w *world) crowd(round int) {
	w.Helper()
	w.crowdSome(0, manyServices, round)
}

// crowdSome is crowd for the Services from one up to another.
func (w *world) crowdSome(from, to, round int) {
	w.Helper()
	for i := from; i < to; i++ {
		slice := w.slice(crowded(i), netip.IPv4Unspecified())
		for n := range manyEndpoints {
			slice.Endpoint(fmt.Sprintf("10.245.%d.%d", 4*(i+manyServices*round)+n/250, 1+n%250))
		}
		w.putSlice(slice.Obj())
	}
}

func crowded(i int) string { return fmt.Sprint("crowded-", i) }

func TestAKillInTheMiddleOfTheFirstSyncLeavesAllOrNothing(t *testing.T) {
	w := newWorld(t)
	web := w.put(w.service("web"), w.Local[0])
	for i := range manyServices {
		w.put(w.service(crowded(i)))
	}
	w.crowd(0)
	w.start()
	w.wantCrowded()
	w.killAtTheStart(web)
	w.wantAsFresh()
}

// killAtTheStart kills a node-proxy that begins with a kernel that has nothing: at moments from its launch to when all is written,
// and then in the middle of its write, unless one of those was.
func (w *world) killAtTheStart(web *corev1.Service) {
	w.Helper()
	launch, err := w.Prepare(w.Context(), w.command)
	w.must(err)
	w.kill()
	w.remove()
	took, whole, met, i := w.timed(launch), 0, 0, 0
	for began := time.Now(); i < kills || met == 0 && time.Since(began) < long(enough); i++ {
		w.kill()
		w.remove()
		w.proxy, err = launch()
		w.must(err)
		if i < kills {
			time.Sleep(took * time.Duration(i+1) / kills) // any moment will do
		} else {
			w.awaitWriting(2 * took)
		}
		if w.killed() {
			met++
		}
		switch n := len(w.held()); {
		case n > manyElements:
			whole++
		case n > 0:
			w.Errorf("number %d that is killed leaves %d elements", i+1, n)
		}
		w.start()
		w.wantCrowded()
		w.wantServed(web, w.Local[0])
	}
	w.Logf("of %d that were killed %d were writing; %d left everything, the others nothing; it takes %s", i, met, whole, took)
	if met == 0 {
		w.Errorf("none of %d was killed in the middle of a write", i)
	}
}

// timed is how long a node-proxy takes from its launch until it has written everything.
func (w *world) timed(launch func() (*proxysite.Proxy, error)) time.Duration {
	w.Helper()
	began := time.Now()
	var err error
	w.proxy, err = launch()
	w.must(err)
	w.until("all is written", func() bool { return len(w.held()) > manyElements })
	return time.Since(began)
}

func (w *world) wantCrowded() {
	w.Helper()
	if n := len(w.held()); n < manyElements {
		w.Errorf("the kernel has %d elements", n)
	}
}

// wantWholeLists wants each word to lead to a list with all its slots.
func (w *world) wantWholeLists(held nft.Table) {
	w.Helper()
	for _, e := range held.Elements() {
		word, ok := e.Word()
		if !ok {
			continue
		}
		for slot := range word.Action.Endpoints() {
			if _, there := held.EndpointAt(familyOf(e), word.List, slot); !there {
				w.Errorf("%s leads to slot %d of list %d, which is not there", e, slot, word.List)
				break
			}
		}
	}
}

func familyOf(e nft.Element) nft.Family {
	if name := e.Key.Set(); name[len(name)-1] == '6' {
		return nft.IPv6
	}
	return nft.IPv4
}
