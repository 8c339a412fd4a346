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
	// Addresses are all its own, of all interfaces, in any order.
	Addresses []netip.Addr
}

// Equal says whether two nodes are guarded alike.
func (n Node) Equal(o Node) bool {
	return maps.Equal(n.Labels, o.Labels) && slices.Equal(n.Addresses, o.Addresses)
}

// canonical is the node with its addresses sorted, each once, and without zones.
func (n Node) canonical() Node {
	addresses := make([]netip.Addr, 0, len(n.Addresses))
	for _, a := range n.Addresses {
		addresses = append(addresses, a.Unmap().WithZone(""))
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	return Node{Labels: n.Labels, Addresses: slices.Compact(addresses)}
}
