package conntrack

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

const (
	manyEntries   = 100000
	manyFrontends = 1000
	toOneFrontend = 1000 // entries; half of them lead to an endpoint that has gone
)

var (
	oneFrontend  = at("10.96.0.1:53")
	serves, gone = at("10.244.0.1:8080"), at("10.244.0.2:8080")
)

// ipv4 is an address of 10.0.0.0/8.
func ipv4(n int) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, 10<<24|uint32(n))))
}

// frontendOf is the n-th of manyFrontends.
func frontendOf(n int) netip.AddrPort {
	return netip.AddrPortFrom(ipv4(96<<16|1<<12|n), uint16(1000+n))
}

// busy is what a busy node has: some entries to oneFrontend, one to each of manyFrontends, that lead to where nothing
// serves any more, and lots that are none of ours.
func busy() []made {
	var entries []made
	for n := range manyEntries {
		e := made{protocol: UDP, client: netip.AddrPortFrom(ipv4(1<<17|n), 12345), sentTo: at("203.0.113.1:443"), sentOn: at("203.0.113.1:443")}
		switch {
		case n < toOneFrontend:
			e.sentTo = oneFrontend
			e.sentOn = []netip.AddrPort{serves, gone}[n%2]
		case n < toOneFrontend+manyFrontends:
			e.sentTo, e.sentOn = frontendOf(n-toOneFrontend), gone
		case n%4 == 0:
			e.protocol = tcp
		}
		entries = append(entries, e)
	}
	return entries
}

func flowOf(frontend netip.AddrPort, serving ...netip.AddrPort) Flow {
	return Flow{Protocol: UDP, Addresses: []netip.Addr{frontend.Addr()}, Port: frontend.Port(), Serving: serving}
}

func flowsOfMany(serving ...netip.AddrPort) []Flow {
	var flows []Flow
	for n := range manyFrontends {
		flows = append(flows, flowOf(frontendOf(n), serving...))
	}
	return flows
}

func TestAmongManyEntriesJustTheRightOnesGo(t *testing.T) {
	table := openTable(t, testnet.New(t))
	fill(t, table, busy()...)
	left := manyEntries
	for _, c := range []struct {
		name  string
		flows []Flow
		want  int
	}{
		{"of a few frontends", []Flow{flowOf(oneFrontend, serves), flowOf(frontendOf(1), serves)}, toOneFrontend/2 + 1},
		{"of many", flowsOfMany(serves), manyFrontends - 1},
		{"of the same", flowsOfMany(serves), 0},
	} {
		if got, err := table.Delete(c.flows); err != nil || got.Total() != c.want {
			t.Errorf("%s: %v entries were deleted, error %v; want %d", c.name, got, err, c.want)
		}
		left -= c.want
	}
	udp := table.entries(t, UDP)
	if got := len(udp) + len(table.entries(t, tcp)); got != left {
		t.Errorf("%d entries are left, want %d", got, left)
	}
	if slices.ContainsFunc(udp, func(e string) bool { return e == oneFrontend.String()+" -> "+gone.String() }) {
		t.Error("one to an endpoint that has gone is left")
	}
}

func BenchmarkDelete(b *testing.B) {
	all := busy()
	dual := Flow{Protocol: UDP, Addresses: []netip.Addr{oneFrontend.Addr(), at("[fd00::1]:0").Addr()}, Port: oneFrontend.Port(), Serving: []netip.AddrPort{serves, gone}}
	for _, c := range []struct {
		name    string
		entries int
		flows   []Flow
		stale   []made // to be there each time
	}{
		{"1 entry, one frontend", 1, []Flow{flowOf(oneFrontend, serves, gone)}, nil},
		{"5000 entries, one frontend", 5000, []Flow{flowOf(oneFrontend, serves, gone)}, nil},
		{"5000 entries, one frontend of both families", 5000, []Flow{dual}, nil},
		{"5000 entries, 1000 frontends", 5000, flowsOfMany(gone), nil},
		{"100000 entries, one frontend", manyEntries, []Flow{flowOf(oneFrontend, serves, gone)}, nil},
		{"100000 entries, one frontend of both families", manyEntries, []Flow{dual}, nil},
		{"100000 entries, 8 frontends", manyEntries, flowsOfMany(gone)[:8], nil},
		{"100000 entries, 1000 frontends", manyEntries, flowsOfMany(gone), nil},
		{"100000 entries, 1000 frontends, 1000 stale", manyEntries, flowsOfMany(), all[toOneFrontend : toOneFrontend+manyFrontends]},
		{"100000 entries, one frontend on the port of most", manyEntries, []Flow{{Protocol: UDP, Addresses: []netip.Addr{ipv4(7)}, Port: 443}}, nil},
	} {
		b.Run(c.name, func(b *testing.B) {
			table := openTable(b, testnet.New(b))
			fill(b, table, all[:c.entries]...)
			for b.Loop() {
				if deleted, err := table.Delete(c.flows); err != nil || deleted.Total() != len(c.stale) {
					b.Fatalf("%v entries were deleted, error %v; want %d", deleted, err, len(c.stale))
				}
				b.StopTimer()
				fill(b, table, c.stale...)
				b.StartTimer()
			}
		})
	}
}
