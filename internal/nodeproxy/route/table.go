package route

import (
	"fmt"
	"iter"
	"maps"
)

// Table is what the maps hold: a desired table, or one read from the kernel.
type Table map[Key]Data

// NewTable is the table of some elements.
func NewTable(elements iter.Seq[Element]) Table {
	t := Table{}
	for e := range elements {
		t[e.Key] = e.Data
	}
	return t
}

// Elements are its elements, in no order.
func (t Table) Elements() iter.Seq[Element] {
	return func(yield func(Element) bool) {
		for k, d := range t {
			if !yield(Element{k, d}) {
				return
			}
		}
	}
}

// Apply changes the table as the kernel would: the error says what it would refuse, an element to delete that is not
// there, or one to add whose key is. The table is then half changed.
func (t Table) Apply(c Change) error {
	for _, e := range c.Delete {
		if had, ok := t[e.Key]; !ok || had != e.Data {
			return fmt.Errorf("delete %v: the table has %v, %t", e, had, ok)
		}
		delete(t, e.Key)
	}
	for _, e := range c.Add {
		if had, ok := t[e.Key]; ok {
			return fmt.Errorf("add %v: the table has %v", e, had)
		}
		t[e.Key] = e.Data
	}
	return nil
}

// difference turns one table into another.
func difference(from, to Table) Change {
	e := edit{}
	missing := maps.Clone(to)
	for k, d := range from {
		if want, ok := to[k]; ok && want == d {
			delete(missing, k)
			continue
		}
		e.delete(k, d)
	}
	for k, d := range missing {
		e.add(k, d)
	}
	return e.Change
}
