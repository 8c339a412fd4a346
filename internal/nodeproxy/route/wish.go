package route

import (
	"net/netip"
	"slices"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// wish is a list that a plan needs. Endpoints beyond what a list can have, in the order of addresses, get no connections
// from this node.
type wish struct {
	listKey
	endpoints []netip.AddrPort
}

// lists are the lists that a plan needs, sorted, each once.
func (p *Plan) lists() []wish {
	var all []wish
	for i := range p.Routes {
		r := &p.Routes[i]
		for _, t := range []*Target{&r.Target, r.Inside} {
			if k, ok := r.listKey(t); ok {
				all = append(all, wish{k, t.Endpoints[:min(len(t.Endpoints), nft.MaxEndpoints)]})
			}
		}
	}
	slices.SortFunc(all, func(a, b wish) int { return a.compare(b.listKey) })
	return slices.CompactFunc(all, func(a, b wish) bool { return a.listKey == b.listKey })
}

// listKey is the key of the list that a target of the route leads to; false if it leads to none.
func (r *Route) listKey(t *Target) (listKey, bool) {
	if t == nil || t.Action != Balance {
		return listKey{}, false
	}
	return listKey{port: r.PortName, protocol: r.Protocol, family: r.Family, policy: t.Policy, sticky: r.Affinity > 0}, true
}
