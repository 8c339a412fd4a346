package netlink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// A netlink attribute is its length, its type and its value, padded to four bytes. A value may be attributes again.
//
// Lengths and types are in the machine's byte order. The numbers that netfilter has for values are in the network's, but
// for those that it says otherwise of.
const (
	AttributeHeader  = 4
	LongestAttribute = math.MaxUint16                               // its length has 16 bits, and the kernel takes what is cut off for the next one
	AttributeFlags   = unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER // in its type
)

// Byte orders.
var (
	Host    = binary.NativeEndian
	Network = binary.BigEndian
)

// ErrMalformed means that the kernel has sent what is no sequence of messages or attributes, or a value of the wrong
// length.
var ErrMalformed = errors.New("malformed netlink message")

// Attributes are being written, one after another. Methods panic where a value is longer than LongestAttribute with its
// header: whoever writes lists has to cut them.
type Attributes []byte

// Bytes writes an attribute.
func (a *Attributes) Bytes(attribute uint16, value []byte) {
	at := a.Open(attribute)
	*a = append(*a, value...)
	a.Close(at)
}

// Text ends in a zero byte, which the kernel counts as part of the value.
func (a *Attributes) Text(attribute uint16, value string) {
	at := a.Open(attribute)
	*a = append(append(*a, value...), 0)
	a.Close(at)
}

// U8 writes a number.
func (a *Attributes) U8(attribute uint16, value uint8) {
	at := a.Open(attribute)
	*a = append(*a, value)
	a.Close(at)
}

// U16 writes a number, in the network's byte order.
func (a *Attributes) U16(attribute, value uint16) {
	at := a.Open(attribute)
	*a = Network.AppendUint16(*a, value)
	a.Close(at)
}

// U32 writes a number, in the network's byte order.
func (a *Attributes) U32(attribute uint16, value uint32) {
	at := a.Open(attribute)
	*a = Network.AppendUint32(*a, value)
	a.Close(at)
}

// U64 writes a number, in the network's byte order.
func (a *Attributes) U64(attribute uint16, value uint64) {
	at := a.Open(attribute)
	*a = Network.AppendUint64(*a, value)
	a.Close(at)
}

// Nest writes an attribute whose value is the attributes that content writes.
func (a *Attributes) Nest(attribute uint16, content func()) {
	at := a.Open(attribute | unix.NLA_F_NESTED)
	content()
	a.Close(at)
}

// Open begins an attribute and returns where.
func (a *Attributes) Open(attribute uint16) int {
	at := len(*a)
	*a = append(*a, 0, 0, 0, 0)
	Host.PutUint16((*a)[at+2:], attribute)
	return at
}

// Close ends the attribute that began there.
func (a *Attributes) Close(at int) {
	length := len(*a) - at
	if length > LongestAttribute {
		panic(fmt.Sprintf("netlink: an attribute of %d bytes", length))
	}
	Host.PutUint16((*a)[at:], uint16(length)) //nolint:gosec // at most LongestAttribute, by the lines above
	for len(*a)%4 != 0 {
		*a = append(*a, 0)
	}
}

// Parse calls visit for each attribute of b, until it returns an error. The value is a part of b.
func Parse(b []byte, visit func(attribute uint16, value []byte) error) error {
	return ParseFlagged(b, func(attribute uint16, value []byte) error { return visit(attribute&^AttributeFlags, value) })
}

// ParseFlagged is Parse, with the flags still in the types.
func ParseFlagged(b []byte, visit func(attribute uint16, value []byte) error) error {
	for len(b) > 0 {
		if len(b) < AttributeHeader {
			return ErrMalformed
		}
		length := int(Host.Uint16(b))
		if length < AttributeHeader || length > len(b) {
			return ErrMalformed
		}
		if err := visit(Host.Uint16(b[2:]), b[AttributeHeader:length]); err != nil {
			return err
		}
		b = b[min(Padded(length), len(b)):]
	}
	return nil
}

// Padded is n rounded up to four bytes: attributes, messages and the fields of a concatenated key begin at such places.
func Padded(n int) int { return (n + 3) &^ 3 }

// Nested calls visit for each attribute in the first attribute of b of the given type. Where there is none it does
// nothing.
func Nested(b []byte, attribute uint16, visit func(attribute uint16, value []byte) error) error {
	inside, err := Find(b, attribute)
	if err != nil {
		return err
	}
	return Parse(inside, visit)
}

// Find is the value of the first attribute of b of the given type; nil where there is none.
func Find(b []byte, attribute uint16) ([]byte, error) {
	var found []byte
	err := Parse(b, func(a uint16, value []byte) error {
		if a == attribute && found == nil {
			found = value
		}
		return nil
	})
	return found, err
}

// ParseU8 reads a number.
func ParseU8(value []byte, into *uint8) error {
	if len(value) != 1 {
		return ErrMalformed
	}
	*into = value[0]
	return nil
}

// ParseU16 reads a number in the network's byte order.
func ParseU16(value []byte, into *uint16) error {
	if len(value) != 2 {
		return ErrMalformed
	}
	*into = Network.Uint16(value)
	return nil
}

// ParseU32 reads a number in the network's byte order.
func ParseU32(value []byte, into *uint32) error {
	if len(value) != 4 {
		return ErrMalformed
	}
	*into = Network.Uint32(value)
	return nil
}

// ParseU64 reads a number in the network's byte order.
func ParseU64(value []byte, into *uint64) error {
	if len(value) != 8 {
		return ErrMalformed
	}
	*into = Network.Uint64(value)
	return nil
}

// ParseText reads what Text writes.
func ParseText(value []byte, into *string) error {
	if len(value) == 0 || value[len(value)-1] != 0 {
		return ErrMalformed
	}
	*into = string(value[:len(value)-1])
	return nil
}
