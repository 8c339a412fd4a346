package guard

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// app is a Service of a namespace with the node ports from one on, as many as that.
func app(namespace, name string, first, n int32) *corev1.Service {
	svc := st.MakeService(namespace + "/" + name).Created(monday)
	for i := range n {
		svc.NodePort(80+i, first+i)
	}
	s := svc.Obj()
	s.Labels = labelled(name)
	return s
}

// ranges adds that many to a NodePortAccess.
func (p *policy) ranges(n int) *policy {
	for i := range n {
		p.from(fmt.Sprintf("10.%d.%d.0/24", i/250, i%250))
	}
	return p
}

func (w *world) wantCrowded(when string, numbers ...uint16) {
	w.Helper()
	var want []nft.Port
	for _, n := range numbers {
		want = append(want, tcp(n))
	}
	if got := w.planner.Crowded(); !slices.Equal(got, want) {
		w.Errorf("%s: no room for %v, want %v", when, got, want)
	}
	for _, port := range want {
		if got := trace(w.table, port, ip("10.0.0.1"), "eth0", ip("192.0.2.1")); got != nft.Deny() {
			w.Errorf("%s: at %s there is %s", when, port, got)
		}
	}
}

// wantRoom sees that namespaces have taken what their doors and lists are.
func (w *world) wantRoom() {
	w.Helper()
	want := map[string]int{}
	for _, d := range w.planner.doors {
		want[d.namespace] += d.spots
	}
	for _, a := range w.planner.acls {
		want[a.namespace()] += a.ranges()
	}
	for namespace, n := range want {
		if got := w.planner.taken[namespace]; got != n {
			w.Errorf("%q has taken %d, want %d", namespace, got, n)
		}
	}
	for namespace, n := range w.planner.taken {
		if n > w.planner.most || n != want[namespace] {
			w.Errorf("%q has taken %d of %d, want %d", namespace, n, w.planner.most, want[namespace])
		}
	}
}

func TestAPortThatItsNamespaceHasNoRoomForIsClosedUntilThereIsSome(t *testing.T) {
	w := newWorld(t)
	w.planner.most = 100
	w.node(nil, "192.0.2.1")
	w.access("shop/web", forApp("web").ranges(50))
	w.access("shop/db", forApp("db").ranges(50))
	w.access("bank/web", forApp("web").ranges(90))
	w.service(app("shop", "web", 30080, 3))
	w.service(app("bank", "web", 30090, 1))
	w.wantCrowded("one list for three ports")
	w.service(app("shop", "db", 30070, 2))
	w.wantCrowded("a second list", 30070, 30071)
	if c := w.access("shop/web", forApp("web").ranges(99)); len(c.Narrowed) != 3 {
		t.Errorf("closed, and flows of %v are looked at", c.Narrowed)
	}
	w.wantCrowded("a list that becomes too long, in the place of which there is room", 30080, 30081, 30082)
	w.access("shop/web", forApp("web").ranges(40))
	w.wantCrowded("both fit")
	w.access("shop/db", nil)
	w.access("shop/web", forApp("web").ranges(60))
	w.access("shop/web", forApp("web").from("192.0.2.0/24").ranges(60))
	w.wantCrowded("a list that changes does not need room twice")
	w.wantRoom()
}

func TestPlacesTakeRoomToo(t *testing.T) {
	w := newWorld(t)
	w.planner.most = 20
	w.node(nil, "192.0.2.1", "192.0.2.2", "192.0.2.3")
	w.service(app("shop", "web", 30080, 2))
	w.access("shop/wired", forApp("web").by("eth1").from("10.0.0.0/8")) // 3 for the list, 2 x 3 x 2 for places
	w.wantCrowded("two ports")
	w.service(app("shop", "api", 30085, 1))
	w.access("shop/others", forApp("api").by("eth1", "eth2").from("10.0.0.0/8"))
	w.wantCrowded("a third, of two interfaces", 30085)
	w.node(nil, "192.0.2.1")
	w.wantCrowded("on a node with less addresses")
	w.node(nil, "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5", "192.0.2.6")
	w.wantRoom()
	if n := len(w.planner.Crowded()); n == 0 {
		t.Error("there is room for 36 elements of 20")
	}
}

// However many ports have a list each: what a namespace has in the table stays within bounds.
func TestOneNamespaceDoesNotFillTheTable(t *testing.T) {
	w := newWorld(t)
	elements := 0
	for i := range int32(20) {
		name := fmt.Sprint("app-", i)
		policy := forApp(name).ranges(20000)
		policy.object.Namespace, policy.object.Name = "shop", name
		w.planner.SetAccess(named("shop/"+name), &policy.object)
		elements += len(w.planner.SetService(named("shop/"+name), app("shop", name, 30000+i, 1)).Add)
	}
	if elements > mostElements+100 || elements < mostElements/2 {
		t.Errorf("%d elements, want %d at most", elements, mostElements)
	}
	w.wantRoom()
}

// However little room there is: a port is closed, or does what the objects say.
func TestWithLittleRoomNobodyIsLetInWhoMayNot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, o, had := newWorld(t), newObjects(), map[nft.Port]bool{}
		w.planner.most = rapid.IntRange(0, 40).Draw(t, "room")
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			before := maps.Clone(w.table)
			c := o.step(t, w)
			crowded := w.planner.Crowded()
			o.each(func(conn connection) {
				want := o.action(conn.port, conn.source, conn.iface, conn.address)
				if slices.Contains(crowded, conn.port) {
					want = nft.Deny()
				}
				does := trace(w.table, conn.port, conn.source, conn.iface, conn.address)
				did := trace(before, conn.port, conn.source, conn.iface, conn.address)
				if does != want {
					t.Fatalf("%v: the table says %s, want %s; no room for %v", conn, does, want, crowded)
				}
				if had[conn.port] && did != nft.Deny() && does == nft.Deny() && !slices.Contains(c.Narrowed, conn.port) {
					t.Fatalf("%v was let in, and is not told of: %v", conn, c.Narrowed)
				}
			})
			w.wantRoom()
			for port := range w.planner.doors {
				had[port] = true
			}
		}
	})
}
