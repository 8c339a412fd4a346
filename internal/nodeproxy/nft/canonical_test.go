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

// drawnList is a list of endpoints, by their last bytes, with the ports of the frontends that lead to it.
type drawnList struct {
	family    Family
	sticky    bool
	endpoints []int
	ports     []uint16
}

func anyLists() *rapid.Generator[[]drawnList] {
	return rapid.Custom(func(t *rapid.T) []drawnList {
		lists := make([]drawnList, rapid.IntRange(0, 5).Draw(t, "lists"))
		for i := range lists {
			lists[i] = drawnList{
				family:    rapid.SampledFrom([]Family{IPv4, IPv6}).Draw(t, "family"),
				sticky:    rapid.Bool().Draw(t, "sticky"),
				endpoints: rapid.SliceOfNDistinct(rapid.IntRange(1, 4), 1, 4, rapid.ID).Draw(t, "endpoints"),
			}
			for f := range rapid.IntRange(0, 2).Draw(t, "frontends") {
				lists[i].ports = append(lists[i].ports, uint16(2*i+f))
			}
		}
		return lists
	})
}

// tableOf is a table of lists, whose numbers and slots are drawn.
func tableOf(t *rapid.T, lists []drawnList) Table {
	numbers := rapid.SliceOfNDistinct(anyList(), 30, 30, rapid.ID).Draw(t, "numbers")
	take := func() List {
		defer func() { numbers = numbers[1:] }()
		return numbers[0]
	}
	var elements []Element
	for _, l := range lists {
		word := Word{Balance(len(l.endpoints)), take()}
		if l.sticky {
			word.Action = Stick(len(l.endpoints), time.Hour)
		}
		for _, port := range l.ports {
			elements = append(elements, NodePort(l.family, TCP, port, word))
		}
		for slot, last := range rapid.Permutation(l.endpoints).Draw(t, "slots") {
			to := netip.AddrPortFrom(nth(map[Family]netip.Addr{IPv4: netip.MustParseAddr("10.0.0.0"), IPv6: netip.MustParseAddr("fd00::")}[l.family], last), 80)
			if !l.sticky {
				elements = append(elements, Endpoint(word.List, slot, to))
				continue
			}
			number := take()
			elements = append(elements, StickySlot(word.List, slot, number), Endpoint(number, 0, to))
		}
	}
	return NewTable(elements...)
}

func TestTablesThatDifferInNumbersAndSlotsAreTheSameOnceCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lists := anyLists().Draw(t, "lists")
		a, b := tableOf(t, lists), tableOf(t, lists)
		if diff := cmp.Diff(a.Canonical().String(), b.Canonical().String()); diff != "" {
			t.Fatalf("of\n%s\nand\n%s\n%s", a, b, diff)
		}
		if len(a.Canonical()) != len(a) {
			t.Fatalf("of %d elements %d are left", len(a), len(a.Canonical()))
		}
		if !maps.Equal(a.Canonical(), a.Canonical().Canonical()) {
			t.Fatalf("what is canonical is not left as it is:\n%s", a.Canonical())
		}
	})
}

func TestTablesThatDifferInOneListDifferOnceCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lists := anyLists().Filter(func(l []drawnList) bool { return len(l) > 0 }).Draw(t, "lists")
		before := tableOf(t, lists).Canonical()
		l := &lists[rapid.IntRange(0, len(lists)-1).Draw(t, "changed")]
		l.endpoints = append(slices.Clone(l.endpoints[1:]), 9)
		if after := tableOf(t, lists).Canonical(); maps.Equal(before, after) {
			t.Fatalf("both are\n%s", after)
		}
	})
}

func TestACLsAreNumberedInTheOrderOfWhatTheyGuard(t *testing.T) {
	prefix := netip.MustParsePrefix
	table := NewTable(
		Use(TCP, 1), Guarded(IPv4, TCP, 1, 70), Guarded(IPv4, TCP, 2, 60), Guarded(IPv6, TCP, 2, 60),
		GuardedAt(TCP, 1, "", netip.MustParseAddr("192.0.2.1"), 50),
		Grant(70, prefix("10.0.0.0/8"), Pass()), Grant(60, prefix("10.0.0.0/8"), Deny()), Grant(60, prefix("fd00::/8"), Limit(1, 1)),
		Grant(9, prefix("10.0.0.0/16"), Pass()), Grant(8, prefix("10.1.0.0/16"), Pass()), // which guard nothing
	)
	want := `uses {
	tcp . 1
}
ports4 {
	tcp . 1 : ACL 1
	tcp . 2 : ACL 2
}
ports6 {
	tcp . 2 : ACL 2
}
addressed4 {
	tcp . 1 . 192.0.2.1 : ACL 3
}
acl4-16 {
	4 . 10.0.0.0 : pass
	5 . 10.1.0.0 : pass
}
acl4-8 {
	1 . 10.0.0.0 : pass
	2 . 10.0.0.0 : deny
}
acl6-8 {
	2 . fd00:: : rate-1-1
}
`
	got := table.Canonical()
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !maps.Equal(got, got.Canonical()) {
		t.Error("what is canonical is not left as it is")
	}
}

func TestACanonicalTableReadsInTheOrderOfFrontends(t *testing.T) {
	to := func(last byte) netip.AddrPort {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, last}), 80)
	}
	table := NewTable(
		NodePort(IPv4, TCP, 2, Word{Balance(2), 70}), Endpoint(70, 0, to(2)), Endpoint(70, 1, to(1)),
		NodePort(IPv4, TCP, 1, Word{Stick(2, time.Hour), 80}), NodePort(IPv4, UDP, 1, Word{Refuse(), 0}),
		StickySlot(80, 0, 5), Endpoint(5, 0, to(2)), StickySlot(80, 1, 6), Endpoint(6, 0, to(1)),
		Endpoint(3, 0, to(3)), StickySlot(4, 0, 90), Endpoint(90, 0, to(3)), // to which nothing leads
	)
	want := `nodeport4 {
	tcp . 1 : stick-2-3600 of list 1
	tcp . 2 : pick-2 of list 2
	udp . 1 : refuse
}
endpoints4 {
	2 . 0 : 10.0.0.1 . 80
	2 . 1 : 10.0.0.2 . 80
	3 . 0 : 10.0.0.3 . 80
	5 . 0 : 10.0.0.1 . 80
	6 . 0 : 10.0.0.2 . 80
	7 . 0 : 10.0.0.3 . 80
}
slots {
	1 . 0 : 5
	1 . 1 : 6
	4 . 0 : 7
}
`
	if diff := cmp.Diff(want, table.Canonical().String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
