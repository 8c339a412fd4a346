package nft

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// anyElement draws an element of any kind.
func anyElement() *rapid.Generator[Element] {
	return rapid.Custom(func(t *rapid.T) Element {
		protocol := rapid.SampledFrom([]Protocol{TCP, UDP, SCTP}).Draw(t, "protocol")
		port := rapid.Uint16().Draw(t, "port")
		slot := rapid.IntRange(0, MaxEndpoints-1).Draw(t, "slot")
		list := List(rapid.Uint32Range(1, uint32(MaxList)).Draw(t, "list"))
		address := anyAddress().Draw(t, "address")
		prefix := anyPrefix(address).Draw(t, "prefix")
		source := anyPrefix(address).Draw(t, "source")
		word := anyWord().Draw(t, "word")
		acl := ACL(rapid.Uint32Range(1, uint32(MaxACL)).Draw(t, "ACL"))
		grant := rapid.SampledFrom([]Action{Pass(), Deny(), Limit(1, MaxRate), Limit(MaxRate, 1)}).Draw(t, "grant")
		iface := rapid.StringMatching(`[a-z]{0,15}`).Draw(t, "name")
		endpoint := netip.AddrPortFrom(address, port)
		family := familyOf(address)
		return rapid.SampledFrom([]Element{
			ServiceFrontend(address, protocol, port, word), ShortCut(address, protocol, port, word),
			NodePort(family, protocol, port, word), ShortCutNodePort(family, protocol, port, word),
			NodePortAddress(address), ClusterIP(address), ServiceRange(prefix), Pods(prefix),
			PodInterface(rapid.StringMatching(`[a-z]{0,14}[a-z*]`).Draw(t, "interface")),
			Endpoint(list, slot, endpoint), StickySlot(list, slot, list),
			Masquerade(address, protocol, port), MasqueradeNodePort(family, protocol, port), Hairpin(protocol, endpoint),
			Restricted(address, protocol, port), Source(address, protocol, port, source),
			Use(protocol, port), Guarded(family, protocol, port, acl), GuardedAt(protocol, port, iface, address, acl),
			Grant(acl, source, grant),
		}).Draw(t, "element")
	})
}

func anyAddress() *rapid.Generator[netip.Addr] {
	return rapid.Custom(func(t *rapid.T) netip.Addr {
		b := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 0x80, 0xfe, 0xff}), 16, 16).Draw(t, "bytes")
		if rapid.Bool().Draw(t, "IPv4") {
			b = b[:4]
		}
		a, _ := netip.AddrFromSlice(b)
		return a.Unmap()
	})
}

func anyPrefix(a netip.Addr) *rapid.Generator[netip.Prefix] {
	return rapid.Map(rapid.IntRange(0, a.BitLen()), func(bits int) netip.Prefix { return netip.PrefixFrom(a, bits) })
}

func anyWord() *rapid.Generator[Word] {
	return rapid.Custom(func(t *rapid.T) Word {
		n := rapid.IntRange(1, MaxEndpoints).Draw(t, "endpoints")
		a := rapid.SampledFrom([]Action{Refuse(), Discard(), Balance(n), Stick(n, time.Duration(n)*time.Second), Pass(), Deny(), Limit(uint32(n), MaxRate)}).Draw(t, "action")
		w := Word{Action: a}
		if a.Endpoints() > 0 {
			w.List = List(rapid.Uint32Range(1, uint32(MaxList)).Draw(t, "list"))
		}
		return w
	})
}

func TestAnElementIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyElement().Draw(t, "element")
		c := newCodes()
		if w, ok := want.Word(); ok {
			c.add(w.Action)
		}
		entries := slices.Collect(entriesOf([]Element{want}, c))
		var got Element
		var err error
		if s := sets[want.Key.set]; s.interval && !s.concatenated() {
			var all []Element
			if all, err = ranges(want.Key.set, entries); len(all) == 1 {
				got = all[0]
			}
		} else {
			got, err = elementOf(want.Key.set, entries[0], c)
		}
		if err != nil || got != want {
			t.Errorf("got %s (%+v), error %v; want %s (%+v)", got, got, err, want, want)
		}
	})
}

func TestSpellingsOfTheSameElementAreTheSame(t *testing.T) {
	parse, prefix := netip.MustParseAddr, netip.MustParsePrefix
	for _, c := range []struct {
		name string
		a, b Element
	}{
		{"an IPv4 address in IPv6", ClusterIP(parse("::ffff:10.96.0.1")), ClusterIP(parse("10.96.0.1"))},
		{"an IPv4 endpoint in IPv6", Endpoint(1, 0, netip.MustParseAddrPort("[::ffff:10.0.0.1]:80")), Endpoint(1, 0, netip.MustParseAddrPort("10.0.0.1:80"))},
		{"an IPv4 range in IPv6", Pods(prefix("::ffff:10.0.0.0/104")), Pods(prefix("10.0.0.0/8"))},
		{"a source with bits that do not count", Grant(1, prefix("10.1.2.3/8"), Pass()), Grant(1, prefix("::ffff:10.0.0.0/104"), Pass())},
		{"a range with bits that do not count", Pods(prefix("10.1.2.3/8")), Pods(prefix("10.0.0.0/8"))},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.a != c.b {
				t.Errorf("%s is not %s", c.a, c.b)
			}
		})
	}
}

func TestConstructorsPanicOnWhatIsNone(t *testing.T) {
	a := netip.MustParseAddr("10.0.0.1")
	for _, c := range []struct {
		name string
		f    func()
	}{
		{"no address", func() { ClusterIP(netip.Addr{}) }},
		{"no family", func() { MasqueradeNodePort(0, TCP, 80) }},
		{"list 0", func() { Endpoint(0, 0, netip.AddrPortFrom(a, 80)) }},
		{"a list too high", func() { StickySlot(1, 0, MaxList+1) }},
		{"a slot too high", func() { Endpoint(1, MaxEndpoints, netip.AddrPortFrom(a, 80)) }},
		{"a negative slot", func() { Endpoint(1, -1, netip.AddrPortFrom(a, 80)) }},
		{"a name too long", func() { PodInterface("sixteen-letters-") }},
		{"a source of another family", func() { Source(a, TCP, 80, netip.MustParsePrefix("::/0")) }},
		{"ACL 0", func() { Guarded(IPv4, TCP, 80, 0) }},
		{"an ACL too high", func() { Grant(MaxACL+1, netip.PrefixFrom(a, 8), Pass()) }},
		{"an interface too long", func() { GuardedAt(TCP, 80, "sixteen-letters-", a, 1) }},
		{"an endpoint to grant", func() { Grant(1, netip.PrefixFrom(a, 8), Balance(1)) }},
		{"a limit of nothing", func() { Limit(0, 1) }},
		{"a limit too high", func() { Limit(1, MaxRate+1) }},
		{"no endpoints", func() { Balance(0) }},
		{"too many endpoints", func() { Stick(MaxEndpoints+1, time.Hour) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it was taken")
				}
			}()
			c.f()
		})
	}
}

func TestATablePrintsSortedAndReadable(t *testing.T) {
	a, prefix := netip.MustParseAddr, netip.MustParsePrefix
	table := NewTable(
		Endpoint(7, 1, netip.MustParseAddrPort("10.0.0.2:8080")),
		Endpoint(7, 0, netip.MustParseAddrPort("10.0.0.10:8080")),
		Endpoint(300, 0, netip.MustParseAddrPort("[fd00::1]:53")),
		StickySlot(8, 0, 300),
		ServiceFrontend(a("10.96.0.10"), UDP, 53, Word{Stick(1, 3*time.Hour), 8}),
		ServiceFrontend(a("10.96.0.9"), TCP, 80, Word{Balance(2), 7}),
		ServiceFrontend(a("fd00:96::9"), SCTP, 80, Word{Refuse(), 0}),
		NodePort(IPv4, TCP, 30080, Word{Discard(), 0}),
		ShortCutNodePort(IPv4, TCP, 30080, Word{Balance(2), 7}),
		ServiceRange(prefix("10.96.0.0/16")),
		Pods(prefix("10.0.0.1/32")),
		PodInterface("veth*"), PodInterface("*"), PodInterface("cni0"),
		Hairpin(TCP, netip.MustParseAddrPort("10.0.0.2:8080")),
		MasqueradeNodePort(IPv6, UDP, 30053),
		Restricted(a("203.0.113.1"), TCP, 443),
		Source(a("203.0.113.1"), TCP, 443, prefix("192.0.2.0/24")),
		Use(TCP, 30080), Use(UDP, 30053),
		Guarded(IPv4, TCP, 30080, 2), GuardedAt(TCP, 30080, "eth0", a("192.0.2.1"), 3), GuardedAt(TCP, 30080, "", a("2001:db8::1"), 3),
		Grant(2, prefix("10.0.0.0/8"), Pass()), Grant(2, prefix("10.1.0.0/16"), Deny()), Grant(3, prefix("::/0"), Limit(5, 10)),
	)
	want := `uses {
	tcp . 30080
	udp . 30053
}
ports4 {
	tcp . 30080 : ACL 2
}
scoped4 {
	tcp . 30080 . eth0 . 192.0.2.1 : ACL 3
}
addressed6 {
	tcp . 30080 . 2001:db8::1 : ACL 3
}
acl4-16 {
	2 . 10.1.0.0 : deny
}
acl4-8 {
	2 . 10.0.0.0 : pass
}
acl6-0 {
	3 . :: : rate-5-10
}
restricted4 {
	203.0.113.1 . tcp . 443
}
sources4 {
	203.0.113.1 . tcp . 443 . 192.0.2.0/24
}
service4 {
	10.96.0.9 . tcp . 80 : pick-2 of list 7
	10.96.0.10 . udp . 53 : stick-1-10800 of list 8
}
service6 {
	fd00:96::9 . sctp . 80 : refuse
}
nodeport4 {
	tcp . 30080 : discard
}
shortport4 {
	tcp . 30080 : pick-2 of list 7
}
service-cidrs4 {
	10.96.0.0/16
}
pods4 {
	10.0.0.1
}
pod-interfaces {
	*
	cni0
	veth*
}
endpoints4 {
	7 . 0 : 10.0.0.10 . 8080
	7 . 1 : 10.0.0.2 . 8080
}
endpoints6 {
	300 . 0 : fd00::1 . 53
}
slots {
	8 . 0 : 300
}
masq-ports6 {
	udp . 30053
}
hairpin4 {
	10.0.0.2 . 10.0.0.2 . tcp . 8080
}
`
	if diff := cmp.Diff(want, table.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheDifferenceMakesOneTableTheOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		have := NewTable(rapid.SliceOfN(anyElement(), 0, 20).Draw(t, "have")...)
		want := NewTable(rapid.SliceOfN(anyElement(), 0, 20).Draw(t, "want")...)
		for k, v := range have { // so that some are the same, and some have another value
			switch rapid.IntRange(0, 2).Draw(t, "fate") {
			case 0:
				want[k] = v
			case 1:
				if v.word.Action != (Action{}) {
					want[k] = Value{word: Word{Refuse(), 0}}
				}
			}
		}
		c := Diff(have, want)
		for _, e := range c.Delete {
			if v, ok := want[e.Key]; ok && v == e.Value {
				t.Errorf("%s is deleted, though it is to stay", e)
			}
		}
		have.Apply(c)
		if diff := cmp.Diff(want.String(), have.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if !Diff(have, want).Empty() {
			t.Error("there is still a difference")
		}
	})
}

func TestOutermostPrefixesCoverTheSameWithoutOverlaps(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var prefixes []netip.Prefix
		for range rapid.IntRange(0, 8).Draw(t, "count") {
			prefixes = append(prefixes, anyPrefix(anyAddress().Draw(t, "address")).Draw(t, "prefix"))
		}
		outermost := Outermost(prefixes...)
		for i, p := range outermost {
			if !slices.ContainsFunc(prefixes, func(q netip.Prefix) bool { return q.Masked() == p }) {
				t.Errorf("%s is made up", p)
			}
			for _, q := range outermost[:i] {
				if p.Overlaps(q) {
					t.Errorf("%s overlaps %s", p, q)
				}
			}
		}
		for _, p := range prefixes {
			if !slices.ContainsFunc(outermost, func(q netip.Prefix) bool { return q.Overlaps(p) && q.Bits() <= p.Bits() }) {
				t.Errorf("%s is not covered by %v", p, outermost)
			}
		}
	})
}
