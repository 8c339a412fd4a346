package guard

import (
	"slices"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// find takes what is the guard's out of what the kernel held at the start.
func (p *Planner) find(present nft.Table) {
	p.found, p.granted, p.adopted = nft.Table{}, map[nft.ACL]int{}, map[nft.ACL]bool{}
	for k, v := range present {
		if !k.OfGuard() {
			continue
		}
		p.found[k] = v
		delete(present, k)
		if id, ok := k.Granted(); ok {
			p.granted[id]++
			p.ids.Keep(id)
		}
		if id, ok := v.ACL(); ok {
			p.ids.Keep(id)
		}
	}
}

// adopt takes over the acl that a port's spot led to at the start, if it holds just the content that it is to hold. One
// that has changed meanwhile may have been that of others too, and what they have become is not known yet.
func (p *Planner) adopt(port nft.Port, at spot, c *content) (nft.ACL, bool) {
	if len(p.found) == 0 {
		return 0, false
	}
	id, ok := p.found[at.elements(port, nobody)[0].Key].ACL()
	if !ok || id == nobody || p.adopted[id] || p.granted[id] != len(c.entries) {
		return 0, false
	}
	for _, e := range c.elements(id) {
		if had, there := p.found[e.Key]; !there || had != e.Value {
			return 0, false
		}
	}
	p.adopted[id] = true
	return id, true
}

// KeepHostPorts has the numbers that were used at the start, and that no Service has, count as hostPorts until SetHostPorts
// says which there are. It comes after the Services, and before Prune.
func (p *Planner) KeepHostPorts() Change { return p.SetHostPorts(slices.Collect(p.found.InUse())) }

// Prune gives up what was found at the start and is not accounted for by now, which is to be everything that has gone
// while nobody planned. All ports that are not open are narrowed by it: it is not known since when, and a process that ended
// between a change and the look at flows that follows leaves that to the next one.
func (p *Planner) Prune() Change {
	e := p.edit()
	for k, v := range p.found {
		e.delete(nft.Element{Key: k, Value: v})
	}
	for _, d := range p.doorsWhere((*door).guarded) {
		e.Narrowed = append(e.Narrowed, d.Port)
	}
	p.found, p.granted, p.adopted = nil, nil, nil
	p.recountIDs()
	return e.Change
}

// recountIDs frees the ids of what was found and given up.
func (p *Planner) recountIDs() {
	p.ids.GiveBackAll()
	for _, a := range p.acls {
		p.ids.Keep(a.id)
	}
}
