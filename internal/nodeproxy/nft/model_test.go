package nft

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// smallTable draws a table out of few addresses, ports and lists, so that two tables have much in common.
func smallTable() *rapid.Generator[Table] {
	address := rapid.Map(rapid.SampledFrom([]string{"0.0.0.0", "10.0.0.1", "10.0.0.2", "255.255.255.255", "::", "fd00::1", "fd00::2"}), netip.MustParseAddr)
	return rapid.Custom(func(t *rapid.T) Table {
		var elements []Element
		for range rapid.IntRange(0, 12).Draw(t, "count") {
			a := address.Draw(t, "address")
			port := rapid.Uint16Range(1, 3).Draw(t, "port")
			protocol := rapid.SampledFrom([]Protocol{TCP, UDP}).Draw(t, "protocol")
			list := List(rapid.Uint32Range(1, 3).Draw(t, "list"))
			slot := rapid.IntRange(0, 3).Draw(t, "slot")
			acl := ACL(rapid.Uint32Range(1, 3).Draw(t, "ACL"))
			iface := rapid.SampledFrom([]string{"", "eth0"}).Draw(t, "interface")
			bits := rapid.SampledFrom([]int{0, 1, 8, 31, 32, 127, 128}).Draw(t, "bits")
			grant := rapid.SampledFrom([]Action{Pass(), Deny(), Limit(1, 1), Limit(5, 10)}).Draw(t, "grant")
			word := rapid.SampledFrom([]Word{
				{Refuse(), 0}, {Discard(), 0}, {Balance(2), list}, {Balance(70), list}, {Balance(1500), list},
				{Stick(1, time.Second), list}, {Stick(70, time.Hour), list},
			}).Draw(t, "word")
			elements = append(elements, rapid.SampledFrom([]Element{
				ServiceFrontend(a, protocol, port, word), ShortCut(a, protocol, port, word),
				NodePort(familyOf(a), protocol, port, word), ShortCutNodePort(familyOf(a), protocol, port, word),
				NodePortAddress(a), ClusterIP(a), Endpoint(list, slot, netip.AddrPortFrom(a, port)), StickySlot(list, slot, list),
				Masquerade(a, protocol, port), MasqueradeNodePort(familyOf(a), protocol, port),
				Hairpin(protocol, netip.AddrPortFrom(a, port)), Restricted(a, protocol, port),
				Use(protocol, port), Guarded(familyOf(a), protocol, port, acl), GuardedAt(protocol, port, iface, a, acl),
				Grant(acl, netip.PrefixFrom(a, min(bits, a.BitLen())), grant),
			}).Draw(t, "element"))
		}
		for _, p := range someRanges(address, t, "service range") {
			elements = append(elements, ServiceRange(p))
		}
		for _, p := range someRanges(address, t, "pods") {
			elements = append(elements, Pods(p))
		}
		for _, p := range someRanges(address, t, "sources") {
			frontend := netip.MustParseAddr("10.0.0.1")
			if p.Addr().Is6() {
				frontend = netip.MustParseAddr("fd00::1")
			}
			elements = append(elements, Source(frontend, TCP, 80, p))
		}
		for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"eth0", "eth1", "veth*", "cni*"}), rapid.ID).Draw(t, "interfaces") {
			elements = append(elements, PodInterface(name))
		}
		return NewTable(elements...)
	})
}

func someRanges(address *rapid.Generator[netip.Addr], t *rapid.T, label string) []netip.Prefix {
	var prefixes []netip.Prefix
	for range rapid.IntRange(0, 4).Draw(t, label) {
		a := address.Draw(t, "address")
		bits := rapid.SampledFrom([]int{0, 1, 8, 30, 31, 32, 127, 128}).Draw(t, "bits")
		prefixes = append(prefixes, netip.PrefixFrom(a, min(bits, a.BitLen())))
	}
	return Outermost(prefixes...)
}

func TestTheKernelHoldsWhatAnySequenceOfChangesLeavesIt(t *testing.T) {
	ns := testnet.New(t)
	k := openKernel(t, ns)
	mustRead(t, k)
	if err := k.Install(Rules{}); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(r *rapid.T) {
		have := mustRead(t, k)
		for range rapid.IntRange(1, 4).Draw(r, "changes") {
			want := smallTable().Draw(r, "table")
			change := Diff(have, want)
			write := func() error { return k.Apply(change) }
			if rapid.IntRange(0, 9).Draw(r, "restart") == 0 {
				if err := k.Close(); err != nil {
					r.Fatal(err)
				}
				k = openKernel(t, ns)
				mustRead(t, k)
				write = func() error { return k.Install(Rules{}, change) }
			}
			if err := write(); err != nil {
				r.Fatalf("from\n%s\nto\n%s\n%v", have, want, err)
			}
			have = want
			if diff := cmp.Diff(want.String(), mustRead(t, k).String()); diff != "" {
				r.Fatalf("(-want +got):\n%s", diff)
			}
		}
	})
}
