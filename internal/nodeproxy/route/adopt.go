package route

import "net/netip"

// knownLists are the lists that the kernel's words lead a plan's frontends to. A list is known by its frontends and
// not by its content, which may have changed meanwhile; best by a cluster IP, which is the Service's own.
func (p *Planner) knownLists(plan *Plan) map[listKey]uint32 {
	if len(p.found) == 0 {
		return nil
	}
	known := map[listKey]uint32{}
	for i := range plan.Routes {
		r := &plan.Routes[i]
		p.know(known, r, &r.Target, r.key(Services, NodePorts))
		p.know(known, r, r.Inside, r.key(Short, ShortPorts))
	}
	return known
}

// know notes the list that the word at a key has for a target.
func (p *Planner) know(known map[listKey]uint32, r *Route, t *Target, at Key) {
	k, ok := r.listKey(t)
	word := p.found[at].Word
	if ok && word.Action == Balance && (known[k] == 0 || r.Kind == ClusterIP) {
		known[k] = word.List
	}
}

// adopt takes over a list that was found in the kernel, with what is in its slots up to the first that is vacant or
// makes no sense; nil if there is nothing to take over.
func (p *Planner) adopt(k listKey, id uint32) *list {
	if id == 0 || p.adopted[id] {
		return nil
	}
	p.adopted[id] = true
	l := &list{listKey: k, id: id}
	seen := map[netip.AddrPort]bool{}
	for {
		slot := uint32(len(l.slots))
		s, ok := p.foundSeat(l, slot)
		if !ok || seen[s.endpoint] {
			break
		}
		seen[s.endpoint] = true
		for _, e := range l.elementsAt(slot, s) {
			delete(p.found, e.Key)
		}
		p.adopted[s.id] = true
		l.slots = append(l.slots, s)
	}
	if len(l.slots) == 0 {
		return nil
	}
	return l
}

// foundSeat is the content of a slot, if it was found.
func (p *Planner) foundSeat(l *list, slot uint32) (seat, bool) {
	if !l.sticky {
		d, ok := p.found[endpointKey(l.family, l.id, slot)]
		return seat{endpoint: d.Endpoint}, ok
	}
	id := p.found[slotKey(l.id, slot)].ID
	d, ok := p.found[endpointKey(l.family, id, 0)]
	return seat{endpoint: d.Endpoint, id: id}, ok && id != 0 && !p.adopted[id]
}

// Prune gives up what was found at the start and is not accounted for by now, which is to be everything that has
// gone while nobody planned. Flows that went to it are to be looked at.
func (p *Planner) Prune() Change {
	e := &edit{}
	for k, d := range p.found {
		e.delete(k, d)
		if f, ok := k.frontend(); ok && f.Protocol.tracked() {
			e.Flows = append(e.Flows, Flow{Frontend: f})
		}
	}
	p.found, p.adopted = nil, nil
	p.recountIDs()
	return e.Change
}

// recountIDs frees the ids of what was found and given up.
func (p *Planner) recountIDs() {
	clear(p.ids.used)
	for _, s := range p.services {
		for _, l := range s.lists {
			p.ids.keep(l.id)
			for _, s := range l.slots {
				p.ids.keep(s.id)
			}
		}
	}
}
