package nft

import (
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestATableSaysWhatItsElementsWereMadeOf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		to := netip.AddrPortFrom(anyAddress().Draw(t, "address"), rapid.Uint16().Draw(t, "port"))
		list, number := anyList().Draw(t, "list"), anyList().Draw(t, "number")
		slot := rapid.IntRange(0, MaxEndpoints-1).Draw(t, "slot")
		table := NewTable(Endpoint(list, slot, to), StickySlot(list, slot, number))
		if got, ok := table.EndpointAt(FamilyOf(to.Addr()), list, slot); !ok || got != to {
			t.Errorf("the endpoint is %s, %t; want %s", got, ok, to)
		}
		if got, ok := table.NumberAt(list, slot); !ok || got != number {
			t.Errorf("the number is %d, %t; want %d", got, ok, number)
		}
	})
}

func anyList() *rapid.Generator[List] {
	return rapid.Map(rapid.Uint32Range(1, uint32(MaxList)), func(n uint32) List { return List(n) })
}

func TestAKeySaysItsFrontend(t *testing.T) {
	type frontend struct {
		family   Family
		address  netip.Addr
		protocol Protocol
		port     uint16
	}
	four, six := netip.MustParseAddr("10.96.0.1"), netip.MustParseAddr("fd00:96::1")
	for _, c := range []struct {
		name    string
		element Element
		want    *frontend
	}{
		{"an address", ServiceFrontend(four, UDP, 53, Word{Refuse(), 0}), &frontend{IPv4, four, UDP, 53}},
		{"an address of IPv6", ServiceFrontend(six, SCTP, 2905, Word{Refuse(), 0}), &frontend{IPv6, six, SCTP, 2905}},
		{"a node port", NodePort(IPv6, TCP, 30080, Word{Refuse(), 0}), &frontend{IPv6, netip.Addr{}, TCP, 30080}},
		{"a short cut", ShortCut(four, TCP, 80, Word{Refuse(), 0}), nil},
		{"a source", Source(four, TCP, 80, netip.MustParsePrefix("10.0.0.0/8")), nil},
		{"a list", StickySlot(1, 0, 2), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got frontend
			var ok bool
			got.family, got.address, got.protocol, got.port, ok = c.element.Key.Frontend()
			if ok != (c.want != nil) || ok && got != *c.want {
				t.Errorf("got %v, %t", got, ok)
			}
		})
	}
}

func TestATableKnowsTheNumbersThatStandInIt(t *testing.T) {
	a, to := netip.MustParseAddr("10.96.0.1"), netip.MustParseAddrPort("10.0.0.1:80")
	table := NewTable(
		ServiceFrontend(a, TCP, 80, Word{Balance(1), 7}), Endpoint(8, 0, to), StickySlot(9, 3, 10), NodePort(IPv4, TCP, 30080, Word{Stick(2, time.Hour), 7}),
		ClusterIP(a), NodePort(IPv4, TCP, 30081, Word{Refuse(), 0}),
	)
	got := slices.Compact(slices.Sorted(table.Lists()))
	if diff := cmp.Diff([]List{7, 8, 9, 10}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestWhatMakesNoSenseInATableIsNotThere(t *testing.T) {
	good := NewTable(Endpoint(1, 0, netip.MustParseAddrPort("[fd00::1]:80")), StickySlot(1, 0, 2))
	endpoint := func(t Table, list List, slot int) bool {
		_, ok := t.EndpointAt(IPv6, list, slot)
		return ok
	}
	number := func(t Table, list List, slot int) bool {
		_, ok := t.NumberAt(list, slot)
		return ok
	}
	written := func(v Value) Table {
		t := maps.Clone(good)
		for k := range t {
			t[k] = v
		}
		return t
	}
	for _, c := range []struct {
		name  string
		table Table
		ask   func(Table, List, int) bool
		list  List
		slot  int
		want  bool
	}{
		{"an endpoint", good, endpoint, 1, 0, true},
		{"a number", good, number, 1, 0, true},
		{"another slot", good, endpoint, 1, 1, false},
		{"the number in another slot", good, number, 1, 1, false},
		{"a list that is none", good, endpoint, 0, 0, false},
		{"a list too high", good, number, MaxList + 1, 0, false},
		{"a slot past the last one", good, endpoint, 1, MaxEndpoints, false},
		{"a slot before the first one", good, number, 1, -1, false},
		{"an IPv4 address in IPv6", written(Value{address: netip.MustParseAddr("::ffff:10.0.0.1").As16()}), endpoint, 1, 0, false},
		{"a number that is none", written(Value{}), number, 1, 0, false},
		{"a number too high", written(Value{list: MaxList + 1}), number, 1, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.ask(c.table, c.list, c.slot); got != c.want {
				t.Errorf("it is there: %t", got)
			}
		})
	}
}
