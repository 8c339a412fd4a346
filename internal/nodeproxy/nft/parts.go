package nft

import (
	"cmp"
	"maps"
	"slices"
)

// A change that is larger than the socket takes is done in parts: a Service with thousands of endpoints would never be
// served otherwise, nor a table mended. In between, whoever is served before and after is served, and nobody gets through
// who must not: what words lead to comes first, then the words, and then what they led to goes.

// parts are changes that do one after another what c does, each as small as it may be.
func (c Change) parts() []Change {
	parts := parted(c, func(e Element) Key { return e.Key.together() })
	var come, gone []Change
	for _, k := range slices.SortedFunc(maps.Keys(parts), compareNeeds) {
		if p := parts[k]; len(p.Add) > 0 {
			come = append(come, p)
		} else {
			gone = append(gone, p)
		}
	}
	slices.Reverse(gone)
	return append(come, gone...)
}

// together is the same for keys that have to change at once: ranges must not overlap, not even for a moment.
func (k Key) together() Key {
	s := sets[k.set]
	if !s.interval {
		return k
	}
	_, length := codeAndLength(s.key)
	last := padded(int(s.key[len(s.key)-1].length))
	clear(k.bytes[max(0, int(length)-last):])
	k.prefix = 0
	return k
}

// compareNeeds puts last what needs what is in other sets.
func compareNeeds(a, b Key) int {
	return cmp.Or(cmp.Compare(a.set.kind.needs(), b.set.kind.needs()), a.compare(b))
}

// needs is the greater the more must be there before: an endpoint before its word, a source before others are shut out,
// at single addresses before at all of them, that before the word lets everybody in, a short cut before what it leads
// around may be discarded.
func (k setKind) needs() int {
	switch k {
	case restrictedKind, scopedKind, addressedKind:
		return 1
	case guardedKind:
		return 2
	case shortCutKind, shortCutPortKind:
		return 3
	case serviceKind, nodePortKind:
		return 4
	}
	return 0
}
