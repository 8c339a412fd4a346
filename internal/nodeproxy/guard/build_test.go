package guard

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

var monday = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func named(name string) types.NamespacedName {
	namespace, name, _ := strings.Cut(name, "/")
	return types.NamespacedName{Namespace: namespace, Name: name}
}

func ip(text string) netip.Addr { return netip.MustParseAddr(text) }

func ips(texts ...string) []netip.Addr {
	var all []netip.Addr
	for _, text := range texts {
		all = append(all, ip(text))
	}
	return all
}

func tcp(number uint16) nft.Port { return nft.Port{Protocol: nft.TCP, Number: number} }

func labelled(app string) map[string]string { return map[string]string{"app": app} }

// web is the Service shop/web, labelled app=web, with the node port 30080 called http.
func web() *corev1.Service {
	s := st.MakeService("shop/web").NodePort(80, 30080, st.Named("http")).Created(monday).Obj()
	s.Labels = labelled("web")
	return s
}

// policy is a NodePortAccess under construction.
type policy struct{ object v1alpha1.NodePortAccess }

// forApp begins a NodePortAccess for the Services of its namespace labelled app=APP.
func forApp(app string) *policy {
	p := &policy{}
	p.object.Spec.ServiceSelector.MatchLabels = labelled(app)
	return p
}

// from adds a range, and what is excepted from it.
func (p *policy) from(cidr string, except ...string) *policy {
	p.object.Spec.From = append(p.object.Spec.From, peer(cidr, except...))
	return p
}

func peer(cidr string, except ...string) v1alpha1.AccessPeer {
	b := v1alpha1.IPBlock{CIDR: v1alpha1.CIDR(cidr)}
	for _, e := range except {
		b.Except = append(b.Except, v1alpha1.CIDR(e))
	}
	return v1alpha1.AccessPeer{IPBlock: b}
}

func (p *policy) ports(names ...string) *policy {
	p.object.Spec.Ports = names
	return p
}

func (p *policy) onNodes(labels map[string]string) *policy {
	p.object.Spec.NodeSelector = &metav1.LabelSelector{MatchLabels: labels}
	return p
}

func (p *policy) by(interfaces ...string) *policy {
	p.object.Spec.Interfaces = interfaces
	return p
}

func (p *policy) at(cidrs ...v1alpha1.CIDR) *policy {
	p.object.Spec.Addresses = cidrs
	return p
}

func (p *policy) limit(perSecond, burst int32) *policy {
	p.object.Spec.NewConnections = &v1alpha1.ConnectionRate{PerSecond: perSecond, Burst: burst}
	return p
}

// pool is one of a range of numbers, for everybody unless peers are named.
func pool(from, to int32, peers ...v1alpha1.AccessPeer) *v1alpha1.NodePortPool {
	p := &v1alpha1.NodePortPool{}
	p.Spec.Ranges = []v1alpha1.PortRange{{From: from, To: to}}
	if len(peers) > 0 {
		p.Spec.Access = &v1alpha1.PoolAccess{From: peers}
	}
	return p
}

// world is a planner, and a table that every change of it is carried out in.
type world struct {
	rapid.TB
	planner *Planner
	table   nft.Table
}

func newWorld(t rapid.TB) *world {
	w := &world{TB: t, planner: NewPlanner(nil), table: nft.Table{}}
	w.do(w.planner.Prune())
	return w
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
	if w.planner.found != nil { // it has begun only
		return c
	}
	if c := nft.Diff(w.table, w.planner.Table()); !c.Empty() {
		w.Fatalf("the table is not what is planned: %+v", c)
	}
	return c
}

func (w *world) service(s *corev1.Service) Change {
	w.Helper()
	return w.do(w.planner.SetService(types.NamespacedName{Namespace: s.Namespace, Name: s.Name}, s))
}

func (w *world) access(name string, p *policy) Change {
	w.Helper()
	if p == nil {
		return w.do(w.planner.SetAccess(named(name), nil))
	}
	p.object.Namespace, p.object.Name = named(name).Namespace, named(name).Name
	return w.do(w.planner.SetAccess(named(name), p.object.DeepCopy()))
}

func (w *world) pool(name string, p *v1alpha1.NodePortPool) Change {
	w.Helper()
	if p != nil {
		p.Name = name
	}
	return w.do(w.planner.SetPool(name, p))
}

func (w *world) node(labels map[string]string, addresses ...string) Change {
	w.Helper()
	return w.do(w.planner.SetNode(Node{Labels: labels, Addresses: ips(addresses...)}))
}

// contested says whether two Services have one number.
func (w *world) contested() bool {
	for _, d := range w.planner.doors {
		if len(d.claimants) > 1 {
			return true
		}
	}
	return false
}

// trace is what the kernel does with a new connection, by the table alone.
func trace(t nft.Table, port nft.Port, source netip.Addr, iface string, address netip.Addr) nft.Action {
	packet := nft.Packet{From: source, To: netip.AddrPortFrom(address, port.Number), Protocol: port.Protocol, Interface: iface, ToNode: true}
	if grant := t.Trace(packet, nft.Rules{GuardOnly: true}).Grant; grant != (nft.Action{}) {
		return grant
	}
	return nft.Pass()
}

// text is a table with what acls say in the place of their numbers.
func text(t nft.Table) string {
	grants := map[nft.ACL][]string{}
	for k, v := range t {
		if id, ok := k.Granted(); ok {
			_, entry, _ := strings.Cut((nft.Element{Key: k, Value: v}).String(), " . ")
			grants[id] = append(grants[id], k.Set()+" "+entry)
		}
	}
	var lines []string
	for k, v := range t {
		line := k.Set() + " " + k.String()
		if id, ok := v.ACL(); ok {
			line += fmt.Sprint(" : ", slices.Sorted(slices.Values(grants[id])))
		} else if _, ok := k.Granted(); ok {
			continue
		}
		lines = append(lines, line)
	}
	return strings.Join(slices.Sorted(slices.Values(lines)), "\n") + fmt.Sprint("\nacls: ", len(grants))
}

// decide is what is planned to become of a new connection: nft.Pass, nft.Deny or an nft.Limit.
func (w *world) decide(port nft.Port, source netip.Addr, iface string, address netip.Addr) nft.Action {
	return w.planner.Sight(port).at(spot{iface, address}).action(source)
}

// at is what becomes of a connection to port 30080, which the planner and the table have to agree on.
func (w *world) at(source, iface, address string) string {
	w.Helper()
	if ip(source).Is6() && ip(address).Is4() {
		address = "2001:db8::1"
	}
	says := w.decide(tcp(30080), ip(source), iface, ip(address))
	if does := trace(w.table, tcp(30080), ip(source), iface, ip(address)); does != says {
		w.Fatalf("from %s by %s at %s: planned is %s, the table says %s", source, iface, address, says, does)
	}
	return says.String()
}
