package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// A netlink attribute is its length, its type and its value, padded to four bytes. A value may be attributes again.
//
// Lengths and types are in the machine's byte order. The numbers that nf_tables has for values are in the network's,
// but what a rule compares with or loads into a register is in the order of the register.
const (
	attributeHeader  = 4
	attributeTypes   = 0x3fff         // without the flags for "nested" and "network byte order"
	longestAttribute = math.MaxUint16 // its length has 16 bits, and the kernel takes what is cut off for the next one
)

var (
	host    = binary.NativeEndian
	network = binary.BigEndian
)

// errMalformed: the kernel has sent what is no sequence of attributes, or a value of the wrong length.
var errMalformed = errors.New("malformed netlink attribute")

// attributes are being written, one after another.
type attributes struct{ wire []byte }

func (a *attributes) bytes(attribute uint16, value []byte) {
	at := a.open(attribute)
	a.wire = append(a.wire, value...)
	a.close(at)
}

// text ends in a zero byte, which the kernel counts as part of the value.
func (a *attributes) text(attribute uint16, value string) {
	at := a.open(attribute)
	a.wire = append(append(a.wire, value...), 0)
	a.close(at)
}

func (a *attributes) u32(attribute uint16, value uint32) {
	at := a.open(attribute)
	a.wire = network.AppendUint32(a.wire, value)
	a.close(at)
}

func (a *attributes) u64(attribute uint16, value uint64) {
	at := a.open(attribute)
	a.wire = network.AppendUint64(a.wire, value)
	a.close(at)
}

// nest writes an attribute whose value is the attributes that content writes.
func (a *attributes) nest(attribute uint16, content func()) {
	at := a.open(attribute | unix.NLA_F_NESTED)
	content()
	a.close(at)
}

// open begins an attribute and returns where.
func (a *attributes) open(attribute uint16) int {
	at := len(a.wire)
	a.wire = append(a.wire, 0, 0, 0, 0)
	host.PutUint16(a.wire[at+2:], attribute)
	return at
}

// close ends the attribute that began there. It panics where the value is too long: the only value without a bound is
// a list of elements, and that is cut into several.
func (a *attributes) close(at int) {
	length := len(a.wire) - at
	if length > longestAttribute {
		panic(fmt.Sprintf("nft: an attribute of %d bytes", length))
	}
	host.PutUint16(a.wire[at:], uint16(length))
	for len(a.wire)%4 != 0 {
		a.wire = append(a.wire, 0)
	}
}

// parse calls visit for each attribute of b, until it returns an error. The value is a part of b.
func parse(b []byte, visit func(attribute uint16, value []byte) error) error {
	return parseFlagged(b, func(attribute uint16, value []byte) error { return visit(attribute&attributeTypes, value) })
}

// parseFlagged is parse, with the flags still in the types.
func parseFlagged(b []byte, visit func(attribute uint16, value []byte) error) error {
	for len(b) > 0 {
		if len(b) < attributeHeader {
			return errMalformed
		}
		length := int(host.Uint16(b))
		if length < attributeHeader || length > len(b) {
			return errMalformed
		}
		if err := visit(host.Uint16(b[2:]), b[attributeHeader:length]); err != nil {
			return err
		}
		b = b[min(padded(length), len(b)):]
	}
	return nil
}

// padded is n rounded up to four bytes: attributes, messages and the fields of a concatenated key begin at such places.
func padded(n int) int { return (n + 3) &^ 3 }

// nested calls visit for each attribute in the first attribute of b of the given type. Where there is none it does
// nothing.
func nested(b []byte, attribute uint16, visit func(attribute uint16, value []byte) error) error {
	inside, err := find(b, attribute)
	if err != nil {
		return err
	}
	return parse(inside, visit)
}

// find is the value of the first attribute of b of the given type; nil where there is none.
func find(b []byte, attribute uint16) ([]byte, error) {
	var found []byte
	err := parse(b, func(a uint16, value []byte) error {
		if a == attribute && found == nil {
			found = value
		}
		return nil
	})
	return found, err
}

func parseU32(value []byte, into *uint32) error {
	if len(value) != 4 {
		return errMalformed
	}
	*into = network.Uint32(value)
	return nil
}

func parseU64(value []byte, into *uint64) error {
	if len(value) != 8 {
		return errMalformed
	}
	*into = network.Uint64(value)
	return nil
}

func parseText(value []byte, into *string) error {
	if len(value) == 0 || value[len(value)-1] != 0 {
		return errMalformed
	}
	*into = string(value[:len(value)-1])
	return nil
}
