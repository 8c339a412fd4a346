package route

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy/endpoints"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/selection"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

var (
	everything = selection.Selection{Mode: v1alpha1.ProxyModeAll, ProxyName: "portolan"}
	thisNode   = Node{Name: "node-1", Zone: "zone-a", IPs: []netip.Addr{ip("192.168.0.1"), ip("fd00:192:168::1")}}
	monday     = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
)

func ip(text string) netip.Addr { return netip.MustParseAddr(text) }

func ips(texts ...string) []netip.Addr {
	var all []netip.Addr
	for _, text := range texts {
		all = append(all, ip(text))
	}
	return all
}

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

func addrPorts(texts ...string) []netip.AddrPort {
	var all []netip.AddrPort
	for _, text := range texts {
		all = append(all, netip.MustParseAddrPort(text))
	}
	return all
}

func named(name string) types.NamespacedName {
	namespace, name, _ := strings.Cut(name, "/")
	return types.NamespacedName{Namespace: namespace, Name: name}
}

func nameOf(svc *corev1.Service) types.NamespacedName {
	return types.NamespacedName{Namespace: svc.Namespace, Name: svc.Name}
}

// web is a Service of one TCP port, and its slice with that port.
func web() (*st.Service, *st.Slice) {
	return st.MakeService("shop/web").ClusterIPs("10.96.0.10").Port(80, st.Named("http")).Created(monday),
		st.MakeSlice("shop/web", "a").Port("http", 8080)
}

// on puts an endpoint on a node.
func on(node string, options ...st.EndpointOption) []st.EndpointOption {
	return append([]st.EndpointOption{st.OnNode(node)}, options...)
}

func planOf(svc *st.Service, ofService ...*st.Slice) Plan {
	return Service(svc.Obj(), objects(ofService), thisNode, everything)
}

func objects(ofService []*st.Slice) []*endpoints.Slice {
	var all []*endpoints.Slice
	for _, s := range ofService {
		all = append(all, endpoints.Of(s.Obj()))
	}
	return all
}

// routes are a plan's frontends and where they lead.
func routes(p Plan) map[string]string {
	all := map[string]string{}
	for _, r := range p.Routes {
		all[r.Frontend.String()] = r.text()
	}
	return all
}

func (r Route) text() string {
	parts := []string{r.Target.text()}
	if r.Inside != nil {
		parts = append(parts, "inside: "+r.Inside.text())
	}
	if r.Affinity > 0 {
		parts = append(parts, "affinity "+r.Affinity.String())
	}
	if r.Masquerade {
		parts = append(parts, "masqueraded")
	}
	for _, s := range r.Sources {
		parts = append(parts, "from "+s.String())
	}
	return strings.Join(parts, ", ")
}

func (t Target) text() string {
	if t.Action != Balance {
		return t.Action.String()
	}
	return strings.Join(texts(t.Endpoints), " ")
}

func texts(addrs []netip.AddrPort) []string {
	all := make([]string, len(addrs))
	for i, a := range addrs {
		all[i] = a.String()
	}
	return all
}

// world is a planner, and a table that every change of it is carried out in.
type world struct {
	rapid.TB
	planner *Planner
	table   nft.Table
}

var nobody = slices.Values([]nft.List(nil))

func newWorld(t rapid.TB) *world {
	return &world{TB: t, planner: NewPlanner(nil, nobody), table: nft.Table{}}
}

// do carries a change out, and sees that the table is what the planner has planned.
func (w *world) do(c Change) Change {
	w.Helper()
	for _, e := range c.Delete {
		if had, ok := w.table[e.Key]; !ok || had != e.Value {
			w.Fatalf("%s %s is to be deleted: the table has it %t", e.Key.Set(), e, ok)
		}
		delete(w.table, e.Key)
	}
	for _, e := range c.Add {
		if _, ok := w.table[e.Key]; ok {
			w.Fatalf("%s %s is to be added: the table has it", e.Key.Set(), e)
		}
		w.table[e.Key] = e.Value
	}
	w.agree()
	return c
}

func (w *world) set(name string, plan Plan) Change {
	w.Helper()
	c, err := w.planner.Set(named(name), plan)
	if err != nil {
		w.Fatal(err)
	}
	return w.do(c)
}

func (w *world) serve(svc *st.Service, ofService ...*st.Slice) Change {
	w.Helper()
	return w.set(nameOf(svc.Obj()).String(), planOf(svc, ofService...))
}

// agree sees that the table is the one planned, and that it hangs together, once what was found in it is dealt with.
func (w *world) agree() {
	w.Helper()
	if len(w.planner.found) > 0 {
		return
	}
	if c := nft.Diff(w.table, w.planner.Table()); !c.Empty() {
		w.Fatalf("the table is not what is planned: %+v", c)
	}
	w.complete()
	w.distinct()
}

// distinct sees that no id is given to two.
func (w *world) distinct() {
	w.Helper()
	given := map[nft.List]bool{0: true}
	for name, s := range w.planner.services {
		for _, l := range s.lists {
			if given[l.id] {
				w.Fatalf("%s: list id %d is another's", name, l.id)
			}
			given[l.id] = true
			for _, s := range l.slots {
				if l.sticky && given[s.id] {
					w.Fatalf("%s: endpoint id %d is another's", name, s.id)
				}
				given[s.id] = true
			}
		}
	}
}

// complete sees that every frontend's word leads to a list of as many endpoints as it says.
func (w *world) complete() {
	w.Helper()
	for f, holder := range w.planner.claims.holders {
		for _, at := range []nft.Element{f.element(nft.Word{}), f.shortCut(nft.Word{})} {
			word, _ := w.table[at.Key].Word()
			if listed := w.listed(word, f.Family); word.Action.Endpoints() != len(listed) {
				w.Fatalf("%s of %s: %s has the endpoints %v", f, holder.name, word, listed)
			}
		}
	}
}

// listed are the endpoints that a word leads to, by slot.
func (w *world) listed(word nft.Word, family nft.Family) []netip.AddrPort {
	var addrs []netip.AddrPort
	for slot := 0; ; slot++ {
		list, in := word.List, slot
		if word.Action.Timeout() > 0 {
			list, _ = w.table.NumberAt(list, slot)
			in = 0
		}
		addr, ok := w.table.EndpointAt(family, list, in)
		if !ok {
			return addrs
		}
		addrs = append(addrs, addr)
	}
}

// trace is what becomes of a packet to "protocol address:port".
func (w *world) trace(source, destination string) string {
	return trace(w.table, packet(source, destination))
}

// trace is what becomes of a packet, where the kernel's rules are the usual ones.
func trace(t nft.Table, p nft.Packet) string { return t.Trace(p, nft.Rules{}).String() }
