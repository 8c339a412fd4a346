package nft

import (
	"maps"
	"slices"
)

// Grants of a family are in a set for each length of prefixes, because an exact look is what the kernel does best: for
// ranges it has trees and arrays, which take a thousand times as long to change. A packet is looked up in all of them,
// the longest prefixes first. So there are only those sets that somebody has needed, and they stay until the next
// Install: a new one costs a walk through all grants of the family.

// lengths are the sets of grants that the table has, and how many there are in each.
type lengths map[setID]int

// lack says whether a set is one of grants that is not there.
func (l lengths) lack(id setID) bool {
	_, there := l[id]
	return id.kind == grantKind && !there
}

// add has a set there that is one of grants.
func (l lengths) add(id setID) {
	if l.lack(id) {
		l[id] = 0
	}
}

// use counts n grants more, where a set is one of grants that is there.
func (l lengths) use(id setID, n int) {
	if id.kind == grantKind && !l.lack(id) {
		l[id] += n
	}
}

// expect has the sets there that elements are going to be in, so that they come at once, and not each with a walk.
func (l lengths) expect(elements []Element) {
	for i := range elements {
		l.add(elements[i].Key.set)
	}
}

// drop gives up sets without grants.
func (l lengths) drop() { maps.DeleteFunc(l, func(_ setID, n int) bool { return n == 0 }) }

// of are the sets of a family, the longest prefixes first.
func (l lengths) of(f Family) []setID {
	var ids []setID
	for id := range l {
		if id.family == f {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, setID.compare)
	return ids
}

// writeLengths makes the sets that elements need, and the rules that look into them.
func writeLengths(b *batch, l lengths, come []Element) {
	grown := map[Family]bool{}
	for i := range come {
		if id := come[i].Key.set; l.lack(id) {
			b.addSet(sets[id], uint32(len(l))+1) //nolint:gosec // as many as there are in memory
			l.add(id)
			grown[id.family] = true
		}
	}
	for _, v := range views {
		if grown[v.family] {
			b.writeRules(chain{name: v.name("check"), rules: v.checkRules(l)})
		}
	}
}
