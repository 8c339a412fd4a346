package nft

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// Table is a set of elements: what is in the kernel, or what should be.
type Table map[Key]Value

// NewTable is a table of the elements; where several have the same key the last one counts.
func NewTable(elements ...Element) Table {
	t := make(Table, len(elements))
	for _, e := range elements {
		t[e.Key] = e.Value
	}
	return t
}

// Elements are those of the table, in no order.
func (t Table) Elements() []Element {
	elements := make([]Element, 0, len(t))
	for k, v := range t {
		elements = append(elements, Element{k, v})
	}
	return elements
}

// Change is what becomes of a table, at once.
type Change struct {
	// Delete are elements that are there; an element that gets another value is in both lists.
	Delete []Element
	// Add are elements whose keys are not there, or in Delete.
	Add []Element
}

// Empty says whether nothing changes.
func (c Change) Empty() bool { return len(c.Delete) == 0 && len(c.Add) == 0 }

// Diff is the change that makes have what want is.
func Diff(have, want Table) Change {
	var c Change
	for k, v := range have {
		if wanted, ok := want[k]; !ok || wanted != v {
			c.Delete = append(c.Delete, Element{k, v})
		}
	}
	for k, v := range want {
		if present, ok := have[k]; !ok || present != v {
			c.Add = append(c.Add, Element{k, v})
		}
	}
	return c
}

// Apply changes the table as Kernel.Apply changes the kernel's.
func (t Table) Apply(c Change) {
	for _, e := range c.Delete {
		delete(t, e.Key)
	}
	for _, e := range c.Add {
		t[e.Key] = e.Value
	}
}

// String is the table as a person would read it: every set that has elements, in the order in which packets meet them,
// with its elements in order.
func (t Table) String() string {
	var b strings.Builder
	in := ""
	for _, k := range slices.SortedFunc(maps.Keys(t), Key.compare) {
		if set := k.Set(); set != in {
			closeSet(&b, in)
			in = set
			fmt.Fprintf(&b, "%s {\n", set)
		}
		fmt.Fprintf(&b, "\t%s\n", Element{k, t[k]})
	}
	closeSet(&b, in)
	return b.String()
}

func closeSet(b *strings.Builder, set string) {
	if set != "" {
		b.WriteString("}\n")
	}
}

// String is the element without the name of its set: "10.96.0.1 . tcp . 80 : pick-2 of list 7".
func (e Element) String() string {
	switch e.Key.set.kind {
	case serviceKind, shortCutKind, nodePortKind, shortCutPortKind, grantKind:
		return fmt.Sprintf("%s : %s", e.Key, e.Value.word)
	case guardedKind, scopedKind, addressedKind:
		return fmt.Sprintf("%s : ACL %d", e.Key, e.Value.acl)
	case endpointKind:
		to := e.to()
		return fmt.Sprintf("%s : %s . %d", e.Key, to.Addr(), to.Port())
	case slotKind:
		return fmt.Sprintf("%s : %d", e.Key, e.Value.list)
	}
	return e.Key.String()
}

// to is where an Endpoint is.
func (e Element) to() netip.AddrPort {
	if e.Key.set.family == IPv4 {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(e.Value.address[:4])), e.Value.port)
	}
	return netip.AddrPortFrom(netip.AddrFrom16(e.Value.address), e.Value.port)
}

// Outermost are the prefixes that no other contains: what they cover together, without overlaps.
func Outermost(prefixes ...netip.Prefix) []netip.Prefix {
	var outermost []netip.Prefix
	sorted := slices.Clone(prefixes)
	for i := range sorted {
		sorted[i] = canonical(sorted[i])
	}
	slices.SortFunc(sorted, netip.Prefix.Compare) // by family, address, and the shorter one first
	for _, p := range sorted {
		if last := len(outermost) - 1; last < 0 || !outermost[last].Overlaps(p) {
			outermost = append(outermost, p)
		}
	}
	return outermost
}
