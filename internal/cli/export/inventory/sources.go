package inventory

import (
	"net/netip"

	"go4.org/netipx"

	"github.com/portolan-dev/portolan/internal/access"
)

// sources are the ranges of a family, all of which is every, from which a port may be reached: what any of the policies
// grants, or all where none selects the port, as far as it is under the ceiling. They share no address.
func sources(granting []*access.Policy, selected bool, ceiling *access.Pool, every netip.Prefix) []netip.Prefix {
	var all netipx.IPSetBuilder
	if !selected {
		all.AddPrefix(every)
	}
	for _, p := range granting {
		if len(p.Sources) == 0 {
			all.AddPrefix(every)
		}
		all.AddSet(set(p.Sources))
	}
	if ceiling != nil {
		all.Intersect(set(ceiling.Sources))
	}
	return prefixes(&all, every)
}

// set is what blocks cover: an exception is one from its own block only.
func set(blocks []access.Block) *netipx.IPSet {
	var all netipx.IPSetBuilder
	for _, b := range blocks {
		var own netipx.IPSetBuilder
		own.AddPrefix(b.CIDR)
		for _, e := range b.Except {
			own.RemovePrefix(e)
		}
		all.AddSet(finished(&own))
	}
	return finished(&all)
}

// prefixes are the ranges of one family that a set consists of, ascending.
func prefixes(b *netipx.IPSetBuilder, every netip.Prefix) []netip.Prefix {
	var family netipx.IPSetBuilder
	family.AddPrefix(every)
	b.Intersect(finished(&family))
	return finished(b).Prefixes()
}

// finished is the set. What could fail is a prefix that is none, and package access reads no such.
func finished(b *netipx.IPSetBuilder) *netipx.IPSet {
	s, err := b.IPSet()
	if err != nil {
		return &netipx.IPSet{}
	}
	return s
}
