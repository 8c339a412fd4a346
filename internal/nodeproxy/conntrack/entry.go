package conntrack

import (
	"net/netip"

	"github.com/portolan-dev/portolan/internal/nodeproxy/netlink"
)

// entry is one of the kernel's, as far as it matters here.
type entry struct {
	protocol Protocol
	source   netip.Addr     // the client
	sentTo   netip.AddrPort // by the client
	sentOn   netip.AddrPort // by the kernel: where answers come from
	zone     uint16         // not 0 if either direction has one
	answers  []byte         // the tuple of the answers' direction, as the kernel wrote it; a part of the message
	id       []byte         // which differs where the tuple of the other direction does; a part of the message
}

// parse reads the attributes of a message about an entry. What is missing is left zero.
func (e *entry) parse(body []byte) error {
	*e = entry{}
	var original, reply tuple
	err := netlink.Parse(body, func(attribute uint16, value []byte) error {
		switch attribute {
		case attributeOriginal:
			return original.parse(value)
		case attributeReply:
			e.answers = value
			return reply.parse(value)
		case attributeID:
			e.id = value
		case attributeZone:
			return netlink.ParseU16(value, &e.zone)
		}
		return nil
	})
	e.protocol, e.source = original.protocol, original.source
	e.sentTo = netip.AddrPortFrom(original.destination, original.destinationPort)
	e.sentOn = netip.AddrPortFrom(reply.source, reply.sourcePort)
	e.zone = max(e.zone, original.zone, reply.zone)
	return err
}

func (e *entry) kind() Kind { return Kind{e.protocol, e.sentTo.Addr().Is6()} }

// tuple is one direction of an entry.
type tuple struct {
	protocol            Protocol
	source, destination netip.Addr
	sourcePort          uint16
	destinationPort     uint16
	zone                uint16
}

func (t *tuple) parse(b []byte) error {
	*t = tuple{}
	return netlink.Parse(b, func(attribute uint16, value []byte) error {
		switch attribute {
		case tupleAddresses:
			return netlink.Parse(value, t.parseAddress)
		case tupleTransport:
			return netlink.Parse(value, t.parseTransport)
		case tupleZone:
			return netlink.ParseU16(value, &t.zone)
		}
		return nil
	})
}

func (t *tuple) parseAddress(attribute uint16, value []byte) error {
	into := &t.source
	switch attribute {
	case source4, source6:
	case destination4, destination6:
		into = &t.destination
	default:
		return nil
	}
	address, ok := netip.AddrFromSlice(value)
	if !ok || address.Is4() != (attribute == source4 || attribute == destination4) {
		return netlink.ErrMalformed
	}
	*into = address
	return nil
}

func (t *tuple) parseTransport(attribute uint16, value []byte) error {
	switch attribute {
	case transportProtocol:
		return netlink.ParseU8(value, (*uint8)(&t.protocol))
	case sourcePort:
		return netlink.ParseU16(value, &t.sourcePort)
	case destinationPort:
		return netlink.ParseU16(value, &t.destinationPort)
	}
	return nil
}
