package guard

import (
	"net/netip"
	"slices"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// content is what an acl says of sources: of the entries that contain one the longest counts, and where there is none
// the source is refused. An entry is there only where it says something else than the one around it. It does not change
// once made. A nil content is that of an open port: everybody passes.
type content struct {
	entries []entry // sorted, a range before those in it
	lengths [2][]int
}

type entry struct {
	prefix netip.Prefix
	action nft.Action
}

// everybody are all addresses of each family.
var everybody = []netip.Prefix{
	netip.PrefixFrom(netip.IPv4Unspecified(), 0),
	netip.PrefixFrom(netip.IPv6Unspecified(), 0),
}

// newContent takes entries that are sorted.
func newContent(entries []entry) *content {
	c := &content{entries: entries}
	var used [2][129]bool
	for _, e := range entries {
		used[family(e.prefix.Addr())][e.prefix.Bits()] = true
	}
	for f := range used {
		for bits := len(used[f]) - 1; bits >= 0; bits-- {
			if used[f][bits] {
				c.lengths[f] = append(c.lengths[f], bits)
			}
		}
	}
	return c
}

func family(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}

// action is what becomes of new connections from a source.
func (c *content) action(source netip.Addr) nft.Action {
	source = source.Unmap().WithZone("")
	return c.within(netip.PrefixFrom(source, source.BitLen()))
}

// within is what the longest entry says that contains all of a range.
func (c *content) within(r netip.Prefix) nft.Action {
	if c == nil {
		return nft.Pass()
	}
	for _, bits := range c.lengths[family(r.Addr())] {
		if bits > r.Bits() {
			continue
		}
		at, found := slices.BinarySearchFunc(c.entries, netip.PrefixFrom(r.Addr(), bits).Masked(), compareEntry)
		if found {
			return c.entries[at].action
		}
	}
	return nft.Deny()
}

func compareEntry(e entry, p netip.Prefix) int { return e.prefix.Compare(p) }

// loses says whether there may be a source that is let in by the content, and not by another. It is never wrong when it
// says no.
func (c *content) loses(to *content) bool {
	lost := func(p netip.Prefix) bool {
		return c.within(p) != nft.Deny() && to.within(p) == nft.Deny()
	}
	return slices.ContainsFunc(everybody, lost) || c.some(lost) || to.some(lost)
}

// some says whether what holds for a range holds for any of the entries'.
func (c *content) some(holds func(netip.Prefix) bool) bool {
	return c != nil && slices.ContainsFunc(c.entries, func(e entry) bool { return holds(e.prefix) })
}

func (c *content) equal(o *content) bool { return slices.Equal(c.entries, o.entries) }

// elements are those of the acl that has the content.
func (c *content) elements(id nft.ACL) []nft.Element {
	elements := make([]nft.Element, len(c.entries))
	for i, e := range c.entries {
		elements[i] = nft.Grant(id, e.prefix, e.action)
	}
	return elements
}
