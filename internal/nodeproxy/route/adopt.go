package route

import (
	"net/netip"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// knownLists are the lists that the kernel's words lead a plan's frontends to. A list is known by its frontends and
// not by its content, which may have changed meanwhile; best by a cluster IP, which is the Service's own.
func (p *Planner) knownLists(plan *Plan) map[listKey]nft.List {
	if len(p.found) == 0 {
		return nil
	}
	known := map[listKey]nft.List{}
	for i := range plan.Routes {
		r := &plan.Routes[i]
		p.know(known, r, &r.Target, r.element(nft.Word{}))
		p.know(known, r, r.Inside, r.shortCut(nft.Word{}))
	}
	return known
}

// know notes the list that the word in an element's place has for a target.
func (p *Planner) know(known map[listKey]nft.List, r *Route, t *Target, at nft.Element) {
	k, ok := r.listKey(t)
	word, _ := p.found[at.Key].Word()
	if ok && word.Action.Endpoints() > 0 && (known[k] == 0 || r.Kind == ClusterIP) {
		known[k] = word.List
	}
}

// adopt takes over a list that was found in the kernel, with what is in its slots up to the first that is vacant or
// makes no sense; nil if there is nothing to take over.
func (p *Planner) adopt(k listKey, id nft.List) *list {
	if id == 0 || p.adopted[id] {
		return nil
	}
	p.adopted[id] = true
	l := &list{listKey: k, id: id}
	seen := map[netip.AddrPort]bool{}
	for {
		slot := len(l.slots)
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
func (p *Planner) foundSeat(l *list, slot int) (seat, bool) {
	if !l.sticky {
		endpoint, ok := p.found.EndpointAt(l.family, l.id, slot)
		return seat{endpoint: endpoint}, ok
	}
	id, ok := p.found.NumberAt(l.id, slot)
	endpoint, there := p.found.EndpointAt(l.family, id, 0)
	return seat{endpoint: endpoint, id: id}, ok && there && !p.adopted[id]
}

// Prune gives up what was found at the start and is not accounted for by now, which is to be everything that has
// gone while nobody planned. Flows that went to it are to be looked at.
func (p *Planner) Prune() Change {
	e := &edit{}
	for k, v := range p.found {
		e.delete(nft.Element{Key: k, Value: v})
		if f, ok := frontendAt(k); ok && tracked(f.Protocol) {
			e.Flows = append(e.Flows, Flow{Frontend: f, Gone: true})
		}
	}
	p.found, p.adopted = nil, nil
	p.recountIDs()
	return e.Change
}

// recountIDs frees the ids of what was found and given up.
func (p *Planner) recountIDs() {
	p.ids.GiveBackAll()
	for _, s := range p.services {
		for _, l := range s.lists {
			p.ids.Keep(l.id)
			for _, s := range l.slots {
				p.ids.Keep(s.id)
			}
		}
	}
}
