package route

import (
	"net/netip"

	"k8s.io/apimachinery/pkg/types"
)

// Change is what to do in the kernel. Delete and Add belong into one transaction, Delete first: there a key may
// stand in both, with other data.
type Change struct {
	Delete, Add []Element
	// Flows are those to look at once the elements are in place.
	Flows []Flow
	// Conflicts are those that came up with the change; its elements follow their outcome.
	Conflicts []Conflict
}

// Empty says whether there is nothing to do.
func (c Change) Empty() bool { return len(c.Delete)+len(c.Add)+len(c.Flows) == 0 }

// Flow is a UDP or SCTP frontend whose conntrack entries may be out of date: those to any other place than Serving
// are to be deleted, so that the flow's next packet asks anew. It also covers entries that were never translated,
// from before the frontend was there.
type Flow struct {
	Frontend
	Serving []netip.AddrPort
}

// Conflict is a frontend that two Services claim. The Winner has it: whose cluster IP it is, else the older one.
// The Loser is without until the Winner gives it up.
type Conflict struct {
	Frontend
	Winner, Loser types.NamespacedName
}

// edit is a change in the making.
type edit struct {
	Change
	// found are elements that the kernel had before anything was planned, and that nobody has asked for yet.
	found Table
}

func (e *edit) add(k Key, d Data) {
	if had, ok := e.found[k]; ok {
		delete(e.found, k)
		if had == d {
			return
		}
		e.delete(k, had)
	}
	e.Add = append(e.Add, Element{k, d})
}

func (e *edit) delete(k Key, d Data) { e.Delete = append(e.Delete, Element{k, d}) }

// replace turns elements into others, no key being twice in either.
func (e *edit) replace(before, after []Element) {
	gone := make(map[Element]bool, len(before))
	for _, el := range before {
		gone[el] = true
	}
	var come []Element
	for _, el := range after {
		if !gone[el] {
			come = append(come, el)
		}
		delete(gone, el)
	}
	for _, el := range before {
		if gone[el] {
			e.delete(el.Key, el.Data)
		}
	}
	for _, el := range come {
		e.add(el.Key, el.Data)
	}
}
