package guard

import (
	"net/netip"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// Decide is what becomes of a new connection from a source that comes in to a port by an interface at one of the node's
// addresses: nft.Pass, nft.Deny or an nft.Limit. A port that no Service has is none of the guard's, and passes.
func (p *Planner) Decide(port nft.Port, source netip.Addr, iface string, address netip.Addr) nft.Action {
	return p.Sight(port).at(spot{iface, address.Unmap().WithZone("")}).action(source)
}

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
	for _, p := range s {
		if p.iface != "" && p.address == address && p.content.action(source) != nft.Deny() {
			return true
		}
	}
	return false
}
