package route

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/internal/nodeproxy/endpoints"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// Few names, addresses and numbers, so that Services meet each other and themselves of before.
var (
	someNames     = rapid.SampledFrom([]string{"a/one", "a/two", "b/one", "b/two"})
	someSharedIPs = rapid.SampledFrom([]string{"192.0.2.1", "192.0.2.2", "2001:db8::1", "10.96.0.1"})
	someNodes     = rapid.SampledFrom([]string{"node-1", "node-2"})
	someZones     = rapid.SampledFrom([]string{"zone-a", "zone-b"})
)

// anyPlan is the plan of the Service of that name, anything at all, or of its end.
func anyPlan(t *rapid.T, name string, node Node) Plan {
	if rapid.IntRange(0, 9).Draw(t, "gone") == 0 {
		return Plan{HandedOver: rapid.Bool().Draw(t, "handed over")}
	}
	svc := anyService(t, name)
	return Service(svc, anySlices(t, name), node, everything)
}

func anyService(t *rapid.T, name string) *corev1.Service {
	index := fmt.Sprint(1 + slices.Index([]string{"a/one", "a/two", "b/one", "b/two"}, name))
	svc := st.MakeService(name).ClusterIPs("10.96.0."+index, "fd00:96::"+index).LoadBalancer()
	svc.Created(monday.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "age")) * time.Hour))
	if rapid.Bool().Draw(t, "single stack") {
		svc.ClusterIPs("10.96.0." + index)
	}
	svc.ExternalIPs(rapid.SliceOfN(someSharedIPs, 0, 2).Draw(t, "external IPs")...)
	svc.Ingress(rapid.SliceOfN(someSharedIPs, 0, 2).Draw(t, "load balancer IPs")...)
	svc.SourceRanges(rapid.SliceOfN(rapid.SampledFrom([]string{"10.0.0.0/8", "10.1.0.0/16", "fd00::/8"}), 0, 2).Draw(t, "ranges")...)
	for i, option := range []st.PortOption{st.Named("p0"), st.UDP, st.SCTP} {
		if rapid.Bool().Draw(t, "port") {
			svc.NodePort(80, int32(rapid.SampledFrom([]int{0, 30001, 30002}).Draw(t, "node port")), option, st.Named(fmt.Sprintf("p%d", i)))
		}
	}
	if rapid.Bool().Draw(t, "local") {
		svc.LocalTraffic()
	}
	if rapid.Bool().Draw(t, "internally local") {
		svc.LocalInternalTraffic()
	}
	if rapid.Bool().Draw(t, "sticky") {
		svc.Affinity(rapid.SampledFrom([]time.Duration{time.Second, time.Hour}).Draw(t, "timeout"))
	}
	return svc.Obj()
}

func anySlices(t *rapid.T, name string) []*endpoints.Slice {
	options := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) st.EndpointOption {
		switch rapid.IntRange(0, 5).Draw(t, "option") {
		case 0:
			return st.Unready
		case 1:
			return st.Lasting
		case 2:
			return st.ForNodes(someNodes.Draw(t, "for node"))
		case 3:
			return st.ForZones(someZones.Draw(t, "for zone"))
		default:
			return st.OnNode(someNodes.Draw(t, "on node"))
		}
	}), 0, 3)
	var all []*endpoints.Slice
	for i, prefix := range []string{"10.0.0.", "10.0.0.", "fd00::"} {
		slice := st.MakeSlice(name, fmt.Sprint(i)).Port("p0", 8080).Port("p1", 8080, st.UDP).Port("p2", 8080, st.SCTP)
		if i == 2 {
			slice.IPv6()
		}
		for _, last := range rapid.SliceOfN(rapid.IntRange(1, 6), 0, 5).Draw(t, "endpoints") {
			slice.Endpoint(prefix+fmt.Sprint(last), options.Draw(t, "options")...)
		}
		all = append(all, endpoints.Of(slice.Obj()))
	}
	return all
}

// Whatever happens to Services one after the other, the table ends up as if they had always been so; each change is
// one that the kernel takes; and a packet goes where the plans of the moment say.
func TestAnyChangesEndInTheTableOfAFreshStart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		plans := map[string]Plan{}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			name := someNames.Draw(t, "name")
			plans[name] = anyPlan(t, name, thisNode)
			w.set(name, plans[name])
			if rapid.IntRange(0, 4).Draw(t, "restart") == 0 {
				w.restart()
				w.setAll(plans)
			}
		}
		fresh := newWorld(t)
		fresh.setAll(plans)
		if diff := cmp.Diff(fresh.table.Canonical().String(), w.table.Canonical().String()); diff != "" {
			t.Fatalf("(-fresh +changed)\n%s", diff)
		}
		w.followPlans(plans)
	})
}

// setAll plans all Services and is done with what was found.
func (w *world) setAll(plans map[string]Plan) {
	for _, name := range slices.Sorted(maps.Keys(plans)) {
		w.set(name, plans[name])
	}
	w.do(w.planner.Prune())
}

// followPlans sees that every frontend leads where the plan says of the Service that has it.
func (w *world) followPlans(plans map[string]Plan) {
	for f, holder := range w.planner.claims.holders {
		route := plans[holder.name.String()].route(f)
		word, _ := w.table[f.element(nft.Word{}).Key].Word()
		want := map[Action]nft.Action{Refuse: nft.Refuse(), Discard: nft.Discard(), Balance: word.Action}[route.Target.Action]
		listed := w.listed(word, f.Family)
		slices.SortFunc(listed, netip.AddrPort.Compare)
		if word.Action != want || !slices.Equal(listed, route.Target.Endpoints) {
			w.Fatalf("%s: %s to %v, planned was %s", f, word, listed, route.text())
		}
	}
}

func (p Plan) route(f Frontend) Route {
	return p.Routes[slices.IndexFunc(p.Routes, func(r Route) bool { return r.Frontend == f })]
}

func TestARestartIsNoChangeAtAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		plans := map[string]Plan{}
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			name := someNames.Draw(t, "name")
			plans[name] = anyPlan(t, name, thisNode)
			w.set(name, plans[name])
		}
		if len(w.planner.Conflicts()) > 0 {
			t.Skip("who plans first may take over the list of another then")
		}
		w.do(w.planner.Prune())
		before := maps.Clone(w.table)
		w.restart()
		changes := 0
		for _, name := range slices.Sorted(maps.Keys(plans)) {
			c := w.set(name, plans[name])
			changes += len(c.Delete) + len(c.Add)
		}
		c := w.do(w.planner.Prune())
		if changes += len(c.Delete) + len(c.Add); changes > 0 || !maps.Equal(before, w.table) {
			t.Fatalf("%d changes", changes)
		}
	})
}

func TestAnEndpointMovesOnlyIntoASlotThatAnotherLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.Map(rapid.SliceOfNDistinct(rapid.IntRange(1, 12), 0, 12, rapid.ID[int]), func(numbers []int) []string {
			var all []string
			for _, n := range numbers {
				all = append(all, fmt.Sprintf("10.0.0.%d", n))
			}
			return all
		})
		w := newWorld(t)
		w.serve(backed(some.Draw(t, "before")...))
		before := w.slots()
		w.serve(backed(some.Draw(t, "after")...))
		after := w.slots()
		gone, moved := 0, 0
		for endpoint, slot := range before {
			now, stayed := after[endpoint]
			if !stayed {
				gone++
			} else if now != slot {
				moved++
			}
		}
		if shrunk := len(before) - len(after); moved > max(0, min(gone, shrunk)) {
			t.Fatalf("%d of %d endpoints moved where %d went: %v, then %v", moved, len(before), gone, before, after)
		}
	})
}

// slots are the endpoints of the one list there is.
func (w *world) slots() map[netip.AddrPort]int {
	all := map[netip.AddrPort]int{}
	for list := range w.table.Lists() {
		for slot := 0; ; slot++ {
			endpoint, ok := w.table.EndpointAt(nft.IPv4, list, slot)
			if !ok {
				break
			}
			all[endpoint] = slot
		}
	}
	return all
}
