package route

import (
	"net/netip"
)

// Network is what the node's place in the network puts into the maps, beside Services. Each list may hold both
// families, in any order, and what is there twice counts once.
type Network struct {
	// NodePortIPs are the node's addresses that node ports are served on.
	NodePortIPs []netip.Addr
	// ServiceCIDRs are those of the cluster: connections to their unallocated IPs are discarded. None where another
	// proxy serves Services too, for its are not known here.
	ServiceCIDRs []netip.Prefix
	// Pods are where the pods have their addresses that count as inside.
	Pods []netip.Prefix
	// PodInterfaces are the interfaces that such pods come in by, where their addresses do not tell; "veth*" is all
	// whose names begin so.
	PodInterfaces []string
}

func (n Network) elements() []Element {
	t := Table{}
	for _, ip := range n.NodePortIPs {
		t[addrKey(NodePortIPs, ip)] = Data{}
	}
	for _, p := range outermost(n.ServiceCIDRs) {
		t[prefixKey(ServiceCIDRs, p)] = Data{}
	}
	for _, p := range outermost(n.Pods) {
		t[prefixKey(Pods, p)] = Data{}
	}
	for _, name := range n.PodInterfaces {
		t[interfaceKey(name)] = Data{}
	}
	elements := make([]Element, 0, len(t))
	for e := range t.Elements() {
		elements = append(elements, e)
	}
	return elements
}
