package nft

import (
	"iter"
	"net/netip"
)

// What elements say of frontends and lists, for whoever takes over a table that was read. Others may have written to
// it, so what makes no sense is taken for nothing.

// FamilyOf is the family of an address; IPv4, of an IPv4 address in an IPv6 one. It panics on an address that is none.
func FamilyOf(a netip.Addr) Family { return familyOf(a.Unmap()) }

// Word is what a frontend's element says; false for other elements.
func (e Element) Word() (Word, bool) { return e.Value.Word() }

// Word is what a frontend's element has for its key; false for other elements.
func (v Value) Word() (Word, bool) { return v.word, v.word.Action != Action{} }

// Frontend is what a ServiceFrontend or a NodePort is for, the latter without an address; false for other keys.
func (k Key) Frontend() (family Family, address netip.Addr, protocol Protocol, port uint16, ok bool) {
	rest := k.bytes[:]
	switch k.set.kind {
	case serviceKind:
		length := 16
		if k.set.family == IPv4 {
			length = 4
		}
		address, _ = netip.AddrFromSlice(rest[:length])
		rest = rest[length:]
	case nodePortKind:
	default:
		return 0, netip.Addr{}, 0, 0, false
	}
	return k.set.family, address, Protocol(rest[0]), network.Uint16(rest[4:]), true
}

// Lists are the numbers of lists and of endpoints that stand anywhere in the table, in no order, some several times.
func (t Table) Lists() iter.Seq[List] {
	return func(yield func(List) bool) {
		for k, v := range t {
			for _, l := range [...]List{k.list(), v.list, v.word.List} {
				if l != 0 && !yield(l) {
					return
				}
			}
		}
	}
}

// ACL is the list that a Guarded or GuardedAt leads to; false for other elements.
func (v Value) ACL() (ACL, bool) { return v.acl, v.acl != 0 }

// acl is the list that a Grant is of; 0 for other keys.
func (k Key) acl() ACL {
	if k.set.kind != grantKind {
		return 0
	}
	return ACL(host.Uint32(k.bytes[:]))
}

// list is the list that the key is of; 0 for those of other sets.
func (k Key) list() List {
	if k.set.kind != endpointKind && k.set.kind != slotKind {
		return 0
	}
	return List(host.Uint32(k.bytes[:]))
}

// slot is the slot that the key is of, of a key of a list.
func (k Key) slot() int { return int(host.Uint32(k.bytes[4:])) }

// EndpointAt is the endpoint in a slot of a list, or of an endpoint's number; false where there is none.
func (t Table) EndpointAt(family Family, list List, slot int) (netip.AddrPort, bool) {
	if !isList(list) || !isSlot(slot) {
		return netip.AddrPort{}, false
	}
	k := slotKey(endpointKind, family, list, slot)
	v, ok := t[k]
	if to := (Element{k, v}).to(); ok && !to.Addr().Is4In6() {
		return to, true
	}
	return netip.AddrPort{}, false
}

// NumberAt is the number of the endpoint in a slot of a list that clients stick to; false where there is none.
func (t Table) NumberAt(list List, slot int) (List, bool) {
	if !isList(list) || !isSlot(slot) {
		return 0, false
	}
	number := t[slotKey(slotKind, 0, list, slot)].list
	return number, isList(number)
}
