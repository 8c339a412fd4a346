package guard

import (
	"net/netip"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// Sight is who reaches a port, as it is planned now.
func (p *Planner) Sight(port nft.Port) Sight {
	if d := p.doors[port]; d != nil {
		return d.sight()
	}
	return nil
}

// Admits says whether a source is let in at one of the node's addresses by some interface at least: of a flow that there
// is, nobody knows by which it came.
func (s Sight) Admits(source, address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	if s.at(spot{address: address}).action(source) != nft.Deny() {
		return true
	}
	for at, content := range s {
		if at.iface != "" && at.address == address && content.action(source) != nft.Deny() {
			return true
		}
	}
	return false
}
