package nft

import (
	"fmt"
	"net/netip"
	"strings"
)

// fieldsText is a key or value as nft prints it.
func fieldsText(fields []datatype, b []byte) string {
	var texts []string
	for _, t := range fields {
		if len(b) < int(t.length) {
			return fmt.Sprintf("%x", b)
		}
		texts = append(texts, t.text(b[:t.length]))
		b = b[min(padded(int(t.length)), len(b)):]
	}
	return strings.Join(texts, " . ")
}

// prefixText is the key of a range.
func prefixText(fields []datatype, b []byte, bits int) string {
	text := fieldsText(fields, b)
	last := fields[len(fields)-1]
	switch {
	case bits == 8*int(last.length):
		return text
	case last == typeInterface:
		return text[:bits/8] + "*"
	}
	return fmt.Sprint(text, "/", bits)
}

func (t datatype) text(b []byte) string {
	switch t {
	case typeAddress4, typeAddress6:
		a, _ := netip.AddrFromSlice(b)
		return a.String()
	case typeProtocol:
		return Protocol(b[0]).String()
	case typePort:
		return fmt.Sprint(network.Uint16(b))
	case typeNumber:
		return fmt.Sprint(host.Uint32(b))
	case typeInterface:
		return strings.TrimRight(string(b), "\x00")
	}
	return fmt.Sprintf("%x", b)
}
