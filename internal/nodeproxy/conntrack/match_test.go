package conntrack

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// udp is an entry of a client whose packets to one place are sent on to another.
func udp(sentTo, sentOn string) made { return tracked(UDP, sentTo, sentOn) }

func tracked(protocol Protocol, sentTo, sentOn string) made {
	client := at("192.0.2.9:9")
	if to := at(sentTo); to.Addr().Is6() {
		client = at("[2001:db8::9]:9")
	}
	return made{protocol: protocol, client: client, sentTo: at(sentTo), sentOn: at(sentOn)}
}

func inZone(m made) made {
	m.zone = 7
	return m
}

// frontFlow is a frontend over UDP, and what serves it.
func frontFlow(address string, serving ...string) Flow { return frontOver(UDP, address, serving...) }

func frontOver(protocol Protocol, address string, serving ...string) Flow {
	f := Flow{Protocol: protocol, Addresses: []netip.Addr{at(address).Addr()}, Port: at(address).Port()}
	for _, s := range serving {
		f.Serving = append(f.Serving, at(s))
	}
	return f
}

func goneFlow(address string) Flow {
	f := frontFlow(address)
	f.Gone = true
	return f
}

var matchCases = []struct {
	name  string
	entry made
	flow  Flow
	want  bool // to go
}{
	{"another endpoint serves", udp("10.96.0.1:53", "10.0.0.1:53"), frontFlow("10.96.0.1:53", "10.0.0.2:53"), true},
	{"another port of the endpoint serves", udp("10.96.0.1:53", "10.0.0.1:53"), frontFlow("10.96.0.1:53", "10.0.0.1:54"), true},
	{"its endpoint serves", udp("10.96.0.1:53", "10.0.0.1:53"), frontFlow("10.96.0.1:53", "10.0.0.2:53", "10.0.0.1:53"), false},
	{"nobody serves", udp("10.96.0.1:53", "10.0.0.1:53"), frontFlow("10.96.0.1:53"), true},
	{"the frontend has gone", udp("10.96.0.1:53", "10.0.0.1:53"), goneFlow("10.96.0.1:53"), true},
	{"never translated", udp("10.96.0.1:53", "10.96.0.1:53"), frontFlow("10.96.0.1:53", "10.0.0.1:53"), true},
	{"never translated, and nobody serves", udp("10.96.0.1:53", "10.96.0.1:53"), frontFlow("10.96.0.1:53"), true},
	{"never translated, and the frontend has gone", udp("10.96.0.1:53", "10.96.0.1:53"), goneFlow("10.96.0.1:53"), false},
	{"the endpoint is the frontend itself", udp("192.0.2.1:53", "192.0.2.1:53"), frontFlow("192.0.2.1:53", "192.0.2.1:53"), false},
	{"to another address", udp("10.96.0.2:53", "10.0.0.1:53"), frontFlow("10.96.0.1:53"), false},
	{"to another port", udp("10.96.0.1:54", "10.0.0.1:53"), frontFlow("10.96.0.1:53"), false},
	{"to the endpoint itself", udp("10.0.0.1:53", "10.0.0.1:53"), frontFlow("10.96.0.1:53"), false},
	{"from the frontend's address", made{UDP, at("10.96.0.1:53"), at("192.0.2.9:9"), at("192.0.2.9:9"), 0}, frontFlow("10.96.0.1:53"), false},
	{"in a zone", inZone(udp("10.96.0.1:53", "10.0.0.1:53")), frontFlow("10.96.0.1:53"), false},
	{"IPv6, nobody serves", udp("[fd00::1]:53", "[fd00::2]:53"), frontFlow("[fd00::1]:53"), true},
	{"IPv6, its endpoint serves", udp("[fd00::1]:53", "[fd00::2]:53"), frontFlow("[fd00::1]:53", "[fd00::2]:53"), false},
	{"IPv6, to another address", udp("[fd00::3]:53", "[fd00::2]:53"), frontFlow("[fd00::1]:53"), false},
	{"a frontend that is written as IPv6", udp("10.96.0.1:53", "10.0.0.1:53"), frontFlow("[::ffff:10.96.0.1]:53"), true},
	{"an endpoint that is written as IPv6", udp("10.96.0.1:53", "10.0.0.1:53"), frontFlow("10.96.0.1:53", "[::ffff:10.0.0.1]:53"), false},
	{"a frontend with its interface", udp("[fe80::1]:53", "[fd00::2]:53"), frontFlow("[fe80::1%eth0]:53"), true},
	{"SCTP, nobody serves", tracked(SCTP, "10.96.0.1:53", "10.0.0.1:53"), frontOver(SCTP, "10.96.0.1:53"), true},
	{"SCTP, its endpoint serves", tracked(SCTP, "10.96.0.1:53", "10.0.0.1:53"), frontOver(SCTP, "10.96.0.1:53", "10.0.0.1:53"), false},
	{"SCTP to another port", tracked(SCTP, "10.96.0.1:54", "10.0.0.1:53"), frontOver(SCTP, "10.96.0.1:53"), false},
	{"SCTP, where UDP is meant", tracked(SCTP, "10.96.0.1:53", "10.0.0.1:53"), frontFlow("10.96.0.1:53"), false},
	{"UDP, where SCTP is meant", udp("10.96.0.1:53", "10.0.0.1:53"), frontOver(SCTP, "10.96.0.1:53"), false},
	{"TCP", tracked(tcp, "10.96.0.1:53", "10.0.0.1:53"), frontOver(tcp, "10.96.0.1:53"), false},
}

func TestWhatIsDeletedIsDecidedByBothEnds(t *testing.T) {
	for _, c := range matchCases {
		t.Run(c.name, func(t *testing.T) {
			e := entry{protocol: c.entry.protocol, sentTo: c.entry.sentTo, sentOn: c.entry.sentOn, zone: c.entry.zone}
			if got := newMatcher([]Flow{c.flow}).stale(&e); got != c.want {
				t.Errorf("got %t, want %t", got, c.want)
			}
		})
	}
}

func TestOfTwoFlowsForAFrontendTheLaterCounts(t *testing.T) {
	earlier, later := frontFlow("10.96.0.1:53", "10.0.0.1:53"), frontFlow("10.96.0.1:53", "10.0.0.2:53")
	m := newMatcher([]Flow{earlier, later})
	for sentOn, want := range map[string]bool{"10.0.0.1:53": true, "10.0.0.2:53": false} {
		if got := m.stale(&entry{protocol: UDP, sentTo: at("10.96.0.1:53"), sentOn: at(sentOn)}); got != want {
			t.Errorf("%s: got %t, want %t", sentOn, got, want)
		}
	}
}

func TestANodePortIsOnEachOfItsAddresses(t *testing.T) {
	m := newMatcher([]Flow{{Protocol: UDP, Addresses: []netip.Addr{at("192.0.2.1:0").Addr(), at("[2001:db8::1]:0").Addr()}, Port: 30053}})
	for sentTo, want := range map[string]bool{"192.0.2.1:30053": true, "[2001:db8::1]:30053": true, "192.0.2.2:30053": false} {
		if got := m.stale(&entry{protocol: UDP, sentTo: at(sentTo), sentOn: at("10.0.0.1:53")}); got != want {
			t.Errorf("%s: got %t, want %t", sentTo, got, want)
		}
	}
}

// The matcher finds a frontend at once; here each flow is asked, the later ones first.
func TestWhatIsStaleIsWhatOneFindsFlowByFlow(t *testing.T) {
	address := rapid.SampledFrom([]string{"10.96.0.1", "10.0.0.1", "10.0.0.2", "2001:db8::1"})
	place := rapid.Custom(func(t *rapid.T) netip.AddrPort {
		return netip.AddrPortFrom(netip.MustParseAddr(address.Draw(t, "address")), rapid.SampledFrom([]uint16{53, 54}).Draw(t, "port"))
	})
	protocol := rapid.SampledFrom([]Protocol{UDP, UDP, SCTP, 6})
	wrapped := rapid.Custom(func(t *rapid.T) netip.AddrPort { // as endpoints may come: IPv4 in IPv6
		p := place.Draw(t, "place")
		if rapid.Bool().Draw(t, "wrapped") {
			return netip.AddrPortFrom(netip.AddrFrom16(p.Addr().As16()), p.Port())
		}
		return p
	})
	found := map[bool]int{}
	rapid.Check(t, func(t *rapid.T) {
		flows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Flow {
			return Flow{
				Protocol: protocol.Draw(t, "protocol"), Port: rapid.SampledFrom([]uint16{53, 54}).Draw(t, "port"),
				Addresses: []netip.Addr{wrapped.Draw(t, "at").Addr(), wrapped.Draw(t, "and at").Addr()},
				Serving:   rapid.SliceOfN(wrapped, 0, 3).Draw(t, "serving"), Gone: rapid.Bool().Draw(t, "gone"),
			}
		}), 0, 5).Draw(t, "flows")
		m := newMatcher(flows)
		for range 10 {
			e := entry{protocol: protocol.Draw(t, "protocol"), sentTo: place.Draw(t, "sent to"), sentOn: place.Draw(t, "sent on")}
			if rapid.IntRange(0, 9).Draw(t, "in a zone") == 0 {
				e.zone = 7
			}
			want := staleOf(flows, e)
			found[want]++
			if got := m.stale(&e); got != want {
				t.Fatalf("%+v of %+v is stale: %t, want %t", e, flows, got, want)
			}
		}
	})
	if found[true] < 50 || found[false] < 50 {
		t.Errorf("only %d were stale, and %d not", found[true], found[false])
	}
}

func staleOf(flows []Flow, e entry) bool {
	same := func(a netip.Addr, port uint16, p netip.AddrPort) bool {
		return a.Unmap() == p.Addr() && port == p.Port()
	}
	for _, f := range slices.Backward(flows) {
		if f.Protocol != e.protocol || !slices.ContainsFunc(f.Addresses, func(a netip.Addr) bool { return same(a, f.Port, e.sentTo) }) {
			continue
		}
		switch {
		case e.zone != 0, e.protocol == 6:
			return false
		case slices.ContainsFunc(f.Serving, func(s netip.AddrPort) bool { return same(s.Addr(), s.Port(), e.sentOn) }):
			return false
		}
		return e.sentTo != e.sentOn || !f.Gone
	}
	return false
}
