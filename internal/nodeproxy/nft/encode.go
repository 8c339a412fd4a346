package nft

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
)

// Elements as the kernel has them.

// entriesOf are the elements of a set as the kernel has them: those of ranges are two where the set has one field.
// Without codes they are keys alone.
func entriesOf(elements []Element, c *codes) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		for i := range elements {
			e := &elements[i]
			first, second := e.Key.entries()
			if c != nil {
				first.value = e.Value.bytes(e.Key.set, c)
			}
			if !yield(first) || second.key != nil && !yield(second) {
				return
			}
		}
	}
}

// entries are the key and, if it takes two, the end of the range. They refer to the key.
func (k *Key) entries() (first, second entry) {
	s := sets[k.set]
	_, length := codeAndLength(s.key)
	first.key = k.bytes[:length]
	if !s.interval {
		return first, second
	}
	last := slices.Clone(first.key)
	setBits(last[len(last)-padded(int(s.key[len(s.key)-1].length)):], int(k.prefix), 1)
	if s.concatenated() {
		first.end = last
	} else if next := neighbour(last, 1); !zero(next) {
		second = entry{key: next, closing: true}
	}
	return first, second
}

// setBits gives all bits from the given one on a value, 0 or 1.
func setBits(b []byte, from int, value byte) {
	for bit := from; bit < 8*len(b); bit++ {
		mask := byte(0x80) >> (bit % 8)
		b[bit/8] = b[bit/8]&^mask | mask*value
	}
}

// neighbour is the number after b, or before it where by is -1; after the last one comes 0.
func neighbour(b []byte, by int8) []byte {
	next := slices.Clone(b)
	for i := len(next) - 1; i >= 0; i-- {
		before := next[i]
		if next[i] += byte(by); by > 0 && next[i] != 0 || by < 0 && before != 0 { //nolint:gosec // -1 is to be 255, which adds up to one less
			break
		}
	}
	return next
}

func zero(b []byte) bool { return !slices.ContainsFunc(b, func(c byte) bool { return c != 0 }) }

// bytes is the value as the kernel has it.
func (v *Value) bytes(id setID, c *codes) []byte {
	switch id.kind {
	case serviceKind, shortCutKind, nodePortKind, shortCutPortKind, grantKind:
		return number(c.code[v.word.Action].word(v.word.List))
	case guardedKind, scopedKind, addressedKind:
		return number(uint32(v.acl))
	case slotKind:
		return number(uint32(v.list))
	case endpointKind:
		_, length := codeAndLength(sets[id].data)
		b := make([]byte, length)
		copy(b, v.address[:length-4])
		network.PutUint16(b[length-4:], v.port)
		return b
	}
	return nil
}

// errForeign is an element that no Element stands for: somebody else has written it.
var errForeign = errors.New("an element that is not ours")

// elementOf is what an entry of a set stands for, but of a set of ranges with one field: see ranges.
func elementOf(id setID, e entry, c *codes) (Element, error) {
	k, err := keyOf(id, e.key)
	if err != nil {
		return Element{}, err
	}
	if s := sets[id]; s.interval {
		if k.prefix, err = prefixOf(s, e.key, e.end); err != nil {
			return Element{}, err
		}
	}
	v, err := valueOf(id, e.value, c)
	return Element{k, v}, err
}

func keyOf(id setID, b []byte) (Key, error) {
	k := Key{set: id}
	if _, length := codeAndLength(sets[id].key); len(b) != int(length) {
		return k, fmt.Errorf("%w: a key of %d bytes in %s", errForeign, len(b), sets[id].name)
	}
	copy(k.bytes[:], b)
	return k, nil
}

func valueOf(id setID, b []byte, c *codes) (Value, error) {
	var v Value
	length := uint32(0)
	if data := sets[id].data; data != nil {
		_, length = codeAndLength(data)
	}
	if len(b) != int(length) {
		return v, fmt.Errorf("%w: a value of %d bytes in %s", errForeign, len(b), sets[id].name)
	}
	switch id.kind {
	case serviceKind, shortCutKind, nodePortKind, shortCutPortKind, grantKind:
		n, list := splitWord(host.Uint32(b))
		action, ok := c.action[n]
		if !ok {
			action = unknown(n)
		}
		v.word = Word{action, list}
	case guardedKind, scopedKind, addressedKind:
		v.acl = ACL(host.Uint32(b))
	case slotKind:
		v.list = List(host.Uint32(b))
	case endpointKind:
		copy(v.address[:], b[:length-4])
		v.port = network.Uint16(b[length-4:])
	}
	return v, nil
}

// prefixOf is how many bits of the last field are the same from first to last, where they are the ends of a prefix.
func prefixOf(s *set, first, last []byte) (uint8, error) {
	width := padded(int(s.key[len(s.key)-1].length))
	begin := len(first) - width
	for bits := 0; bits <= 8*width && len(first) == len(last); bits++ {
		lowest, highest := slices.Clone(first), slices.Clone(first)
		setBits(lowest[begin:], bits, 0)
		setBits(highest[begin:], bits, 1)
		if bytes.Equal(lowest, first) && bytes.Equal(highest, last) {
			return uint8(bits), nil
		}
	}
	return 0, fmt.Errorf("%w: a range that is no prefix in %s", errForeign, s.name)
}

// ranges are those that entries of a set with one field, each a beginning or an end, stand for.
func ranges(id setID, entries []entry) ([]Element, error) {
	entries = slices.SortedFunc(slices.Values(entries), compareEnds)
	var elements []Element
	for len(entries) > 0 {
		first := entries[0]
		entries = entries[1:]
		if first.closing {
			continue // nft writes one before the first range
		}
		k, err := keyOf(id, first.key)
		if err != nil {
			return nil, err
		}
		last := bytes.Repeat([]byte{0xff}, len(first.key))
		if len(entries) > 0 {
			if !entries[0].closing {
				return nil, fmt.Errorf("%w: a range without an end in %s", errForeign, sets[id].name)
			}
			last = neighbour(entries[0].key, -1)
			entries = entries[1:]
		}
		if k.prefix, err = prefixOf(sets[id], first.key, last); err != nil {
			return nil, err
		}
		elements = append(elements, Element{Key: k})
	}
	return elements, nil
}

// compareEnds puts the end of a range before the beginning of one that follows at once.
func compareEnds(a, b entry) int {
	if d := bytes.Compare(a.key, b.key); d != 0 || a.closing == b.closing {
		return d
	}
	if a.closing {
		return -1
	}
	return 1
}

// pickEntries are the elements that lead from codes to chains.
func pickEntries(actions map[code]Action) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		for _, n := range slices.Sorted(maps.Keys(actions)) {
			if !yield(entry{key: number(n.word(0)), chain: actions[n].String()}) {
				return
			}
		}
	}
}

// wordKeys are the keys of elements of maps whose keys are words.
func wordKeys(words []uint32) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		for _, w := range words {
			if !yield(entry{key: number(w)}) {
				return
			}
		}
	}
}
