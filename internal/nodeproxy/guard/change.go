package guard

import (
	"cmp"
	"slices"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// Change is what to do in the kernel.
type Change struct {
	nft.Change
	// Narrowed are the ports, sorted, at which some source that was let in before may not be any more. Its flows go on
	// until somebody ends them: Sight.Admits says of each whether it is still let in.
	Narrowed []nft.Port
}

// edit is a change in the making.
type edit struct {
	Change
	// found are elements that the kernel had before anything was planned, and that nobody has asked for yet.
	found nft.Table
	// before is how the doors were that it is about.
	before map[*door]Sight
	idle   []*acl
	// planned are the doors that it has planned, and taken the room that namespaces have taken more than before.
	planned map[*door]bool
	taken   map[string]int
}

// touch notes a door before it changes.
func (e *edit) touch(d *door) {
	if _, touched := e.before[d]; !touched {
		e.before[d] = d.sight()
	}
}

func (e *edit) add(element nft.Element) { e.Put(e.found, element) }

func (e *edit) delete(element nft.Element) { e.Delete = append(e.Delete, element) }

func (e *edit) replace(before, after []nft.Element) { e.Replace(e.found, before, after) }

// narrow notes the doors that let in less than before.
func (e *edit) narrow() {
	for d, was := range e.before {
		if was.loses(d.sight()) {
			e.Narrowed = append(e.Narrowed, d.Port)
		}
	}
	slices.SortFunc(e.Narrowed, comparePorts)
}

func comparePorts(a, b nft.Port) int {
	return cmp.Or(cmp.Compare(a.Protocol, b.Protocol), cmp.Compare(a.Number, b.Number))
}
