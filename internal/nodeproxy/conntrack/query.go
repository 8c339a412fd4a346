package conntrack

import (
	"maps"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/netlink"
)

// For each list the kernel goes through its whole hash table: that takes some 5 ms with the 262,144 buckets that most
// machines have, even if there is no entry. Each entry that it lists adds about a microsecond, each that it leaves out a
// tenth of that. So a few lists of what is wanted are better than one of everything, unless there is not much.
const (
	fewLists     = 8    // of a family and protocol
	worthOfAList = 5000 // entries
)

// query asks for a list: of entries of a family and protocol, and where the port is not 0, of those that clients sent to it
// alone. The zero query asks for all. The kernel may answer with more: before Linux 5.8 it filters by the family only.
//
// It could filter by the address too, but for IPv6 it does so the wrong way round: it lists all but those to that address.
// And of SCTP it does not look at the ports.
type query struct {
	family   uint8
	protocol Protocol
	port     uint16
}

// queries are those that find all entries to the frontends, where there are about so many entries of all kinds.
func queries(flows []Flow, entries int) []query {
	var all []query
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		for _, protocol := range []Protocol{UDP, SCTP} {
			all = append(all, queriesOf(family, protocol, flows)...)
		}
	}
	if entries <= (len(all)-1)*worthOfAList {
		return []query{{}}
	}
	return all
}

func queriesOf(family uint8, protocol Protocol, flows []Flow) []query {
	ports := make(map[uint16]bool)
	for i := range flows {
		if f := &flows[i]; f.Protocol == protocol && f.has(family) {
			ports[f.Port] = true
		}
	}
	if len(ports) > fewLists || len(ports) > 0 && protocol == SCTP {
		return []query{{family: family, protocol: protocol}}
	}
	var some []query
	for _, port := range slices.Sorted(maps.Keys(ports)) {
		some = append(some, query{family, protocol, port})
	}
	return some
}

// has says whether the frontend has an address of a family.
func (f *Flow) has(family uint8) bool {
	return slices.ContainsFunc(f.Addresses, func(a netip.Addr) bool { return familyOf(a.Unmap()) == family })
}

func familyOf(a netip.Addr) uint8 {
	switch {
	case a.Is4():
		return unix.AF_INET
	case a.Is6():
		return unix.AF_INET6
	}
	return unix.AF_UNSPEC
}

// request is the query as the kernel reads it.
func (q query) request() []byte {
	var a netlink.Attributes
	at := a.Begin(netlink.Header{Kind: unix.NFNL_SUBSYS_CTNETLINK<<8 | messageGet, Flags: unix.NLM_F_DUMP, Family: q.family})
	if q.protocol != 0 {
		q.filter(&a)
	}
	a.End(at)
	return a
}

func (q query) filter(a *netlink.Attributes) {
	flags := uint32(filterProtocol)
	a.Nest(attributeOriginal, func() {
		a.Nest(tupleTransport, func() {
			a.U8(transportProtocol, uint8(q.protocol))
			if q.port != 0 {
				flags |= filterPort
				a.U16(destinationPort, q.port)
			}
		})
	})
	a.Nest(attributeFilter, func() { a.Bytes(filterOriginal, netlink.Host.AppendUint32(nil, flags)) })
}
