package nft

import (
	"fmt"
	"net/netip"
	"strings"
)

// Element is one entry of the table: of which set or map, under which key, with which value. Elements are comparable;
// two that are equal are the same entry, so whatever several Services have in common is there once.
//
// They come from the functions below, each of which says what its element does to packets. Those panic on an address
// that is none and on a number out of its range: nothing of that comes from a user. An IPv4 address in an IPv6 one is
// taken for the former.
type Element struct {
	Key   Key
	Value Value
}

// Key is where an Element stands. A table has at most one element for each.
type Key struct {
	set setID
	// prefix is, in a set of ranges, how many bits of the last field count.
	prefix uint8
	// bytes are as the kernel has them: fields one after another, each padded to four bytes.
	bytes [longestKey]byte
}

// longestKey is that of sources6: address, protocol, port, address; and of scoped6: protocol, port, interface, address.
const longestKey = 16 + 4 + 4 + 16

// Value is what a map has for a key; in a set it is the zero value.
type Value struct {
	word Word
	// list is the number of an endpoint, of StickySlot.
	list List
	// acl is that of a guarded port.
	acl ACL
	// address and port are those of an Endpoint, the address as in Key.
	address [16]byte
	port    uint16
}

// ServiceFrontend has packets to an address and port of a Service do what the word says: its cluster IP, external IP,
// or the IP of its load balancer.
func ServiceFrontend(address netip.Addr, protocol Protocol, port uint16, word Word) Element {
	return Element{frontendKey(serviceKind, address, protocol, port), Value{word: word}}
}

// ShortCut has local pods and the node itself do what the word says, where that differs: they reach all endpoints of a
// Service whose externalTrafficPolicy is Local. What the node sends is masqueraded.
func ShortCut(address netip.Addr, protocol Protocol, port uint16, word Word) Element {
	return Element{frontendKey(shortCutKind, address, protocol, port), Value{word: word}}
}

// NodePort has packets to a port of the node's addresses (see NodePortAddress) do what the word says.
func NodePort(family Family, protocol Protocol, port uint16, word Word) Element {
	return Element{portKey(nodePortKind, family, protocol, port), Value{word: word}}
}

// ShortCutNodePort is ShortCut for a node port.
func ShortCutNodePort(family Family, protocol Protocol, port uint16, word Word) Element {
	return Element{portKey(shortCutPortKind, family, protocol, port), Value{word: word}}
}

// NodePortAddress is an address of the node that has node ports.
func NodePortAddress(address netip.Addr) Element {
	return Element{Key: addressKey(nodePortAddressKind, address)}
}

// ClusterIP is a cluster IP of a Service: its other ports are refused, and what comes to it from outside of the cluster
// is masqueraded.
func ClusterIP(address netip.Addr) Element {
	return Element{Key: addressKey(clusterAddressKind, address)}
}

// ServiceRange is a range of cluster IPs: those that no Service has are dropped. Ranges must not overlap, see Outermost.
func ServiceRange(prefix netip.Prefix) Element {
	return Element{Key: prefixKey(serviceRangeKind, prefix)}
}

// Pods are addresses of local pods, or of all pods of the cluster: they may take short cuts, and cluster IPs know them
// by their own addresses. Ranges must not overlap, see Outermost.
func Pods(prefix netip.Prefix) Element { return Element{Key: prefixKey(podKind, prefix)} }

// PodInterface is the interface that packets of local pods come in by, where their addresses do not tell; "veth*" is
// all whose names begin so. It panics on a name longer than an interface's.
func PodInterface(name string) Element {
	begin, isPrefix := strings.CutSuffix(name, "*")
	if len(begin) > longestInterface {
		panic(fmt.Sprintf("nft: %q is no interface", name))
	}
	k := Key{set: setID{kind: podInterfaceKind}, prefix: 8 * uint8(typeInterface.length)} //nolint:gosec // bits of a name of 16 bytes
	copy(k.bytes[:], begin)
	if isPrefix {
		k.prefix = uint8(8 * len(begin)) //nolint:gosec // bits of a name of at most 16 bytes
	}
	return Element{Key: k}
}

// Endpoint is the endpoint in a slot of a list.
func Endpoint(list List, slot int, to netip.AddrPort) Element {
	address := to.Addr().Unmap()
	v := Value{port: to.Port()}
	copy(v.address[:], address.AsSlice())
	return Element{slotKey(endpointKind, familyOf(address), list, slot), v}
}

// StickySlot is the number of the endpoint in a slot of a list, for Stick. The endpoint itself is Endpoint(number, 0,
// address). It should keep its number as long as it is there: by that, clients stick to it.
func StickySlot(list List, slot int, number List) Element {
	checkList(number)
	return Element{slotKey(slotKind, 0, list, slot), Value{list: number}}
}

// Masquerade masquerades whatever comes to the frontend, for a Service whose externalTrafficPolicy is Cluster.
func Masquerade(address netip.Addr, protocol Protocol, port uint16) Element {
	return Element{Key: frontendKey(masqueradeKind, address, protocol, port)}
}

// MasqueradeNodePort is Masquerade for a node port.
func MasqueradeNodePort(family Family, protocol Protocol, port uint16) Element {
	return Element{Key: portKey(masqueradePortKind, family, protocol, port)}
}

// Hairpin masquerades what the endpoint sends to its own Service and gets back itself.
func Hairpin(protocol Protocol, endpoint netip.AddrPort) Element {
	address := endpoint.Addr().Unmap()
	k := newKey(hairpinKind, familyOf(address)).address(address).address(address).protocol(protocol).port(endpoint.Port())
	return Element{Key: k.Key}
}

// Restricted drops whatever comes to the frontend from sources that no Source allows.
func Restricted(address netip.Addr, protocol Protocol, port uint16) Element {
	return Element{Key: frontendKey(restrictedKind, address, protocol, port)}
}

// Source allows sources to a Restricted frontend, of the same family. Those of one frontend must not overlap.
func Source(address netip.Addr, protocol Protocol, port uint16, from netip.Prefix) Element {
	address, from = address.Unmap(), canonical(from)
	if familyOf(address) != familyOf(from.Addr()) {
		panic(fmt.Sprintf("nft: %s is no source for %s", from, address))
	}
	k := newKey(sourceKind, familyOf(address)).address(address).protocol(protocol).port(port).address(from.Addr())
	k.prefix = uint8(from.Bits()) //nolint:gosec // bits of a valid prefix: 0 to 128
	return Element{Key: k.Key}
}
