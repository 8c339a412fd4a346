package nft

import (
	"bytes"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/netlink"
)

// covers says whether what the kernel lists of an object has all attributes that are wanted of it, as often and in the
// order of each type. The kernel lists others beside them: handles, counts, what it made of defaults.
//
// Where it is mistaken for "no", as it may be on a kernel that lists a thing in another way, what is there is written
// again; no more than that.
func covers(have, want []byte) bool {
	wanted, err := valuesOf(want)
	if err != nil {
		return false
	}
	present, err := valuesOf(have)
	if err != nil {
		return false
	}
	for attribute, values := range wanted {
		if !sameValues(present[attribute], values) {
			return false
		}
	}
	return true
}

// value is the value of an attribute; nested, if it is flagged as attributes again.
type value struct {
	nested bool
	bytes  []byte
}

func valuesOf(b []byte) (map[uint16][]value, error) {
	values := map[uint16][]value{}
	err := parseFlagged(b, func(attribute uint16, v []byte) error {
		of := attribute &^ netlink.AttributeFlags
		values[of] = append(values[of], value{attribute&unix.NLA_F_NESTED != 0, v})
		return nil
	})
	return values, err
}

// sameValues goes by the flags of what is wanted: older kernels leave theirs out.
func sameValues(have, want []value) bool {
	if len(have) != len(want) {
		return false
	}
	for i, w := range want {
		same := bytes.Equal(have[i].bytes, w.bytes)
		if w.nested {
			same = covers(have[i].bytes, w.bytes)
		}
		if !same {
			return false
		}
	}
	return true
}
