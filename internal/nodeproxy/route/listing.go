package route

import "iter"

// Repair says what to do where the maps hold present, and not what is planned: after a Change that failed, or when
// somebody else wrote there.
func (p *Planner) Repair(present iter.Seq[Element]) Change {
	return difference(NewTable(present), p.Table())
}

// Table is what the maps are to hold.
func (p *Planner) Table() Table { return NewTable(p.Elements()) }

// Elements are what the maps are to hold, in no order.
func (p *Planner) Elements() iter.Seq[Element] {
	return func(yield func(Element) bool) {
		for _, part := range []func(func(Element) bool) bool{p.frontElements, p.listElements, p.setElements} {
			if !part(yield) {
				return
			}
		}
	}
}

func (p *Planner) frontElements(yield func(Element) bool) bool {
	for f, holder := range p.claims.holders {
		for _, e := range holder.front(f).elements() {
			if !yield(e) {
				return false
			}
		}
	}
	return true
}

func (p *Planner) listElements(yield func(Element) bool) bool {
	for _, s := range p.services {
		for _, l := range s.lists {
			if !l.elements(yield) {
				return false
			}
		}
	}
	return true
}

func (p *Planner) setElements(yield func(Element) bool) bool {
	for _, e := range p.network {
		if !yield(e) {
			return false
		}
	}
	return p.clusterIPs.elements(yield) && p.hairpins.elements(yield)
}
