package conntrack

import "net/netip"

// matcher tells entries that are to go from others, in constant time however many frontends there are.
type matcher map[frontend]expectation

type frontend struct {
	protocol Protocol
	at       netip.AddrPort
}

type expectation struct {
	serving map[netip.AddrPort]bool
	gone    bool
}

func newMatcher(flows []Flow) matcher {
	m := make(matcher, len(flows))
	for i := range flows {
		f := &flows[i]
		expected := expectation{serving: make(map[netip.AddrPort]bool, len(f.Serving)), gone: f.Gone}
		for _, s := range f.Serving {
			expected.serving[canonical(s.Addr(), s.Port())] = true
		}
		for _, a := range f.Addresses {
			m[frontend{f.Protocol, canonical(a, f.Port)}] = expected
		}
	}
	return m
}

// canonical is an address as entries have it: IPv4 is not wrapped in IPv6, and no interface is named.
func canonical(a netip.Addr, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(a.Unmap().WithZone(""), port)
}

// stale says whether an entry leads where nothing serves its frontend.
func (m matcher) stale(e *entry) bool {
	if e.protocol != UDP && e.protocol != SCTP || e.zone != 0 {
		return false
	}
	expected, ours := m[frontend{e.protocol, e.sentTo}]
	// The first, as an endpoint may have its frontend's own address: a pod with the host's network, say.
	if !ours || expected.serving[e.sentOn] {
		return false
	}
	return e.sentOn != e.sentTo || !expected.gone
}
