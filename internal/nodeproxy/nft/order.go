package nft

import (
	"maps"
	"slices"
)

// A packet is looked up in a list for one length of prefixes after another, the longest first, and a change may come in
// between. Were an exception and the range that it is taken from to come at once, the packet would find no exception
// before and the range after: it would get through though it never may. Were a wider exception to go as a narrower one
// comes, it would find neither. So grants that come to a list are written for one length after another, in the packet's
// order, and what goes after them, and all else, and no packet meets two of these commits (see runInOrder). Then each gets
// what it would have got before a commit or after it.

// inOrder are changes that are to be committed one after another; the changes themselves where that makes no difference.
func inOrder(changes []Change) [][]Change {
	if !severalLengths(changes) {
		return [][]Change{changes}
	}
	all := merge(changes)
	comes := map[Key]bool{}
	for _, e := range all.Add {
		if e.Key.set.kind == grantKind {
			comes[e.Key] = true
		}
	}
	steps := parted(all, func(e Element) setID { // what gets another value does so at once; the zero value comes last
		if comes[e.Key] {
			return e.Key.set
		}
		return setID{}
	})
	rest := steps[setID{}]
	delete(steps, setID{})
	var order [][]Change
	for _, id := range slices.SortedFunc(maps.Keys(steps), setID.compare) {
		order = append(order, []Change{steps[id]})
	}
	return append(order, []Change{rest})
}

// severalLengths says whether a list is given a grant of one length, and is given or loses one of another.
func severalLengths(changes []Change) bool {
	type list struct {
		family Family
		acl    ACL
	}
	lengths, several, come := map[list]uint8{}, map[list]bool{}, map[list]bool{}
	note := func(elements []Element, comes bool) {
		for i := range elements {
			k := &elements[i].Key
			if k.set.kind != grantKind {
				continue
			}
			l := list{k.set.family, k.acl()}
			if bits, known := lengths[l]; known && bits != k.set.bits {
				several[l] = true
			}
			lengths[l] = k.set.bits
			come[l] = come[l] || comes
		}
	}
	for _, c := range changes {
		note(c.Add, true)
		note(c.Delete, false)
	}
	for l := range several {
		if come[l] {
			return true
		}
	}
	return false
}
