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
	key string
}

func (s say) at(where spot) opinion { return opinion{where, s, s.key()} }

// hearing is of all who have a say at a port.
type hearing struct {
	everywhere say // without its policies
	here       []*access.Policy
	// Spots are these addresses, and each of them by each of the interfaces. There are none where nobody asks for them.
	addresses  []netip.Addr
	interfaces []string
}

// hear asks those that select a port, on a node.
func hear(pool *access.Pool, selecting []*access.Policy, node Node) hearing {
	h := hearing{everywhere: say{pool: pool, selected: len(selecting) > 0}}
	h.here = slices.Collect(filter(selecting, func(p *access.Policy) bool { return p.GrantsOn(node.Labels) }))
	if slices.ContainsFunc(h.here, func(p *access.Policy) bool { return !p.Everywhere() }) {
		h.addresses, h.interfaces = node.Addresses, interfaces(h.here)
	}
	return h
}

// spots are how many there may be to tell apart.
func (h hearing) spots() int { return len(h.addresses) * (1 + len(h.interfaces)) }

// at is who has a say at a spot.
func (h hearing) at(s spot) opinion {
	its := h.everywhere
	its.policies = slices.Collect(filter(h.here, func(p *access.Policy) bool {
		return p.Everywhere() || s.address.IsValid() && p.GrantsAt(s.iface, s.address)
	}))
	return its.settled().at(s)
}

// opinions are who has a say: everywhere first, and then at each spot where that is somebody else than around it, those by
// any interface before those by one. None: the port is open.
//
// An address that the node has only just got is no spot yet. Who is let in everywhere is let in there.
func (h hearing) opinions() []opinion {
	if h.everywhere.unlimited() {
		return nil
	}
	all := []opinion{h.at(spot{})}
	for _, iface := range slices.Concat([]string{""}, h.interfaces) {
		for _, address := range h.addresses {
			its := h.at(spot{iface, address})
			if its.key != h.at(its.around()).key {
				all = append(all, its)
			}
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
