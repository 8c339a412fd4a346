package guard

import (
	"net/netip"
	"slices"

	"github.com/portolan-dev/portolan/internal/access"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// spot is where connections to a port come in: at an address of the node, by an interface or, where that is "", by any
// that has no spot of its own for the address. The zero spot is everywhere else.
type spot struct {
	iface   string
	address netip.Addr
}

// around is the spot that counts where there is none of its own.
func (s spot) around() spot {
	if s.iface != "" {
		return spot{address: s.address}
	}
	return spot{}
}

// elements lead from the spot to an acl, for a port.
func (s spot) elements(port nft.Port, id nft.ACL) []nft.Element {
	if s == (spot{}) {
		return []nft.Element{
			nft.Guarded(nft.IPv4, port.Protocol, port.Number, id),
			nft.Guarded(nft.IPv6, port.Protocol, port.Number, id),
		}
	}
	return []nft.Element{nft.GuardedAt(port.Protocol, port.Number, s.iface, s.address, id)}
}

// opinion is who has a say at a spot.
type opinion struct {
	spot
	say
}

// opinions are who has a say at a port: everywhere first, and then at each spot where that is somebody else than around
// it, those by any interface before those by one. None: the port is open.
//
// An address that the node has only just got is no spot yet. Who is let in everywhere is let in there.
func opinions(pool *access.Pool, selecting []*access.Policy, node Node) []opinion {
	everywhere := say{pool: pool, selected: len(selecting) > 0}
	if everywhere.unlimited() {
		return nil
	}
	here := slices.Collect(filter(selecting, func(p *access.Policy) bool { return p.GrantsOn(node.Labels) }))
	at := func(s spot) say {
		its := everywhere
		its.policies = slices.Collect(filter(here, func(p *access.Policy) bool {
			return p.Everywhere() || s.address.IsValid() && p.GrantsAt(s.iface, s.address)
		}))
		return its.settled()
	}
	all := []opinion{{say: at(spot{})}}
	if !slices.ContainsFunc(here, func(p *access.Policy) bool { return !p.Everywhere() }) {
		return all
	}
	for _, s := range spots(here, node.Addresses) {
		if its := at(s); its.key() != at(s.around()).key() {
			all = append(all, opinion{s, its})
		}
	}
	return all
}

// spots are all that the policies may tell apart.
func spots(policies []*access.Policy, addresses []netip.Addr) []spot {
	var all []spot
	for _, a := range addresses {
		all = append(all, spot{address: a})
	}
	for _, iface := range interfaces(policies) {
		for _, a := range addresses {
			all = append(all, spot{iface, a})
		}
	}
	return all
}

// interfaces are those that policies name, sorted.
func interfaces(policies []*access.Policy) []string {
	var all []string
	for _, p := range policies {
		all = append(all, p.Interfaces...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
