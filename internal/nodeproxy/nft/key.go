package nft

import (
	"bytes"
	"cmp"
	"fmt"
	"net/netip"
)

// longestInterface is how long the name of an interface may be; it ends in a zero byte.
const longestInterface = 15

// keyWriter writes the fields of a key one after another.
type keyWriter struct {
	Key
	at int
}

func newKey(kind setKind, family Family) keyWriter {
	return keyWriter{Key: Key{set: setID{kind: kind, family: family}}}
}

func (w keyWriter) field(value []byte) keyWriter {
	w.at += padded(copy(w.bytes[w.at:], value))
	return w
}

func (w keyWriter) address(a netip.Addr) keyWriter { return w.field(a.AsSlice()) }
func (w keyWriter) protocol(p Protocol) keyWriter  { return w.field([]byte{byte(p)}) }
func (w keyWriter) port(p uint16) keyWriter        { return w.field([]byte{byte(p >> 8), byte(p)}) } //nolint:gosec // the upper byte, and the lower one
func (w keyWriter) number(n uint32) keyWriter      { return w.field(number(n)) }

// name writes the name of an interface. It panics on one that is too long.
func (w keyWriter) name(s string) keyWriter {
	if len(s) > longestInterface {
		panic(fmt.Sprintf("nft: %q is no interface", s))
	}
	name := make([]byte, typeInterface.length)
	copy(name, s)
	return w.field(name)
}

// familyOf panics on an address that is none.
func familyOf(a netip.Addr) Family {
	switch {
	case a.Is4():
		return IPv4
	case a.Is6():
		return IPv6
	}
	panic("nft: no address")
}

func frontendKey(kind setKind, address netip.Addr, protocol Protocol, port uint16) Key {
	address = address.Unmap()
	return newKey(kind, familyOf(address)).address(address).protocol(protocol).port(port).Key
}

func portKey(kind setKind, family Family, protocol Protocol, port uint16) Key {
	if family != IPv4 && family != IPv6 {
		panic("nft: no family")
	}
	return newKey(kind, family).protocol(protocol).port(port).Key
}

func addressKey(kind setKind, address netip.Addr) Key {
	address = address.Unmap()
	return newKey(kind, familyOf(address)).address(address).Key
}

func prefixKey(kind setKind, prefix netip.Prefix) Key {
	prefix = canonical(prefix)
	k := addressKey(kind, prefix.Addr())
	k.prefix = uint8(prefix.Bits()) //nolint:gosec // bits of a valid prefix: 0 to 128
	return k
}

// canonical is the prefix without bits that do not count, and as IPv4 where it is that in IPv6.
func canonical(p netip.Prefix) netip.Prefix {
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

func slotKey(kind setKind, family Family, list List, slot int) Key {
	checkList(list)
	if !isSlot(slot) {
		panic(fmt.Sprintf("nft: slot %d of a list", slot))
	}
	return newKey(kind, family).number(uint32(list)).number(uint32(slot)).Key //nolint:gosec // a slot of a list in memory
}

func checkList(list List) {
	if !isList(list) {
		panic(fmt.Sprintf("nft: list %d", list))
	}
}

func isList(list List) bool { return list >= 1 && list <= MaxList }
func isSlot(slot int) bool  { return slot >= 0 && slot < MaxEndpoints }

// Set is the name of the set or map that the key is of.
func (k Key) Set() string { return sets[k.set].name }

// String is the key as nft prints it: "10.96.0.1 . tcp . 80".
func (k Key) String() string {
	s := sets[k.set]
	_, length := codeAndLength(s.key)
	if s.interval {
		return prefixText(s.key, k.bytes[:length], int(k.prefix))
	}
	return fieldsText(s.key, k.bytes[:length])
}

// compare orders keys by their set, then field by field.
func (k Key) compare(other Key) int {
	if d := k.set.compare(other.set); d != 0 {
		return d
	}
	at := 0
	for _, t := range sets[k.set].key {
		a, b := k.bytes[at:at+int(t.length)], other.bytes[at:at+int(t.length)]
		d := bytes.Compare(a, b)
		if t == typeNumber {
			d = cmp.Compare(host.Uint32(a), host.Uint32(b))
		}
		if d != 0 {
			return d
		}
		at += padded(int(t.length))
	}
	return cmp.Compare(k.prefix, other.prefix)
}
