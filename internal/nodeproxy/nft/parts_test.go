package nft

import (
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// partsService is one of a few Services: what it is called in a table, and what it draws.
type partsService struct {
	draw              *rapid.T
	cluster, external netip.Addr
	nodePort, port    uint16 // port is its endpoints'
	// all, here and first are a list of all endpoints, one of those on this node, and the first of numbers.
	all, here, first List
	elements         []Element
}

func newPartsService(t *rapid.T, i int) *partsService {
	return &partsService{
		draw:    t,
		cluster: nth(netip.MustParseAddr("10.96.0.1"), i), external: nth(netip.MustParseAddr("198.51.100.1"), i),
		nodePort: 30080 + uint16(i), port: 8080 + uint16(i),
		all: List(1 + i), here: List(11 + i), first: List(100 + 10*i),
	}
}

func (s *partsService) is(what string) bool { return rapid.Bool().Draw(s.draw, what) }

func (s *partsService) add(elements ...Element) { s.elements = append(s.elements, elements...) }

// endpoint is one of a few, by a number.
func (s *partsService) endpoint(n int) netip.AddrPort {
	return netip.AddrPortFrom(nth(netip.MustParseAddr("10.244.0.1"), n), s.port)
}

// list adds a list of endpoints, and returns the word that leads there.
func (s *partsService) list(id List, n int, without Action) Word {
	if n == 0 {
		return Word{without, 0}
	}
	first := rapid.IntRange(1, 3).Draw(s.draw, "first")
	for slot := range n {
		s.add(Endpoint(id, slot, s.endpoint(first+slot)))
	}
	return Word{Balance(n), id}
}

// stickyList is list where clients stick.
func (s *partsService) stickyList(id List, n int) Word {
	if n == 0 {
		return Word{Refuse(), 0}
	}
	first := rapid.IntRange(1, 3).Draw(s.draw, "first")
	for slot := range n {
		number := s.first + List(first+slot)
		s.add(StickySlot(id, slot, number), Endpoint(number, 0, s.endpoint(first+slot)))
	}
	return Word{Stick(n, time.Hour), id}
}

// frontends draws what it has.
func (s *partsService) frontends() []Element {
	count := rapid.IntRange(0, 4).Draw(s.draw, "endpoints")
	var all Word
	if s.is("sticky") {
		all = s.stickyList(s.all+20, count)
	} else {
		all = s.list(s.all, count, Refuse())
	}
	s.add(ClusterIP(s.cluster), ServiceFrontend(s.cluster, TCP, 80, all))
	if count > 0 && s.is("Local") {
		here := s.list(s.here, rapid.IntRange(0, count).Draw(s.draw, "here"), Discard())
		s.add(ServiceFrontend(s.external, TCP, 80, here), ShortCut(s.external, TCP, 80, all),
			NodePort(IPv4, TCP, s.nodePort, here), ShortCutNodePort(IPv4, TCP, s.nodePort, all))
	} else {
		s.add(ServiceFrontend(s.external, TCP, 80, all), Masquerade(s.external, TCP, 80),
			NodePort(IPv4, TCP, s.nodePort, all), MasqueradeNodePort(IPv4, TCP, s.nodePort))
	}
	s.sources()
	return s.elements
}

func (s *partsService) sources() {
	if !s.is("restricted") {
		return
	}
	s.add(Restricted(s.external, TCP, 80))
	texts := rapid.SliceOfN(rapid.SampledFrom([]string{"192.0.2.0/24", "192.0.2.2/31", "10.244.0.0/16"}), 0, 2).Draw(s.draw, "sources")
	var ranges []netip.Prefix
	for _, text := range texts {
		ranges = append(ranges, netip.MustParsePrefix(text))
	}
	for _, p := range Outermost(ranges...) {
		s.add(Source(s.external, TCP, 80, p))
	}
}

// partsTable draws a table with two Services, of which each may be there.
func partsTable(t *rapid.T) Table {
	table := NewTable(
		ServiceRange(netip.MustParsePrefix("10.96.0.0/16")), Pods(netip.MustParsePrefix("10.244.0.0/16")),
		NodePortAddress(netip.MustParseAddr("192.0.2.1")),
	)
	for i := range 2 {
		if s := newPartsService(t, i); s.is("there") {
			table.Apply(Change{Add: s.frontends()})
		}
	}
	return table
}

// packets are those from everywhere to what the Service may have.
func (s *partsService) packets() []Packet {
	a := netip.MustParseAddr
	var packets []Packet
	for _, to := range []netip.AddrPort{
		netip.AddrPortFrom(s.cluster, 80), netip.AddrPortFrom(s.external, 80), netip.AddrPortFrom(a("192.0.2.1"), s.nodePort),
	} {
		packets = append(packets,
			Packet{From: a("192.0.2.2"), To: to, Protocol: TCP, Interface: "outside"},
			Packet{From: a("10.244.0.99"), To: to, Protocol: TCP, Interface: "pod99"},
			Packet{From: a("192.0.2.1"), To: to, Protocol: TCP})
	}
	return packets
}

// wrong is what is wrong with what becomes of a packet between parts; empty: nothing.
func (s *partsService) wrong(p Packet, before, between, after Table) string {
	was, is, will := before.Trace(p, Rules{}), between.Trace(p, Rules{}), after.Trace(p, Rules{})
	served := was.Fate == Sent && will.Fate == Sent
	known := slices.Concat(was.To, will.To)
	switch {
	case is.Fate == Sent && (was.Fate == Passed || shut(before, p)) && (will.Fate == Passed || shut(after, p)):
		return "it gets through"
	case is.Fate != Sent && served:
		return "it is lost"
	}
	for _, to := range is.To {
		if to.Endpoint.Port() != s.port {
			return "it goes to another Service"
		}
		if served && !slices.ContainsFunc(known, func(d Destination) bool { return d.Masqueraded == to.Masqueraded }) {
			return "it is masqueraded as it should not be"
		}
	}
	return ""
}

// shut says whether the packet is from where it must not come from.
func shut(t Table, p Packet) bool {
	return t.has(Restricted(p.To.Addr(), p.Protocol, p.To.Port())) && !t.allows(p)
}

func TestThePartsOfAChangeTakeNothingFromAnybodyAndGiveNobodyMore(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		before, after := partsTable(r), partsTable(r)
		between := maps.Clone(before)
		for _, part := range Diff(before, after).parts() {
			between.Apply(part)
			for i := range 2 {
				s := newPartsService(r, i)
				for _, p := range s.packets() {
					if wrong := s.wrong(p, before, between, after); wrong != "" {
						r.Fatalf("%+v: %s\nbefore\n%s\nbetween\n%s\nafter\n%s", p, wrong, before, between, after)
					}
				}
			}
		}
		if c := Diff(between, after); !c.Empty() {
			r.Fatalf("in the end: %v too much, %v too little", c.Delete, c.Add)
		}
	})
}
