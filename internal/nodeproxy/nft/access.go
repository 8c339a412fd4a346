package nft

import (
	"fmt"
	"net/netip"
)

// ACL is the number of a list of who may reach a port, from 1 to MaxACL. A list has no elements of its own: it is what
// its Grants are. A number that was another list's a moment ago should not be given out at once: a packet may be on its
// way with it.
type ACL uint32

// MaxACL is the highest number of a list.
const MaxACL ACL = 1<<listBits - 1

// Port is a port of a node, at all its addresses.
type Port struct {
	Protocol Protocol
	Number   uint16
}

// PortOf is a port of the API server's, of the protocol that it calls so; false for one that no Service can have.
func PortOf[Name ~string](protocol Name, number int32) (Port, bool) {
	p, ok := ProtocolNamed(protocol)
	return Port{Protocol: p, Number: uint16(number)}, ok //nolint:gosec // a port of the API server
}

// String is as in "tcp 30080".
func (p Port) String() string { return fmt.Sprintf("%s %d", p.Protocol, p.Number) }

// PortRange is a range of ports, both ends included; the zero value is none.
type PortRange struct{ First, Last uint16 }

// Use is a port of the node that somebody has: it is not closed by Rules.Closed, and the kernel counts the flows that
// come to it from outside of the node and get through the guard, see Kernel.Uses. The count goes with the element, and
// only with that.
func Use(protocol Protocol, port uint16) Element {
	return Element{Key: newKey(useKind, 0).protocol(protocol).port(port).Key}
}

// Guarded lets only those reach a port of the node whom the list grants it, except where there is a GuardedAt. Without it
// a port is open.
func Guarded(family Family, protocol Protocol, port uint16, list ACL) Element {
	checkACL(list)
	return Element{portKey(guardedKind, family, protocol, port), Value{acl: list}}
}

// GuardedAt puts another list in place of that of a Guarded port, at one address of the node and for what comes in by one
// interface; where that is empty, by any that no other GuardedAt names. It panics on a name longer than an interface's.
func GuardedAt(protocol Protocol, port uint16, iface string, address netip.Addr, list ACL) Element {
	checkACL(list)
	address = address.Unmap()
	kind := scopedKind
	if iface == "" {
		kind = addressedKind
	}
	k := newKey(kind, familyOf(address)).protocol(protocol).port(port)
	if iface != "" {
		k = k.name(iface)
	}
	return Element{k.address(address).Key, Value{acl: list}}
}

// Grant is what a list has for sources: Pass, Deny, or Limit. Of several prefixes that have an address the longest
// counts; where none has it, the answer is Deny. It panics on other actions.
func Grant(list ACL, source netip.Prefix, action Action) Element {
	checkACL(list)
	if !action.guards() {
		panic(fmt.Sprintf("nft: %s is nothing that can be granted", action))
	}
	source = canonical(source)
	k := newKey(grantKind, familyOf(source.Addr())).number(uint32(list)).address(source.Addr())
	k.set.bits = uint8(source.Bits()) //nolint:gosec // bits of a valid prefix: 0 to 128
	return Element{k.Key, Value{word: Word{Action: action}}}
}

// guards says whether the action is one of a Grant.
func (a Action) guards() bool { return a.kind == passKind || a.kind == denyKind || a.kind == limitKind }

func checkACL(list ACL) {
	if list < 1 || list > MaxACL {
		panic(fmt.Sprintf("nft: ACL %d", list))
	}
}
