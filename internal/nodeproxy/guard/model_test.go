package guard

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// objects are all there are. What they mean for one connection is asked of them one by one, without anything compiled.
type objects struct {
	services map[string]*corev1.Service
	policies map[string]*policy
	pools    map[string]*v1alpha1.NodePortPool
	node     Node
}

func newObjects() *objects {
	return &objects{map[string]*corev1.Service{}, map[string]*policy{}, map[string]*v1alpha1.NodePortPool{}, Node{}}
}

// action is what is to become of a new connection.
func (o *objects) action(port nft.Port, source netip.Addr, iface string, address netip.Addr) nft.Action {
	holder, portName := o.holder(port)
	if holder == nil || o.aboveCeiling(port, source) {
		return map[bool]nft.Action{true: nft.Pass(), false: nft.Deny()}[holder == nil]
	}
	selected, best := false, nft.Deny()
	var rate *v1alpha1.ConnectionRate
	for name, p := range o.policies {
		s := &p.object.Spec
		if named(name).Namespace != holder.Namespace || !matches(&s.ServiceSelector, holder.Labels) ||
			s.Ports != nil && !slices.Contains(s.Ports, portName) {
			continue
		}
		selected = true
		switch {
		case !o.grants(s, source, iface, address), best == nft.Pass():
		case s.NewConnections == nil:
			best = nft.Pass()
		case rate == nil || rate.PerSecond < s.NewConnections.PerSecond ||
			rate.PerSecond == s.NewConnections.PerSecond && rate.Burst < s.NewConnections.Burst:
			rate = s.NewConnections
			best = nft.Limit(uint32(rate.PerSecond), uint32(rate.Burst))
		}
	}
	if !selected {
		return nft.Pass()
	}
	return best
}

func (o *objects) grants(s *v1alpha1.NodePortAccessSpec, source netip.Addr, iface string, address netip.Addr) bool {
	return (s.NodeSelector == nil || matches(s.NodeSelector, o.node.Labels)) &&
		(s.Interfaces == nil || slices.Contains(s.Interfaces, iface)) &&
		(s.Addresses == nil || slices.ContainsFunc(s.Addresses, func(c v1alpha1.CIDR) bool { return contains(c, address) })) &&
		(len(s.From) == 0 || among(s.From, source))
}

func (o *objects) holder(port nft.Port) (*corev1.Service, string) {
	var holder *corev1.Service
	portName := ""
	for name, s := range o.services {
		for _, p := range s.Spec.Ports {
			older := holder == nil || s.CreationTimestamp.Before(&holder.CreationTimestamp) ||
				s.CreationTimestamp.Equal(&holder.CreationTimestamp) && name < holder.Namespace+"/"+holder.Name
			if p.NodePort == int32(port.Number) && string(p.Protocol) == port.Protocol.Name() && older {
				holder, portName = s, p.Name
			}
		}
	}
	return holder, portName
}

func (o *objects) aboveCeiling(port nft.Port, source netip.Addr) bool {
	var owner *v1alpha1.NodePortPool
	for _, p := range o.pools {
		r := p.Spec.Ranges[0]
		if int32(port.Number) < r.From || int32(port.Number) > r.To {
			continue
		}
		if owner == nil || p.CreationTimestamp.Before(&owner.CreationTimestamp) ||
			p.CreationTimestamp.Equal(&owner.CreationTimestamp) && p.Name < owner.Name {
			owner = p
		}
	}
	return owner != nil && owner.Spec.Access != nil && !among(owner.Spec.Access.From, source)
}

func matches(s *metav1.LabelSelector, of map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && selector.Matches(labels.Set(of))
}

func contains(c v1alpha1.CIDR, a netip.Addr) bool {
	return netip.MustParsePrefix(string(c)).Contains(a)
}

func among(peers []v1alpha1.AccessPeer, source netip.Addr) bool {
	return slices.ContainsFunc(peers, func(p v1alpha1.AccessPeer) bool {
		return contains(p.IPBlock.CIDR, source) &&
			!slices.ContainsFunc(p.IPBlock.Except, func(c v1alpha1.CIDR) bool { return contains(c, source) })
	})
}

// Few of everything, so that objects meet each other and themselves of before.
var (
	someServices = []string{"a/one", "a/two", "b/one"}
	somePolicies = []string{"a/p", "a/q", "b/p"}
	somePools    = []string{"old", "new"}
	someApps     = []string{"x", "y"}
	someNumbers  = []int32{30001, 30002}
	someCIDRs    = []v1alpha1.CIDR{"0.0.0.0/0", "10.0.0.0/30", "10.0.0.0/31", "10.0.0.1/32", "10.0.0.2/32", "::/0", "fd00::/126", "fd00::1/128"}

	sources       = ips("10.0.0.0", "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.9.9.9", "fd00::1", "fd00::2", "fd99::1")
	allInterfaces = []string{"eth0", "eth1", "eth9"}
	addresses     = ips("192.0.2.1", "192.0.2.2", "2001:db8::1")
)

func anyService(t *rapid.T, name string) *corev1.Service {
	s := st.MakeService(name).Created(monday.Add(time.Duration(rapid.IntRange(0, 1).Draw(t, "age")) * time.Hour))
	for i, protocol := range []st.PortOption{st.Named(""), st.UDP} {
		if rapid.Bool().Draw(t, "port") {
			s.NodePort(80, rapid.SampledFrom(someNumbers).Draw(t, "number"), protocol, st.Named(fmt.Sprintf("p%d", i)))
		}
	}
	obj := s.Obj()
	obj.Labels = labelled(rapid.SampledFrom(someApps).Draw(t, "app"))
	return obj
}

func anyPolicy(t *rapid.T) *policy {
	p := &policy{}
	if rapid.Bool().Draw(t, "of an app") {
		p = forApp(rapid.SampledFrom(someApps).Draw(t, "app"))
	}
	s := &p.object.Spec
	s.From = anyPeers(t, 0)
	if rapid.IntRange(0, 2).Draw(t, "of some ports") == 0 {
		s.Ports = []string{rapid.SampledFrom([]string{"p0", "p1"}).Draw(t, "port")}
	}
	if rapid.IntRange(0, 2).Draw(t, "of some nodes") == 0 {
		p.onNodes(labelled(rapid.SampledFrom(someApps).Draw(t, "node")))
	}
	if rapid.IntRange(0, 1).Draw(t, "of some interfaces") == 0 {
		s.Interfaces = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"eth0", "eth1"}), 1, 2, rapid.ID[string]).Draw(t, "interfaces")
	}
	if rapid.IntRange(0, 2).Draw(t, "of some addresses") == 0 {
		s.Addresses = []v1alpha1.CIDR{rapid.SampledFrom([]v1alpha1.CIDR{"192.0.2.0/31", "192.0.2.2/32", "::/0"}).Draw(t, "addresses")}
	}
	if rapid.Bool().Draw(t, "limited") {
		p.limit(rapid.Int32Range(1, 2).Draw(t, "rate"), rapid.Int32Range(1, 2).Draw(t, "burst"))
	}
	return p
}

func anyPeers(t *rapid.T, atLeast int) []v1alpha1.AccessPeer {
	cidr := rapid.SampledFrom(someCIDRs)
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) v1alpha1.AccessPeer {
		return v1alpha1.AccessPeer{IPBlock: v1alpha1.IPBlock{
			CIDR:   cidr.Draw(t, "cidr"),
			Except: rapid.SliceOfN(cidr, 0, 2).Draw(t, "except"),
		}}
	}), atLeast, 3).Draw(t, "peers")
}

func anyPool(t *rapid.T) *v1alpha1.NodePortPool {
	p := pool(30001, rapid.SampledFrom(someNumbers).Draw(t, "to"))
	if rapid.Bool().Draw(t, "capped") {
		p.Spec.Access = &v1alpha1.PoolAccess{From: anyPeers(t, 1)}
	}
	return p
}

// step changes one object, and the world with it.
func (o *objects) step(t *rapid.T, w *world) Change {
	gone := rapid.IntRange(0, 4).Draw(t, "gone") == 0
	switch rapid.IntRange(0, 7).Draw(t, "what") {
	case 0:
		o.node = Node{labelled(rapid.SampledFrom(someApps).Draw(t, "node")), addresses[:rapid.IntRange(1, 3).Draw(t, "addresses")]}
		return w.do(w.planner.SetNode(o.node))
	case 1:
		name := rapid.SampledFrom(somePools).Draw(t, "pool")
		if gone {
			delete(o.pools, name)
			return w.pool(name, nil)
		}
		o.pools[name] = anyPool(t)
		return w.pool(name, o.pools[name])
	case 2, 3, 4:
		name := rapid.SampledFrom(somePolicies).Draw(t, "policy")
		if gone {
			delete(o.policies, name)
			return w.access(name, nil)
		}
		o.policies[name] = anyPolicy(t)
		return w.access(name, o.policies[name])
	}
	name := rapid.SampledFrom(someServices).Draw(t, "Service")
	if gone {
		delete(o.services, name)
		return w.do(w.planner.SetService(named(name), nil))
	}
	o.services[name] = anyService(t, name)
	return w.service(o.services[name])
}

// connection is a new one, to a port.
type connection struct {
	port    nft.Port
	source  netip.Addr
	iface   string
	address netip.Addr
}

// each are all connections that objects may tell apart, at the addresses that the node has.
func (o *objects) each(visit func(connection)) {
	for _, number := range someNumbers {
		for _, protocol := range []nft.Protocol{nft.TCP, nft.UDP} {
			for _, source := range sources {
				for _, iface := range allInterfaces {
					for _, address := range o.node.Addresses {
						if source.Is4() == address.Is4() {
							visit(connection{nft.Port{Protocol: protocol, Number: uint16(number)}, source, iface, address})
						}
					}
				}
			}
		}
	}
}

func (o *objects) admitted() map[connection]bool {
	all := map[connection]bool{}
	o.each(func(c connection) { all[c] = o.action(c.port, c.source, c.iface, c.address) != nft.Deny() })
	return all
}

// Whatever happens to objects one after the other, the table does what they say, and is that of a fresh start; and who
// may have lost access is told.
func TestAnyChangesDoWhatTheObjectsSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, o, had := newWorld(t), newObjects(), map[nft.Port]bool{}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			before := o.admitted()
			c := o.step(t, w)
			for conn, was := range before {
				if was && had[conn.port] && o.action(conn.port, conn.source, conn.iface, conn.address) == nft.Deny() && !slices.Contains(c.Narrowed, conn.port) {
					t.Fatalf("%v was let in, and is not told of: %v", conn, c.Narrowed)
				}
			}
			o.follow(t, w)
			for port := range w.planner.doors {
				had[port] = true
			}
		}
		fresh := newWorld(t)
		o.startOver(fresh)
		if diff := cmp.Diff(text(fresh.table), text(w.table)); diff != "" {
			t.Fatalf("(-fresh +changed)\n%s", diff)
		}
	})
}

// follow sees that table and planner do what the objects say.
func (o *objects) follow(t *rapid.T, w *world) {
	o.each(func(c connection) {
		want := o.action(c.port, c.source, c.iface, c.address)
		if does := trace(w.table, c.port, c.source, c.iface, c.address); does != want {
			t.Fatalf("%v: the table says %s, want %s", c, does, want)
		}
		if says := w.decide(c.port, c.source, c.iface, c.address); says != want {
			t.Fatalf("%v: planned is %s, want %s", c, says, want)
		}
		some := slices.ContainsFunc(allInterfaces, func(iface string) bool {
			return o.action(c.port, c.source, iface, c.address) != nft.Deny()
		})
		if admits := w.planner.Sight(c.port).Admits(c.source, c.address); admits != some {
			t.Fatalf("%v: that it is let in by some interface is %t, want %t", c, admits, some)
		}
	})
}

// startOver tells a planner that has just begun of everything, and returns all that it does.
func (o *objects) startOver(w *world) []Change {
	all := []Change{w.do(w.planner.SetNode(o.node))}
	for _, name := range slices.Sorted(maps.Keys(o.pools)) {
		all = append(all, w.pool(name, o.pools[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(o.policies)) {
		all = append(all, w.access(name, o.policies[name]))
	}
	for _, name := range slices.Sorted(maps.Keys(o.services)) {
		all = append(all, w.service(o.services[name]))
	}
	return append(all, w.do(w.planner.Prune()))
}

func TestARestartIsNoChangeAtAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, o := newWorld(t), newObjects()
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			o.step(t, w)
		}
		if w.contested() {
			t.Skip("who is told of first may take over what is another's then")
		}
		again := &world{TB: t, planner: NewPlanner(maps.Clone(w.table)), table: maps.Clone(w.table)}
		for _, c := range o.startOver(again) {
			if !c.Empty() {
				t.Fatalf("%+v of\n%s", c, text(w.table))
			}
		}
	})
}

// Objects change while no process runs: the next one ends where it should, and tells who may have lost access.
func TestChangesThatNobodySawAreMadeGoodAtTheRestart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, o := newWorld(t), newObjects()
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			o.step(t, w)
		}
		held, before := maps.Clone(w.table), o.admitted()
		for range rapid.IntRange(1, 4).Draw(t, "unseen") {
			o.step(t, w)
		}
		again := &world{TB: t, planner: NewPlanner(maps.Clone(held)), table: held}
		var narrowed []nft.Port
		for _, c := range o.startOver(again) {
			narrowed = append(narrowed, c.Narrowed...)
		}
		o.follow(t, again)
		for c, now := range o.admitted() {
			if before[c] && !now && !slices.Contains(narrowed, c.port) {
				t.Fatalf("%v was let in, and is not told of: %v", c, narrowed)
			}
		}
		if diff := cmp.Diff(text(w.table), text(again.table)); diff != "" {
			t.Fatalf("(-seen +unseen)\n%s", diff)
		}
	})
}

// FuzzCompile has a say made of bytes, of ranges within 256 addresses, and asks for each of them.
func FuzzCompile(f *testing.F) {
	f.Add([]byte{0})
	f.Add([]byte{1, 0x20, 24, 0, 0x21, 25, 1, 0x22, 26, 0})
	f.Add([]byte{3, 0x08, 0, 0, 0x19, 32, 7, 0x2a, 31, 6, 0x10, 30, 4, 0x35, 24, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		s := sayOf(b)
		c := compile(s)
		for last := range 256 {
			a := netip.AddrFrom4([4]byte{10, 0, 0, byte(last)})
			if got, want := c.action(a), s.straight(a); got != want {
				t.Fatalf("%s: %s, want %s, of %+v", a, got, want, c.entries)
			}
		}
		for i, e := range c.entries {
			rest := newContent(slices.Delete(slices.Clone(c.entries), i, i+1))
			if rest.within(e.prefix) == e.action {
				t.Fatalf("%s %s says what is said without it: %+v", e.prefix, e.action, c.entries)
			}
		}
	})
}

// sayOf reads who has a say: a byte of whether there is a ceiling and any policy, then for each range its block (a low
// bit begins another, or excepts from the last; the others choose whose it is), length, and last byte.
func sayOf(b []byte) say {
	s := say{}
	head := byte(0)
	if len(b) > 0 {
		head, b = b[0], b[1:]
	}
	s.selected = head&1 != 0
	if head&2 != 0 {
		s.pool = &access.Pool{Capped: true}
	}
	rates := []access.Rate{{}, {PerSecond: 5, Burst: 1}, {PerSecond: 9, Burst: 1}}
	if s.selected {
		for _, r := range rates {
			// A policy without any source lets everybody in: it gets one that nobody asks for.
			nowhere := access.Block{CIDR: netip.MustParsePrefix("192.0.2.0/32")}
			s.policies = append(s.policies, &access.Policy{Rate: r, Sources: []access.Block{nowhere}})
		}
	}
	for ; len(b) >= 3; b = b[3:] {
		var whose *[]access.Block
		switch n := int(b[0] >> 4 % 4); {
		case n == 3 && s.pool != nil:
			whose = &s.pool.Sources
		case n < len(s.policies):
			whose = &s.policies[n].Sources
		default:
			continue
		}
		prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, b[2]}), 20+int(b[1]%13)).Masked()
		if last := len(*whose) - 1; b[0]&1 != 0 && last >= 0 {
			(*whose)[last].Except = append((*whose)[last].Except, prefix)
		} else {
			*whose = append(*whose, access.Block{CIDR: prefix})
		}
	}
	return s
}

// straight is what becomes of a source, asked range by range.
func (s say) straight(a netip.Addr) nft.Action {
	in := func(blocks []access.Block) bool {
		return slices.ContainsFunc(blocks, func(b access.Block) bool { return b.Contains(a) })
	}
	if s.pool != nil && !in(s.pool.Sources) {
		return nft.Deny()
	}
	if !s.selected {
		return nft.Pass()
	}
	for _, i := range []int{0, 2, 1} { // no limit, 9 a second, 5 a second
		if in(s.policies[i].Sources) {
			return actionOf(s.policies[i].Rate)
		}
	}
	return nft.Deny()
}
