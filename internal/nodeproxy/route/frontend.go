package route

import (
	"cmp"
	"fmt"
	"net/netip"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// tracked says whether the kernel keeps sending a flow where its first packet went without asking again, so that
// a change reaches the flow only once its conntrack entry is gone. A TCP connection ends with its endpoint.
func tracked(p nft.Protocol) bool { return p != nft.TCP }

// Frontend is where connections for a Service arrive.
type Frontend struct {
	Family   nft.Family
	Protocol nft.Protocol
	// Addr is the address; the zero Addr makes it a node port, on every node-port address of the family.
	Addr netip.Addr
	Port uint16
}

// NodePort says whether it is a node port.
func (f Frontend) NodePort() bool { return !f.Addr.IsValid() }

// Compare orders frontends by family, node ports first, address, protocol and port.
func (f Frontend) Compare(g Frontend) int {
	return cmp.Or(
		cmp.Compare(f.Family, g.Family),
		f.Addr.Compare(g.Addr),
		cmp.Compare(f.Protocol, g.Protocol),
		cmp.Compare(f.Port, g.Port),
	)
}

func (f Frontend) String() string {
	if f.NodePort() {
		return fmt.Sprintf("%s node port %d/%s", f.Family, f.Port, f.Protocol)
	}
	return fmt.Sprintf("%s/%s", netip.AddrPortFrom(f.Addr, f.Port), f.Protocol)
}
