package nft

import "slices"

// merge is the one change that does what changes do one after another. A key may be in any number of them: what one
// adds and a later one deletes is in neither list, and what comes to be as it was before is left alone.
func merge(changes []Change) Change {
	if len(changes) == 1 {
		return changes[0]
	}
	if !slices.ContainsFunc(changes, func(c Change) bool { return len(c.Delete) > 0 }) {
		return Change{Add: concat(changes)}
	}
	deleted, added := Table{}, Table{}
	for _, c := range changes {
		for _, e := range c.Delete {
			if _, ours := added[e.Key]; ours {
				delete(added, e.Key)
			} else {
				deleted[e.Key] = e.Value
			}
		}
		for _, e := range c.Add {
			if v, ours := deleted[e.Key]; ours && v == e.Value {
				delete(deleted, e.Key)
			} else {
				added[e.Key] = e.Value
			}
		}
	}
	return Change{Delete: deleted.Elements(), Add: added.Elements()}
}

// parted are the parts of a change by what is the same for elements that stay together.
func parted[K comparable](c Change, by func(Element) K) map[K]Change {
	parts := map[K]Change{}
	for _, e := range c.Delete {
		p := parts[by(e)]
		p.Delete = append(p.Delete, e)
		parts[by(e)] = p
	}
	for _, e := range c.Add {
		p := parts[by(e)]
		p.Add = append(p.Add, e)
		parts[by(e)] = p
	}
	return parts
}

// concat are what changes add that delete nothing: each key once.
func concat(changes []Change) []Element {
	n := 0
	for _, c := range changes {
		n += len(c.Add)
	}
	all := make([]Element, 0, n)
	for _, c := range changes {
		all = append(all, c.Add...)
	}
	return all
}
