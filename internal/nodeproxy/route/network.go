package route

import (
	"net/netip"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// Network is what the node's place in the network puts into the table, beside Services. Each list may hold both
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

// elements are in no order, each once.
func (n Network) elements() []nft.Element {
	t := nft.Table{}
	put := func(e nft.Element) { t[e.Key] = e.Value }
	for _, ip := range n.NodePortIPs {
		put(nft.NodePortAddress(ip))
	}
	for _, p := range nft.Outermost(n.ServiceCIDRs...) {
		put(nft.ServiceRange(p))
	}
	for _, p := range nft.Outermost(n.Pods...) {
		put(nft.Pods(p))
	}
	for _, name := range n.PodInterfaces {
		put(nft.PodInterface(name))
	}
	return t.Elements()
}
