package route

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// listKey is what makes a list of a Service the same list over all its changes.
type listKey struct {
	port     string
	protocol nft.Protocol
	family   nft.Family
	policy   Policy
	sticky   bool
}

func (k listKey) compare(l listKey) int {
	return cmp.Or(
		cmp.Compare(k.family, l.family),
		cmp.Compare(k.protocol, l.protocol),
		cmp.Compare(k.port, l.port),
		cmp.Compare(k.policy, l.policy),
		cmp.Compare(truth(k.sticky), truth(l.sticky)),
	)
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// list is a list of endpoints as the kernel has it. With session affinity, which makes it sticky, each endpoint has an
// id of its own beside. Slots have no gaps. An endpoint keeps its slot while it can and, with session affinity, its id
// for as long as it is in the list.
type list struct {
	listKey
	id    nft.List
	slots []seat
}

// seat is what is in a slot.
type seat struct {
	endpoint netip.AddrPort
	id       nft.List // only with session affinity
}

// fill makes want, which is sorted, the endpoints of the list. Who comes takes the slots of who goes. Where more go
// than come, the last of those that stay move into the slots left, and slot 0 is empty only in an empty list: a packet
// between two lookups falls back on it.
func (l *list) fill(want []netip.AddrPort, ids *nft.IDs[nft.List], e *edit) {
	vacant := l.vacant(want)
	coming := l.missing(want, len(l.slots)-len(vacant))
	if len(vacant)+len(coming) == 0 {
		return
	}
	before := slices.Clone(l.slots)
	// No larger than that takes: an append grows by more, and there are as many slots as endpoints.
	l.slots = slices.Grow(l.slots, max(0, len(coming)-len(vacant)))
	for _, addr := range coming {
		if len(vacant) > 0 {
			l.slots[vacant[0]] = l.seat(addr, ids)
			vacant = vacant[1:]
			continue
		}
		l.slots = append(l.slots, l.seat(addr, ids))
	}
	l.closeUp(vacant)
	l.write(before, ids, e)
}

// vacant are the slots whose endpoints are not wanted, in order.
func (l *list) vacant(want []netip.AddrPort) []int {
	var slots []int
	for i, s := range l.slots {
		if _, stays := slices.BinarySearchFunc(want, s.endpoint, netip.AddrPort.Compare); !stays {
			slots = append(slots, i)
		}
	}
	return slots
}

// missing are those of want that are not in the list, where as many as present are.
func (l *list) missing(want []netip.AddrPort, present int) []netip.AddrPort {
	if len(want) == present {
		return nil
	}
	have := make(map[netip.AddrPort]bool, len(l.slots))
	for _, s := range l.slots {
		have[s.endpoint] = true
	}
	missing := make([]netip.AddrPort, 0, len(want)-present)
	for _, addr := range want {
		if !have[addr] {
			missing = append(missing, addr)
		}
	}
	return missing
}

// closeUp does away with slots that stayed vacant.
func (l *list) closeUp(vacant []int) {
	for len(vacant) > 0 {
		last := len(l.slots) - 1
		if final := len(vacant) - 1; vacant[final] == last {
			vacant = vacant[:final]
		} else {
			l.slots[vacant[0]] = l.slots[last]
			vacant = vacant[1:]
		}
		l.slots = l.slots[:last]
	}
}

// seat is a place for an endpoint that was not there.
func (l *list) seat(addr netip.AddrPort, ids *nft.IDs[nft.List]) seat {
	s := seat{endpoint: addr}
	if l.sticky {
		s.id = ids.Take()
	}
	return s
}

// write edits the slots that differ from before.
func (l *list) write(before []seat, ids *nft.IDs[nft.List], e *edit) {
	var gone, come []nft.Element
	for slot := range max(len(before), len(l.slots)) {
		was, is := seatIn(before, slot), seatIn(l.slots, slot)
		if was == is {
			continue
		}
		gone = append(gone, l.elementsAt(slot, was)...)
		come = append(come, l.elementsAt(slot, is)...)
	}
	// Of one that moved, what is behind its slot stays.
	e.replace(gone, come)
	if l.sticky {
		l.giveBack(before, ids)
	}
}

// giveBack frees the ids of those that were in the list before and are not now.
func (l *list) giveBack(before []seat, ids *nft.IDs[nft.List]) {
	stay := make(map[nft.List]bool, len(l.slots))
	for _, s := range l.slots {
		stay[s.id] = true
	}
	for _, s := range before {
		if !stay[s.id] {
			ids.GiveBack(s.id)
		}
	}
}

// seatIn is what is in a slot, zero past the end.
func seatIn(slots []seat, slot int) seat {
	if slot < len(slots) {
		return slots[slot]
	}
	return seat{}
}

// elementsAt are the elements of a slot, none of a vacant one.
func (l *list) elementsAt(slot int, s seat) []nft.Element {
	switch {
	case s == seat{}:
		return nil
	case l.sticky:
		return []nft.Element{nft.StickySlot(l.id, slot, s.id), nft.Endpoint(s.id, 0, s.endpoint)}
	default:
		return []nft.Element{nft.Endpoint(l.id, slot, s.endpoint)}
	}
}
