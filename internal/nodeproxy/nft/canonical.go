package nft

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// Canonical is a table that does the same, and that is equal for all tables that differ from t in nothing but numbers and
// slots, which depend on what was before: lists are numbered in the order of their frontends, and their endpoints sorted;
// ACLs are numbered in the order of what they guard. Those that nothing leads to come last. It is meant for tables without
// gaps.
func (t Table) Canonical() Table {
	c := canon{Table: t, to: Table{}, numbers: map[listID]List{}, acls: map[ACL]ACL{}}
	for _, k := range slices.SortedFunc(maps.Keys(t), Key.compare) {
		if k.list() == 0 && k.acl() == 0 {
			c.copy(k)
		}
	}
	c.copyGrants()
	for _, l := range c.unused() {
		c.number(l)
	}
	next := List(len(c.lists) + 1) //nolint:gosec // as many as there are in memory
	for i, l := range c.lists {
		next = c.fill(List(i+1), l, next)
	}
	return c.to
}

// canon is a canonical table in the making.
type canon struct {
	Table
	to      Table
	lists   []listID // in the order of their new numbers
	numbers map[listID]List
	acls    map[ACL]ACL // their new numbers
}

// listID is a list of the table that there is.
type listID struct {
	family Family
	list   List
	sticky bool
}

// copy copies an element that is of no list; a word leads to the new number then.
func (c *canon) copy(k Key) {
	v := c.Table[k]
	if a := v.word.Action; a.Endpoints() > 0 {
		v.word.List = c.number(listID{k.set.family, v.word.List, a.kind == stickKind})
	}
	if v.acl != 0 {
		v.acl = c.acl(v.acl)
	}
	c.to[k] = v
}

// acl is the new number of an ACL.
func (c *canon) acl(l ACL) ACL {
	if _, known := c.acls[l]; !known {
		c.acls[l] = ACL(len(c.acls) + 1) //nolint:gosec // as many as there are in memory
	}
	return c.acls[l]
}

// copyGrants copies those of lists that something leads to, and then the others, in the order of what they grant.
func (c *canon) copyGrants() {
	grants := map[ACL][]Key{}
	for k := range c.Table {
		if l := k.acl(); l != 0 {
			grants[l] = append(grants[l], k)
		}
	}
	texts := map[ACL]string{}
	for l, keys := range grants {
		slices.SortFunc(keys, Key.compare)
		for _, k := range keys {
			texts[l] += fmt.Sprintln(k.withACL(1), c.Table[k].word)
		}
	}
	byText := func(a, b ACL) int { return strings.Compare(texts[a], texts[b]) }
	for _, l := range slices.SortedFunc(maps.Keys(grants), byText) {
		c.acl(l)
		for _, k := range grants[l] {
			c.to[k.withACL(c.acls[l])] = c.Table[k]
		}
	}
}

// withACL is the key of the same source in another list.
func (k Key) withACL(l ACL) Key {
	copy(k.bytes[:], number(uint32(l)))
	return k
}

// number is the new number of a list.
func (c *canon) number(l listID) List {
	if _, known := c.numbers[l]; !known {
		c.lists = append(c.lists, l)
		c.numbers[l] = List(len(c.lists)) //nolint:gosec // as many as there are in memory
	}
	return c.numbers[l]
}

// fill gives a list its new number, and the endpoints of one that clients stick to theirs, from next on. It returns the
// next one after those.
func (c *canon) fill(number List, l listID, next List) List {
	for slot, to := range c.endpoints(l) {
		e := Endpoint(number, slot, to)
		if l.sticky {
			s := StickySlot(number, slot, next)
			c.to[s.Key] = s.Value
			e = Endpoint(next, 0, to)
			next++
		}
		c.to[e.Key] = e.Value
	}
	return next
}

// endpoints are those of a list up to its first gap, sorted.
func (c *canon) endpoints(l listID) []netip.AddrPort {
	var all []netip.AddrPort
	for slot := 0; ; slot++ {
		list, at := l.list, slot
		if l.sticky {
			list, _ = c.NumberAt(l.list, slot)
			at = 0
		}
		to, ok := c.EndpointAt(l.family, list, at)
		if !ok {
			slices.SortFunc(all, netip.AddrPort.Compare)
			return all
		}
		all = append(all, to)
	}
}

// unused are the lists that no word leads to, as those of Services that lost all frontends to others.
func (c *canon) unused() []listID {
	behind := map[List]bool{} // a slot
	for _, v := range c.Table {
		behind[v.list] = true
	}
	var all []listID
	for k := range c.Table {
		if k.list() == 0 || k.slot() != 0 || k.set.kind == endpointKind && behind[k.list()] {
			continue
		}
		if l := c.listOf(k); c.numbers[l] == 0 {
			all = append(all, l)
		}
	}
	slices.SortFunc(all, func(a, b listID) int { return strings.Compare(c.text(a), c.text(b)) })
	return all
}

// listOf is the list of a key. That of a slot is of the family of its first endpoint.
func (c *canon) listOf(k Key) listID {
	l := listID{k.set.family, k.list(), k.set.kind == slotKind}
	if l.sticky {
		l.family = IPv6
		number, _ := c.NumberAt(l.list, 0)
		if _, ok := c.EndpointAt(IPv4, number, 0); ok {
			l.family = IPv4
		}
	}
	return l
}

// text is what is in a list.
func (c *canon) text(l listID) string {
	var b strings.Builder
	if l.sticky {
		b.WriteString("sticky")
	}
	for _, to := range c.endpoints(l) {
		b.WriteString(" " + to.String())
	}
	return b.String()
}
