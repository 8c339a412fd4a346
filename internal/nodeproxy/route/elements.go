package route

import (
	"net/netip"
	"slices"
	"time"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// element has connections to the frontend do what the word says.
func (f Frontend) element(word nft.Word) nft.Element {
	if f.NodePort() {
		return nft.NodePort(f.Family, f.Protocol, f.Port, word)
	}
	return nft.ServiceFrontend(f.Addr, f.Protocol, f.Port, word)
}

// shortCut has connections from inside do what the word says.
func (f Frontend) shortCut(word nft.Word) nft.Element {
	if f.NodePort() {
		return nft.ShortCutNodePort(f.Family, f.Protocol, f.Port, word)
	}
	return nft.ShortCut(f.Addr, f.Protocol, f.Port, word)
}

// masquerade has connections to the frontend masqueraded.
func (f Frontend) masquerade() nft.Element {
	if f.NodePort() {
		return nft.MasqueradeNodePort(f.Family, f.Protocol, f.Port)
	}
	return nft.Masquerade(f.Addr, f.Protocol, f.Port)
}

// frontendAt is the frontend that has its word at a key; false for other keys.
func frontendAt(k nft.Key) (Frontend, bool) {
	family, addr, protocol, port, ok := k.Frontend()
	return Frontend{Family: family, Protocol: protocol, Addr: addr, Port: port}, ok
}

// restrict admits the sources to the frontend, which is an address, and nobody else.
func (f Frontend) restrict(sources []netip.Prefix) []nft.Element {
	if len(sources) == 0 {
		return nil
	}
	elements := []nft.Element{nft.Restricted(f.Addr, f.Protocol, f.Port)}
	for _, source := range sources {
		elements = append(elements, nft.Source(f.Addr, f.Protocol, f.Port, source))
	}
	return elements
}

// elements are what a frontend has in the table, by the present state of its lists.
func (f *front) elements() []nft.Element {
	elements := append(make([]nft.Element, 0, 2), f.element(f.word(f.target)))
	if f.shortcut {
		elements = append(elements, f.shortCut(f.word(f.inside)))
	}
	if f.masquerade {
		elements = append(elements, f.Frontend.masquerade())
	}
	return append(elements, f.restrict(f.sources)...)
}

// word is what the table says of a goal.
func (f *front) word(g goal) nft.Word {
	switch {
	case g.action == Refuse:
		return nft.Word{Action: nft.Refuse()}
	case g.action == Discard:
		return nft.Word{Action: nft.Discard()}
	case f.timeout > 0:
		return nft.Word{Action: nft.Stick(len(g.list.slots), time.Duration(f.timeout)*time.Second), List: g.list.id}
	}
	return nft.Word{Action: nft.Balance(len(g.list.slots)), List: g.list.id}
}

// Table is what the kernel's table is to hold.
func (p *Planner) Table() nft.Table {
	t := nft.NewTable(p.network...)
	put := func(elements ...nft.Element) {
		for _, e := range elements {
			t[e.Key] = e.Value
		}
	}
	for f, holder := range p.claims.holders {
		put(holder.front(f).elements()...)
	}
	for _, s := range p.services {
		for _, l := range s.lists {
			for slot, seat := range l.slots {
				put(l.elementsAt(slot, seat)...)
			}
		}
	}
	put(slices.Collect(p.clusterIPs.Elements())...)
	put(slices.Collect(p.hairpins.Elements())...)
	return t
}
