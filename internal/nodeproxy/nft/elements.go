package nft

import (
	"iter"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/netlink"
)

// entry is an element of a set as the kernel has it: bytes.
type entry struct {
	key []byte
	// end: the last key of a range, in a set with an interval and several fields.
	end []byte
	// closing: key is the first one after a range, in a set with an interval and one field; the range began at the
	// entry before. A range up to the last key of all has no such entry.
	closing bool
	// value is what a map has for the key, chain where a verdict map goes to.
	value []byte
	chain string
	// packets are those that an element with a counter has counted; it is not written.
	packets uint64
}

// addElements adds elements that must not be there.
func (b *batch) addElements(set string, entries iter.Seq[entry]) {
	b.elements(unix.NFT_MSG_NEWSETELEM, unix.NLM_F_CREATE|unix.NLM_F_EXCL, set, entries)
}

// deleteElements deletes elements that must be there, by their keys.
func (b *batch) deleteElements(set string, entries iter.Seq[entry]) {
	b.elements(unix.NFT_MSG_DELSETELEM, 0, set, entries)
}

// flushSet deletes all elements of a set.
func (b *batch) flushSet(set string) {
	b.message(unix.NFT_MSG_DELSETELEM, 0, func() {
		b.text(unix.NFTA_SET_ELEM_LIST_TABLE, b.table)
		b.text(unix.NFTA_SET_ELEM_LIST_SET, set)
	})
}

// elements writes as many messages as it takes: a list of elements is one attribute, and holds less than 64 KiB.
func (b *batch) elements(kind, flags uint16, set string, entries iter.Seq[entry]) {
	const none = -1
	list := none
	for e := range entries {
		if list == none {
			list = b.startList(kind, flags, set)
		}
		before := len(b.wire)
		e.write(&b.attributes)
		if len(b.wire)-list > netlink.LongestAttribute {
			b.wire = b.wire[:before]
			b.endList(list)
			list = b.startList(kind, flags, set)
			e.write(&b.attributes)
		}
	}
	if list != none {
		b.endList(list)
	}
}

func (b *batch) startList(kind, flags uint16, set string) int {
	b.start(kind, flags)
	b.text(unix.NFTA_SET_ELEM_LIST_TABLE, b.table)
	b.text(unix.NFTA_SET_ELEM_LIST_SET, set)
	return b.open(unix.NFTA_SET_ELEM_LIST_ELEMENTS | unix.NLA_F_NESTED)
}

func (b *batch) endList(list int) {
	b.close(list)
	b.end()
}

func (e *entry) write(a *attributes) {
	element := a.open(unix.NFTA_LIST_ELEM | unix.NLA_F_NESTED)
	if e.closing {
		a.u32(unix.NFTA_SET_ELEM_FLAGS, unix.NFT_SET_ELEM_INTERVAL_END)
	}
	writeData(a, unix.NFTA_SET_ELEM_KEY, e.key)
	if e.end != nil {
		writeData(a, elementKeyEnd, e.end)
	}
	switch {
	case e.chain != "":
		writeVerdict(a, unix.NFTA_SET_ELEM_DATA, unix.NFT_GOTO, e.chain)
	case e.value != nil:
		writeData(a, unix.NFTA_SET_ELEM_DATA, e.value)
	}
	a.close(element)
}

// parseElements calls visit for each element of an answer to NFT_MSG_GETSETELEM. The slices are parts of it.
func parseElements(body []byte, visit func(entry) error) error {
	return nested(body, unix.NFTA_SET_ELEM_LIST_ELEMENTS, func(_ uint16, element []byte) error {
		e, err := parseEntry(element)
		if err != nil {
			return err
		}
		return visit(e)
	})
}

func parseEntry(b []byte) (entry, error) {
	var e entry
	err := parse(b, func(attribute uint16, value []byte) (err error) {
		switch attribute {
		case unix.NFTA_SET_ELEM_KEY:
			e.key, err = find(value, unix.NFTA_DATA_VALUE)
		case elementKeyEnd:
			e.end, err = find(value, unix.NFTA_DATA_VALUE)
		case unix.NFTA_SET_ELEM_DATA:
			err = e.parseValue(value)
		case unix.NFTA_SET_ELEM_FLAGS:
			var flags uint32
			err = parseU32(value, &flags)
			e.closing = flags&unix.NFT_SET_ELEM_INTERVAL_END != 0
		case unix.NFTA_SET_ELEM_EXPR:
			err = e.parseCounter(value)
		}
		return err
	})
	return e, err
}

func (e *entry) parseValue(b []byte) error {
	return parse(b, func(attribute uint16, value []byte) error {
		switch attribute {
		case unix.NFTA_DATA_VALUE:
			e.value = value
		case unix.NFTA_DATA_VERDICT:
			chain, err := find(value, unix.NFTA_VERDICT_CHAIN)
			if err != nil || chain == nil {
				return err
			}
			return parseText(chain, &e.chain)
		}
		return nil
	})
}

// parseCounter reads the counter of an element; other expressions, such as limits, count nothing.
func (e *entry) parseCounter(b []byte) error {
	return nested(b, unix.NFTA_EXPR_DATA, func(attribute uint16, value []byte) error {
		if attribute == unix.NFTA_COUNTER_PACKETS && len(value) == 8 {
			return parseU64(value, &e.packets)
		}
		return nil
	})
}
