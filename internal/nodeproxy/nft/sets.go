package nft

import (
	"time"

	"golang.org/x/sys/unix"
)

// datatype is what a key or a value, or one field of it, is. The kernel knows its length only; code is how the nft
// command, which prints it, numbers it.
type datatype struct {
	code, length uint32
}

var (
	typeAddress4  = datatype{7, 4}
	typeAddress6  = datatype{8, 16}
	typeProtocol  = datatype{12, 1}
	typePort      = datatype{13, 2}
	typeNumber    = datatype{19, 4} // nft: mark; in the machine's byte order
	typeInterface = datatype{41, 16}
	typeVerdict   = datatype{unix.NFT_DATA_VERDICT, 0}
)

// How libnftnl writes down the byte order of a set's keys and data.
const (
	hostOrder    = 1
	networkOrder = 2
)

// set describes a set, or a map where it has data.
type set struct {
	name string
	key  []datatype
	data []datatype
	// interval: its elements are prefixes; where the key has several fields, of the last one.
	interval bool
	// dynamic: packets add its elements, which live for timeout unless the rule says otherwise.
	dynamic bool
	timeout time.Duration
	// size is how many elements it takes; 0: any number.
	size uint32
	// counter: each element counts the packets that match it.
	counter bool
}

// codeAndLength are those of a whole key or value. Fields of several begin at a multiple of four bytes, and nft packs
// their codes into six bits each.
func codeAndLength(fields []datatype) (code, length uint32) {
	if len(fields) == 1 {
		return fields[0].code, fields[0].length
	}
	for _, f := range fields {
		code = code<<6 | f.code
		length += uint32(padded(int(f.length))) //nolint:gosec // the length of a field of at most 16 bytes
	}
	return code, length
}

func byteOrder(fields []datatype) uint32 {
	if len(fields) == 1 && fields[0] == typeNumber {
		return hostOrder
	}
	return networkOrder
}

func (s *set) concatenated() bool { return len(s.key) > 1 }

func (s *set) flags() uint32 {
	var flags uint32
	for _, f := range []struct {
		is   bool
		flag uint32
	}{
		{s.concatenated(), setConcatenated},
		{s.interval, unix.NFT_SET_INTERVAL},
		{s.dynamic, unix.NFT_SET_EVAL},
		{s.timeout != 0, unix.NFT_SET_TIMEOUT},
		{len(s.data) > 0, unix.NFT_SET_MAP},
	} {
		if f.is {
			flags |= f.flag
		}
	}
	return flags
}

// addSet makes a set without elements. id is any number that no other set of the batch has: the kernel insists on one.
func (b *batch) addSet(s *set, id uint32) {
	b.message(unix.NFT_MSG_NEWSET, unix.NLM_F_CREATE|unix.NLM_F_EXCL, func() {
		b.text(unix.NFTA_SET_TABLE, b.table)
		b.text(unix.NFTA_SET_NAME, s.name)
		b.u32(unix.NFTA_SET_ID, id)
		s.write(&b.attributes)
	})
}

func (s *set) write(a *attributes) {
	shape := s.shape()
	a.u32(unix.NFTA_SET_FLAGS, shape.flags)
	a.u32(unix.NFTA_SET_KEY_TYPE, shape.key)
	a.u32(unix.NFTA_SET_KEY_LEN, shape.keyLength)
	if len(s.data) > 0 {
		_, length := codeAndLength(s.data)
		a.u32(unix.NFTA_SET_DATA_TYPE, shape.data)
		a.u32(unix.NFTA_SET_DATA_LEN, length)
	}
	if shape.timeout != 0 {
		a.u64(unix.NFTA_SET_TIMEOUT, shape.timeout)
	}
	if s.size != 0 || s.concatenated() {
		a.nest(unix.NFTA_SET_DESC, func() { s.writeDescription(a) })
	}
	a.bytes(unix.NFTA_SET_USERDATA, s.userdata())
	if s.counter {
		a.nest(setExpression, func() { countPackets().write(a) })
	}
}

func (s *set) writeDescription(a *attributes) {
	if s.size != 0 {
		a.u32(unix.NFTA_SET_DESC_SIZE, s.size)
	}
	if !s.concatenated() {
		return
	}
	a.nest(setDescConcat, func() {
		for _, f := range s.key {
			a.nest(unix.NFTA_LIST_ELEM, func() { a.u32(setFieldLength, f.length) })
		}
	})
}

// userdata is for nft alone, which could not print numbers without it.
func (s *set) userdata() []byte {
	data := host.AppendUint32([]byte{setByteOrderKey, 4}, byteOrder(s.key))
	if len(s.data) > 0 {
		data = host.AppendUint32(append(data, setByteOrderData, 4), byteOrder(s.data))
	}
	return data
}

// shape is what a set is made of, apart from its name.
type shape struct {
	flags, key, keyLength, data, size uint32
	timeout                           uint64 // in milliseconds
	counter                           bool
}

func (s *set) shape() shape {
	shape := shape{flags: s.flags(), size: s.size, timeout: uint64(s.timeout.Milliseconds()), counter: s.counter} //nolint:gosec // a timeout of the API, which is positive
	shape.key, shape.keyLength = codeAndLength(s.key)
	if len(s.data) > 0 {
		shape.data, _ = codeAndLength(s.data)
	}
	return shape
}

// present is a set that the kernel has.
type present struct {
	shape
	// counted: the kernel says how many elements it has (Linux 6.17).
	counted bool
	count   uint32
}

// parseSet reads an answer to NFT_MSG_GETSET.
func parseSet(body []byte) (present, error) {
	var p present
	err := parse(body, func(attribute uint16, value []byte) error {
		switch attribute {
		case unix.NFTA_SET_FLAGS: // left out where there are none
			return parseU32(value, &p.flags)
		case unix.NFTA_SET_KEY_TYPE:
			return parseU32(value, &p.key)
		case unix.NFTA_SET_KEY_LEN:
			return parseU32(value, &p.keyLength)
		case unix.NFTA_SET_DATA_TYPE:
			return parseU32(value, &p.data)
		case unix.NFTA_SET_TIMEOUT:
			return parseU64(value, &p.timeout)
		case unix.NFTA_SET_DESC:
			size, err := find(value, unix.NFTA_SET_DESC_SIZE)
			if err != nil || size == nil {
				return err
			}
			return parseU32(size, &p.size)
		case setExpression:
			p.counter = true
		case setCount:
			p.counted = true
			return parseU32(value, &p.count)
		}
		return nil
	})
	return p, err
}

// deleteSet deletes a set that no rule uses any more.
func (b *batch) deleteSet(name string) {
	b.message(unix.NFT_MSG_DELSET, 0, func() {
		b.text(unix.NFTA_SET_TABLE, b.table)
		b.text(unix.NFTA_SET_NAME, name)
	})
}
