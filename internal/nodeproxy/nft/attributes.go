package nft

import (
	"encoding/binary"

	"github.com/portolan-dev/portolan/internal/nodeproxy/netlink"
)

// The numbers that nf_tables has for values are in the network's byte order, but what a rule compares with or loads into a
// register is in the order of the register.
var (
	host    = binary.NativeEndian
	network = binary.BigEndian
)

var errMalformed = netlink.ErrMalformed

// attributes are being written, one after another. They panic where a value is too long: the only value without a bound
// is a list of elements, and that is cut into several.
type attributes struct{ wire netlink.Attributes }

func (a *attributes) bytes(attribute uint16, value []byte)  { a.wire.Bytes(attribute, value) }
func (a *attributes) text(attribute uint16, value string)   { a.wire.Text(attribute, value) }
func (a *attributes) u32(attribute uint16, value uint32)    { a.wire.U32(attribute, value) }
func (a *attributes) u64(attribute uint16, value uint64)    { a.wire.U64(attribute, value) }
func (a *attributes) nest(attribute uint16, content func()) { a.wire.Nest(attribute, content) }
func (a *attributes) open(attribute uint16) int             { return a.wire.Open(attribute) }
func (a *attributes) close(at int)                          { a.wire.Close(at) }

func parse(b []byte, visit func(attribute uint16, value []byte) error) error {
	return netlink.Parse(b, visit)
}

func parseFlagged(b []byte, visit func(attribute uint16, value []byte) error) error {
	return netlink.ParseFlagged(b, visit)
}

func nested(b []byte, attribute uint16, visit func(attribute uint16, value []byte) error) error {
	return netlink.Nested(b, attribute, visit)
}

func find(b []byte, attribute uint16) ([]byte, error) { return netlink.Find(b, attribute) }
func parseU32(value []byte, into *uint32) error       { return netlink.ParseU32(value, into) }
func parseU64(value []byte, into *uint64) error       { return netlink.ParseU64(value, into) }
func parseText(value []byte, into *string) error      { return netlink.ParseText(value, into) }
func padded(n int) int                                { return netlink.Padded(n) }
