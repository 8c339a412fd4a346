package route

import (
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// restart goes on with a new planner on the same maps.
func (w *world) restart() {
	w.planner = NewPlanner(maps.Clone(w.table), nobody)
}

func TestARestartChangesNothingThatHasNotChanged(t *testing.T) {
	w := newWorld(t)
	plain, slice := backed("10.0.0.1", "10.0.0.2", "10.0.0.3")
	sticky := st.MakeService("shop/sticky").ClusterIPs("10.96.0.20").NodePort(80, 30020, st.Named("http")).Affinity(time.Minute).LocalTraffic()
	stickySlice := st.MakeSlice("shop/sticky", "a").Port("http", 8080).Endpoint("10.0.1.1", st.OnNode("node-1")).Endpoint("10.0.1.2").Endpoint("10.0.1.3")
	w.serve(plain, slice)
	w.serve(sticky, stickySlice)
	w.serve(backed("10.0.0.3", "10.0.0.2")) // slots out of order
	w.do(w.planner.SetNetwork(network))
	w.do(w.planner.Prune())

	w.restart()
	changes := []Change{w.do(w.planner.SetNetwork(network)), w.serve(sticky, stickySlice), w.serve(backed("10.0.0.2", "10.0.0.3")), w.do(w.planner.Prune())}
	for _, c := range changes {
		wantLines(t, c)
	}

	w.restart()
	wantLines(t, w.do(w.planner.SetNetwork(network)))
	fewer := st.MakeSlice("shop/sticky", "a").Port("http", 8080).Endpoint("10.0.1.1", st.OnNode("node-1")).Endpoint("10.0.1.3")
	wantLines(t, w.serve(sticky, fewer),
		"- slots 2 . 1 : 4",
		"- endpoints4 4 . 0 : 10.0.1.2 . 8080",
		"- slots 2 . 2 : 5",
		"- shortport4 tcp . 30020 : stick-3-60 of list 2",
		"- service4 10.96.0.20 . tcp . 80 : stick-3-60 of list 2",
		"+ slots 2 . 1 : 5",
		"+ shortport4 tcp . 30020 : stick-2-60 of list 2",
		"+ service4 10.96.0.20 . tcp . 80 : stick-2-60 of list 2")
	w.serve(backed("10.0.0.2", "10.0.0.3"))
	wantLines(t, w.do(w.planner.Prune()))
}

func TestWhatWentWhileNobodyPlannedIsPruned(t *testing.T) {
	w := newWorld(t)
	w.serve(dns(two))
	w.serve(backed("10.0.0.1"))
	w.restart()
	w.serve(backed("10.0.0.1"))
	pruned := w.do(w.planner.Prune())
	if diff := cmp.Diff([]string{"10.96.0.10:53/udp ->"}, pruned.flows()); diff != "" {
		t.Errorf("flows (-want +got)\n%s", diff)
	}
	if w.set("shop/web", Plan{}); len(w.table) > 0 {
		t.Errorf("left behind: %s", w.table)
	}
}

func TestFlowsOfAllFrontendsAreLookedAtAfterARestart(t *testing.T) {
	w := newWorld(t)
	w.serve(dns(two))
	w.restart()
	if diff := cmp.Diff([]string{"10.96.0.10:53/udp -> 10.0.0.1:5353 10.0.0.2:5353"}, w.serve(dns(two)).flows()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestIDsOfWhatWentComeBackAfterPruning(t *testing.T) {
	w := newWorld(t)
	w.serve(backed("10.0.0.1"))
	w.restart()
	w.planner.ids.Last = 1
	if _, err := w.planner.Set(named("shop/dns"), planOf(dns(one))); err == nil {
		t.Error("a list in the kernel lost its id to another")
	}
	w.do(w.planner.Prune())
	w.serve(dns(one))
}

func TestARestartRepairsWhatSomebodyElseWrote(t *testing.T) {
	const stickyList, firstSticky, webList = 1, 2, 4 // the ids they get
	four, six := addrPorts("10.0.1.1:8080")[0], addrPorts("[fd00::1]:8080")[0]
	put := func(t nft.Table, elements ...nft.Element) {
		for _, e := range elements {
			t[e.Key] = e.Value
		}
	}
	at := func(address string) func(nft.Word) nft.Element {
		return func(w nft.Word) nft.Element { return nft.ServiceFrontend(ip(address), nft.TCP, 80, w) }
	}
	web, sticky, sixth := at("10.96.0.10"), at("10.96.0.20"), at("fd00:96::30")
	for _, tc := range []struct {
		name string
		hand func(nft.Table)
	}{
		{"all gone", func(t nft.Table) { clear(t) }},
		{"a word of another list", func(t nft.Table) {
			put(t, web(nft.Word{Action: nft.Balance(2), List: 7}))
		}},
		{"a list with a hole", func(t nft.Table) { delete(t, nft.Endpoint(webList, 0, four).Key) }},
		{"an endpoint twice in a list", func(t nft.Table) {
			put(t, nft.Endpoint(webList, 0, four), nft.Endpoint(webList, 1, four))
		}},
		{"elements of nobody", func(t nft.Table) {
			put(t, nft.Endpoint(webList, 0, six), nft.Endpoint(webList, 2, four), nft.StickySlot(webList, 0, 1), nft.ClusterIP(ip("10.96.0.99")))
		}},
		{"a list that says it has affinity", func(t nft.Table) {
			put(t, web(nft.Word{Action: nft.Stick(2, time.Minute), List: webList}))
		}},
		{"two words for one list", func(t nft.Table) {
			put(t, sticky(nft.Word{Action: nft.Balance(2), List: webList}))
		}},
		{"no id for a list", func(t nft.Table) {
			put(t, sticky(nft.Word{Action: nft.Stick(2, time.Minute)}))
		}},
		{"one id for two endpoints", func(t nft.Table) {
			put(t, nft.StickySlot(stickyList, 0, firstSticky), nft.StickySlot(stickyList, 1, firstSticky))
		}},
		{"one id for an endpoint and its list", func(t nft.Table) {
			put(t, nft.StickySlot(stickyList, 0, stickyList), nft.Endpoint(stickyList, 0, four))
		}},
		{"one id for an endpoint and the list of another", func(t nft.Table) {
			put(t, sixth(nft.Word{Action: nft.Balance(1), List: firstSticky}), nft.Endpoint(firstSticky, 0, six))
		}},
		{"one id for lists of both families", func(t nft.Table) {
			put(t, sixth(nft.Word{Action: nft.Balance(1), List: webList}), nft.Endpoint(webList, 0, six))
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			plan := func() {
				w.serve(st.MakeService("shop/sticky").ClusterIPs("10.96.0.20").Port(80, st.Named("http")).Affinity(time.Minute),
					st.MakeSlice("shop/sticky", "a").Port("http", 8080).Endpoint("10.0.1.1").Endpoint("10.0.1.2"))
				w.serve(backed("10.0.0.1", "10.0.0.2"))
				w.serve(st.MakeService("shop/six").ClusterIPs("fd00:96::30").Port(80, st.Named("http")),
					st.MakeSlice("shop/six", "a").IPv6().Port("http", 8080).Endpoint("fd00::1"))
			}
			plan()
			w.do(w.planner.Prune())
			want := w.table.Canonical().String()
			tc.hand(w.table)
			w.restart()
			plan()
			w.do(w.planner.Prune())
			if diff := cmp.Diff(want, w.table.Canonical().String()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
