package guard

import (
	"maps"
	"net/netip"
	"slices"
)

// Node is what the guard knows of its node.
type Node struct {
	// Labels are those of its Node object.
	Labels map[string]string
	// Addresses are all its own that others reach, of all interfaces, in any order. Loopback and link-local ones are left
	// out: each interface of each pod may have one of the latter, and what comes there is let in by what is about every
	// place alone.
	Addresses []netip.Addr
}

// Equal says whether two nodes are guarded alike.
func (n Node) Equal(o Node) bool {
	return maps.Equal(n.Labels, o.Labels) && slices.Equal(n.Addresses, o.Addresses)
}

// canonical is the node with the addresses that count sorted, each once.
func (n Node) canonical() Node {
	addresses := make([]netip.Addr, 0, len(n.Addresses))
	for _, a := range n.Addresses {
		if a = a.Unmap(); !a.IsLoopback() && !a.IsLinkLocalUnicast() {
			addresses = append(addresses, a)
		}
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	return Node{Labels: n.Labels, Addresses: slices.Compact(addresses)}
}
