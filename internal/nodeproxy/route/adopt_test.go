package route

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// restart goes on with a new planner on the same maps.
func (w *world) restart() {
	w.planner = NewPlanner(w.table.Elements(), slices.Values([]uint32(nil)))
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
		"- slots 2.1: 4",
		"- endpoints 4.0: 10.0.1.2:8080",
		"- slots 2.2: 5",
		"- shortport tcp . 30020: stick 3 for 1m0s, list 2",
		"- service 10.96.0.20 . tcp . 80: stick 3 for 1m0s, list 2",
		"+ slots 2.1: 5",
		"+ shortport tcp . 30020: stick 2 for 1m0s, list 2",
		"+ service 10.96.0.20 . tcp . 80: stick 2 for 1m0s, list 2")
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
	w.planner.ids.last = 1
	if _, err := w.planner.Set(named("shop/dns"), planOf(dns(one))); err == nil {
		t.Error("a list in the kernel lost its id to another")
	}
	w.do(w.planner.Prune())
	w.serve(dns(one))
}

func TestMapsThatSomebodyElseWroteToAreRepaired(t *testing.T) {
	const stickyList, webList = 1, 4 // the ids they get
	for _, tc := range []struct {
		name string
		hand func(Table)
	}{
		{"all gone", func(t Table) { clear(t) }},
		{"a word of another list", func(t Table) {
			t[addressKey("10.96.0.10:80")] = Data{Word: Word{Action: Balance, Count: 2, List: 7}}
		}},
		{"a list with a hole", func(t Table) { delete(t, endpointKey(IPv4, webList, 0)) }},
		{"an endpoint twice in a list", func(t Table) {
			t[endpointKey(IPv4, webList, 1)] = t[endpointKey(IPv4, webList, 0)]
		}},
		{"elements of nobody", func(t Table) {
			t[endpointKey(IPv6, webList, 0)] = Data{Endpoint: addrPorts("[fd00::1]:80")[0]}
			t[endpointKey(IPv4, webList, 2)] = Data{Endpoint: addrPorts("10.0.0.9:80")[0]}
			t[slotKey(webList, 0)] = Data{ID: 1}
			t[addrKey(ClusterIPs, ip("10.96.0.99"))] = Data{}
		}},
		{"a list that says it has affinity", func(t Table) {
			t[addressKey("10.96.0.10:80")] = Data{Word: Word{Action: Balance, Count: 2, List: webList, Timeout: 60}}
		}},
		{"two words for one list", func(t Table) {
			t[addressKey("10.96.0.20:80")] = t[addressKey("10.96.0.10:80")]
		}},
		{"no id for a list", func(t Table) {
			t[addressKey("10.96.0.20:80")] = Data{Word: Word{Action: Balance, Count: 1, List: 0, Timeout: 60}}
			t[slotKey(0, 0)] = Data{ID: 7}
			t[endpointKey(IPv4, 7, 0)] = Data{Endpoint: addrPorts("10.0.1.1:8080")[0]}
		}},
		{"no id for an endpoint", func(t Table) {
			t[slotKey(stickyList, 0)] = Data{}
			t[endpointKey(IPv4, 0, 0)] = Data{Endpoint: addrPorts("10.0.1.1:8080")[0]}
		}},
		{"one id for two endpoints", func(t Table) { t[slotKey(stickyList, 1)] = t[slotKey(stickyList, 0)] }},
		{"one id for an endpoint and its list", func(t Table) {
			t[slotKey(stickyList, 0)] = Data{ID: stickyList}
			t[endpointKey(IPv4, stickyList, 0)] = Data{Endpoint: addrPorts("10.0.1.1:8080")[0]}
		}},
		{"one id for an endpoint and the list of another", func(t Table) {
			id := t[slotKey(stickyList, 0)].ID
			t[addressKey("[fd00:96::30]:80")] = Data{Word: Word{Action: Balance, Count: 1, List: id}}
			t[endpointKey(IPv6, id, 0)] = Data{Endpoint: addrPorts("[fd00::1]:8080")[0]}
		}},
		{"one id for lists of both families", func(t Table) {
			t[addressKey("[fd00:96::30]:80")] = Data{Word: Word{Action: Balance, Count: 1, List: webList}}
			t[endpointKey(IPv6, webList, 0)] = Data{Endpoint: addrPorts("[fd00::1]:8080")[0]}
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
			want := maps.Clone(w.table)
			tc.hand(w.table)
			repaired := maps.Clone(w.table)

			w.do(w.planner.Repair(w.table.Elements())) // by the same process
			if diff := cmp.Diff(want.String(), w.table.String()); diff != "" {
				t.Errorf("repaired (-want +got)\n%s", diff)
			}
			w.table = repaired
			w.restart() // by the next one
			plan()
			w.do(w.planner.Prune())
			if diff := cmp.Diff(want.String(), w.table.String()); diff != "" {
				t.Errorf("restarted (-want +got)\n%s", diff)
			}
		})
	}
}

func addressKey(text string) Key {
	a := addrPorts(text)[0]
	return Frontend{Family: FamilyOf(a.Addr()), Protocol: TCP, Addr: a.Addr(), Port: a.Port()}.key(Services, 0)
}
