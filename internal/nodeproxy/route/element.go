package route

import (
	"fmt"
	"net/netip"
	"time"
)

// Map is one of the kernel's maps and sets that plans fill. All but Slots and PodInterfaces are there once for each
// family.
//
//	map           key                              data
//	Services      Addr . Protocol . Port           Word
//	Short         Addr . Protocol . Port           Word, for sources inside
//	NodePorts     Protocol . Port                  Word
//	ShortPorts    Protocol . Port                  Word, for sources inside
//	Endpoints     List . Slot                      Endpoint
//	Slots         List . Slot                      ID
//	ClusterIPs    Addr
//	Masq          Addr . Protocol . Port
//	MasqPorts     Protocol . Port
//	Hairpins      Addr . Addr . Protocol . Port
//	Limited       Addr . Protocol . Port
//	Sources       Addr . Protocol . Port . Prefix
//	NodePortIPs   Addr
//	ServiceCIDRs  Prefix
//	Pods          Prefix
//	PodInterfaces Interface
//
// A list is in Endpoints under its id, a slot for each endpoint from 0 on. With session affinity it is in Slots
// instead, and says for each slot the id of an endpoint, which is in Endpoints under that id, in slot 0.
type Map uint8

// The maps.
const (
	Services Map = iota + 1
	Short
	NodePorts
	ShortPorts
	Endpoints
	Slots
	ClusterIPs
	Masq
	MasqPorts
	Hairpins
	Limited
	Sources
	NodePortIPs
	ServiceCIDRs
	Pods
	PodInterfaces
)

var mapNames = [...]string{"", "service", "short", "nodeport", "shortport", "endpoints", "slots", "cluster-ips", "masq",
	"masq-ports", "hairpin", "limited", "sources", "nodeport-ips", "service-cidrs", "pods", "pod-interfaces"}

func (m Map) String() string { return mapNames[m] }

// Key is what an element is found by. Which fields count is said at Map, the others are zero.
type Key struct {
	Map       Map
	Family    Family // 0 for Slots and PodInterfaces
	Protocol  Protocol
	Port      uint16
	List      uint32 // id of a list, or of an endpoint
	Slot      uint32
	Addr      netip.Addr
	Prefix    netip.Prefix // masked
	Interface string       // a name, or with a final * the beginning of one
}

// Data is what an element says. It is zero for a set's.
type Data struct {
	Word     Word
	Endpoint netip.AddrPort
	ID       uint32 // id of an endpoint
}

// Element is one element of a map or a set.
type Element struct {
	Key
	Data
}

// Word says what becomes of a connection.
type Word struct {
	Action Action
	// Count is how many endpoints the list has; Balance only.
	Count uint32
	// Timeout is that of the session affinity, in seconds; 0: there is none.
	Timeout uint32
	// List is the id of the list; Balance only.
	List uint32
}

func (w Word) sticky() bool { return w.Timeout != 0 }

func (w Word) String() string {
	switch {
	case w.Action != Balance:
		return w.Action.String()
	case w.sticky():
		return fmt.Sprintf("stick %d for %s, list %d", w.Count, time.Duration(w.Timeout)*time.Second, w.List)
	default:
		return fmt.Sprintf("pick %d, list %d", w.Count, w.List)
	}
}

// key is the frontend's place in a map by address, or in its twin by node port.
func (f Frontend) key(byAddr, byPort Map) Key {
	k := Key{Map: byAddr, Family: f.Family, Protocol: f.Protocol, Port: f.Port, Addr: f.Addr}
	if f.NodePort() {
		k.Map = byPort
	}
	return k
}

// frontend is the frontend whose word stands at a key of Services or NodePorts; false for other keys.
func (k Key) frontend() (Frontend, bool) {
	return Frontend{k.Family, k.Protocol, k.Addr, k.Port}, k.Map == Services || k.Map == NodePorts
}

func slotKey(list, slot uint32) Key { return Key{Map: Slots, List: list, Slot: slot} }

func endpointKey(family Family, list, slot uint32) Key {
	return Key{Map: Endpoints, Family: family, List: list, Slot: slot}
}

func addrKey(m Map, a netip.Addr) Key { return Key{Map: m, Family: FamilyOf(a), Addr: a} }

func prefixKey(m Map, p netip.Prefix) Key { return Key{Map: m, Family: FamilyOf(p.Addr()), Prefix: p} }

func interfaceKey(name string) Key { return Key{Map: PodInterfaces, Interface: name} }

func (h Hairpin) key() Key {
	addr := h.Endpoint.Addr()
	return Key{Map: Hairpins, Family: FamilyOf(addr), Protocol: h.Protocol, Addr: addr, Port: h.Endpoint.Port()}
}
