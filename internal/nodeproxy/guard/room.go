package guard

import (
	"slices"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// mostElements is how much room the NodePortAccess objects of one namespace have in the table of a node: about 30 MiB of
// the kernel's memory. Ports that different objects are about have lists of their own, and where objects name interfaces
// or addresses, each port has a place for each. So without a limit whoever may edit one namespace could fill the memory of
// all nodes.
//
// A port that there is no room for is closed, as is one where nobody has a say. It is planned again once there is more.
const mostElements = 1 << 18

// Crowded are the ports, sorted, that are closed since their namespace has no room left.
func (p *Planner) Crowded() []nft.Port {
	all := make([]nft.Port, 0, len(p.crowded))
	for d := range p.crowded {
		all = append(all, d.Port)
	}
	slices.SortFunc(all, comparePorts)
	return all
}

// fits says whether there is room for what a door is to have, of which nothing is there.
func (p *Planner) fits(namespace string, spots int, opinions []opinion) bool {
	need, lists, counted := spots, 0, map[string]bool{}
	for _, o := range opinions {
		a := p.acls[o.key]
		if counted[o.key] || a != nil && a.places > 0 {
			continue
		}
		counted[o.key] = true
		need += o.ranges()
		if a == nil && !o.closed() {
			lists++
		}
	}
	return p.taken[namespace]+need <= p.most && p.ids.Free() >= lists
}

// charge has a namespace take room, or give it back.
func (p *Planner) charge(namespace string, n int, e *edit) {
	p.taken[namespace] += n
	e.taken[namespace] += n
	if p.taken[namespace] == 0 {
		delete(p.taken, namespace)
	}
}

// relieved are the doors, sorted, that there was no room for, and that may have some by an edit.
func (p *Planner) relieved(e *edit) []*door {
	var all []*door
	for d := range p.crowded {
		if !e.planned[d] && e.taken[d.namespace] < 0 {
			all = append(all, d)
		}
	}
	sortDoors(all)
	return all
}

// namespace is whose room a list takes: that of those who let in. A pool's own is the operator's, and free.
func (s say) namespace() string {
	if len(s.policies) == 0 {
		return ""
	}
	return s.policies[0].Name.Namespace
}

// ranges are how many elements a list has at most.
func (s say) ranges() int {
	if len(s.policies) == 0 {
		return 0
	}
	n := len(everybody)
	for _, p := range s.policies {
		for _, b := range p.Sources {
			n += 1 + len(b.Except)
		}
	}
	if s.pool != nil {
		for _, b := range s.pool.Sources {
			n += 1 + len(b.Except)
		}
	}
	return n
}
