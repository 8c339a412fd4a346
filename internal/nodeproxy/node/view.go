package node

import (
	"net/netip"
	"reflect"
	"slices"

	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
)

// Options are what the flags say of the node. They do not change.
type Options struct {
	// Name is the Node object's.
	Name              string
	NodePortAddresses NodePortAddresses
	DetectLocal       DetectLocal
	// ServiceCIDRs: the cluster's are wanted, as all cluster IPs are served here.
	ServiceCIDRs bool
}

// View is what this node is, as far as it is known. What is in a View is not to be changed.
type View struct {
	Node    route.Node
	Network route.Network
	// Labels are those of the Node object, Addresses all that the host has, of all its interfaces but the one where
	// kube-proxy puts those of Services.
	Labels    map[string]string
	Addresses []netip.Addr
	// PodsKnown are the families in which Network says what comes from pods. In the others nothing may be held to come
	// from outside of the cluster, either.
	PodsKnown Families
	// Everywhere are the families in which node ports are served on all addresses.
	Everywhere Families
	// Known: there is a Node object, or there has been one since Run.
	Known bool
	// Missing is what will be known later, in words. It is worth some waiting before a node's table is first written.
	Missing []string
	// Elsewhere are primary addresses that would have node ports if this host had them.
	Elsewhere []netip.Addr
	// Leaving: the node is about to go, or its Node object has gone.
	Leaving bool
}

// newsAfter says whether whoever knows a View is to be told of this one. Link-local addresses that come or go are none by
// themselves: each pod brings one.
func (v View) newsAfter(before View) bool {
	for _, each := range []*View{&v, &before} {
		each.Addresses = slices.DeleteFunc(slices.Clone(each.Addresses), netip.Addr.IsLinkLocalUnicast)
	}
	return !reflect.DeepEqual(before, v)
}

// Families are some of the IP families.
type Families struct{ IPv4, IPv6 bool }

// Has says whether the family of an address is among them.
func (f Families) Has(ip netip.Addr) bool {
	if ip.Is4() {
		return f.IPv4
	}
	return f.IPv6
}

func familiesOf(ips []netip.Addr) Families {
	return Families{IPv4: slices.ContainsFunc(ips, netip.Addr.Is4), IPv6: slices.ContainsFunc(ips, netip.Addr.Is6)}
}

func baseAddresses(prefixes []netip.Prefix) []netip.Addr {
	ips := make([]netip.Addr, len(prefixes))
	for i, p := range prefixes {
		ips[i] = p.Addr()
	}
	return ips
}

// What may be missing.
const (
	missingNode         = "the Node object"
	missingIPs          = "an InternalIP or ExternalIP in the Node object"
	missingPodCIDRs     = "spec.podCIDRs of the Node object, without which nothing says what comes from pods"
	missingServiceCIDRs = "the ServiceCIDRs"
)

// facts are what a View is made of.
type facts struct {
	object object
	// addresses are those of the host's interfaces.
	addresses []netip.Addr
	// serviceCIDRs are the cluster's, once listed.
	serviceCIDRs []netip.Prefix
	listed       bool
}

// view is what the node is by these facts.
func (o Options) view(f facts) View {
	v := View{
		Node:      route.Node{Name: o.Name, Zone: f.object.zone, IPs: f.object.ips},
		Labels:    f.object.labels,
		Addresses: f.addresses,
		Known:     f.object.seen,
		Leaving:   f.object.leaving,
	}
	if !f.object.seen {
		v.Missing = append(v.Missing, missingNode)
	}
	o.addNodePorts(&v, f)
	o.addPods(&v, f.object)
	if o.ServiceCIDRs {
		v.Network.ServiceCIDRs = f.serviceCIDRs
		if !f.listed {
			v.Missing = append(v.Missing, missingServiceCIDRs)
		}
	}
	return v
}

// addNodePorts says on which addresses node ports are served.
func (o Options) addNodePorts(v *View, f facts) {
	prefixes := o.NodePortAddresses.Prefixes
	if len(prefixes) == 0 {
		if len(f.object.ips) == 0 {
			if f.object.seen {
				v.Missing = append(v.Missing, missingIPs)
			}
			return
		}
		for _, ip := range f.object.ips {
			prefixes = append(prefixes, netip.PrefixFrom(ip, ip.BitLen()))
			if !slices.Contains(f.addresses, ip) {
				v.Elsewhere = append(v.Elsewhere, ip)
			}
		}
	}
	v.Network.NodePortIPs, v.Everywhere = within(f.addresses, prefixes)
}

// within are the addresses within prefixes, and in the families without a prefix all but link-local ones. Families of
// which all are asked for, in either way or by a prefix of length 0, are second. Loopback addresses are never among them.
func within(addresses []netip.Addr, prefixes []netip.Prefix) ([]netip.Addr, Families) {
	named := familiesOf(baseAddresses(prefixes))
	limited := named
	for _, p := range prefixes {
		if p.Bits() == 0 {
			limited.IPv4 = limited.IPv4 && p.Addr().Is6()
			limited.IPv6 = limited.IPv6 && p.Addr().Is4()
		}
	}
	everywhere := Families{IPv4: !limited.IPv4, IPv6: !limited.IPv6}
	var ips []netip.Addr
	for _, ip := range addresses {
		inside := func(p netip.Prefix) bool { return p.Contains(ip) }
		unnamed := !named.Has(ip) && !ip.IsLinkLocalUnicast()
		if !ip.IsLoopback() && (unnamed || slices.ContainsFunc(prefixes, inside)) {
			ips = append(ips, ip)
		}
	}
	return ips, everywhere
}

// addPods says what comes from pods.
func (o Options) addPods(v *View, n object) {
	d := o.DetectLocal
	switch d.Mode {
	case ClusterCIDR:
		v.Network.Pods = d.ClusterCIDRs
	case NodeCIDR:
		v.Network.Pods = n.podCIDRs
		if n.seen && len(n.podCIDRs) == 0 {
			v.Missing = append(v.Missing, missingPodCIDRs)
		}
	case BridgeInterface:
		v.Network.PodInterfaces = []string{d.BridgeInterface}
	case InterfaceNamePrefix:
		v.Network.PodInterfaces = []string{d.InterfaceNamePrefix + "*"}
	}
	v.PodsKnown = familiesOf(baseAddresses(v.Network.Pods))
	if len(v.Network.PodInterfaces) > 0 {
		v.PodsKnown = Families{IPv4: true, IPv6: true}
	}
}

// ListenAddresses are where something that is to be found on the node's addresses listens: those that have node ports,
// and the unspecified address of a family in which all have. Link-local addresses are left out: one listens on them on
// one interface only.
func (v View) ListenAddresses() []netip.Addr {
	var listen []netip.Addr
	for _, ip := range v.Network.NodePortIPs {
		switch {
		case v.Everywhere.Has(ip):
			listen = append(listen, unspecified(ip))
		case ip.Is4() || !ip.IsLinkLocalUnicast():
			listen = append(listen, ip)
		}
	}
	slices.SortFunc(listen, netip.Addr.Compare)
	return slices.Compact(listen)
}

// unspecified is the unspecified address of the family of another.
func unspecified(ip netip.Addr) netip.Addr {
	if ip.Is4() {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}
