package guard

import (
	"net/netip"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// Admits says whether a source is let in to a port at one of the node's addresses by some interface at least: of a flow
// that there is, nobody knows by which it came.
func (p *Planner) Admits(port nft.Port, source, address netip.Addr) bool {
	d := p.doors[port]
	if d == nil || len(d.places) == 0 {
		return true
	}
	address = address.Unmap().WithZone("")
	around := d.places[0].acl // everywhere else
	for _, at := range d.places[1:] {
		switch {
		case at.address != address:
		case at.iface == "":
			around = at.acl
		case at.acl.action(source) != nft.Deny():
			return true
		}
	}
	return around.action(source) != nft.Deny()
}
