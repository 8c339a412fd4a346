package nft

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestAttributesAreReadAsTheyWereWritten(t *testing.T) {
	var a attributes
	a.text(1, "ab")
	a.u32(2, 7)
	a.nest(3, func() {
		a.u64(4, 1<<40)
		a.bytes(5, []byte{1})
	})
	if len(a.wire)%4 != 0 {
		t.Errorf("%d bytes are no multiple of four", len(a.wire))
	}

	var text string
	var small uint32
	var large uint64
	var raw []byte
	err := parse(a.wire, func(attribute uint16, value []byte) error {
		switch attribute {
		case 1:
			return parseText(value, &text)
		case 2:
			return parseU32(value, &small)
		}
		return nil
	})
	if err == nil {
		err = nested(a.wire, 3, func(attribute uint16, value []byte) error {
			if attribute == 4 {
				return parseU64(value, &large)
			}
			raw = value
			return nil
		})
	}
	if err != nil || text != "ab" || small != 7 || large != 1<<40 || !bytes.Equal(raw, []byte{1}) {
		t.Errorf("got %q, %d, %d, %v, error %v", text, small, large, raw, err)
	}
}

func TestAnAttributeThatIsTooLongIsNotCutOff(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("its length has 16 bits, and it was written")
		}
	}()
	var a attributes
	a.text(1, strings.Repeat("x", longestAttribute))
}

func TestParseRefusesWhatIsMalformed(t *testing.T) {
	for _, c := range []struct {
		name string
		wire []byte
	}{
		{"less than a header", []byte{4, 0, 1}},
		{"a length below that of the header", host.AppendUint16(nil, 3)},
		{"a length of nothing", make([]byte, 8)},
		{"a length past the end", append(host.AppendUint16(nil, 9), 0, 0, 0, 0, 0, 0)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := parse(c.wire, func(uint16, []byte) error { return nil }); !errors.Is(err, errMalformed) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func FuzzWhatTheKernelSendsIsReadOrRefused(f *testing.F) {
	b := newBatch("t")
	b.addElements("s", all(entry{key: []byte{1, 2, 3, 4}, end: []byte{1, 2, 3, 5}, value: []byte{5}}, entry{key: []byte{1}, chain: "c", closing: true}))
	b.addRule("c", rule{loadMeta(unix.NFT_META_NFPROTO, firstRegister), goTo("d")})
	f.Add(b.finish())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, wire []byte) {
		size := 0
		_ = messages(wire, func(m message) error {
			size += messageHeader + len(m.body)
			_, _ = parseAnswer(m)
			return readMessage(m, func(body []byte) error {
				_, _, _ = parseObject(ruleObjects, body)
				_, _ = parseSet(body)
				_ = covers(body, body)
				return parseElements(body, func(e entry) error {
					size -= len(e.key) + len(e.value) + len(e.end) + len(e.chain)
					return nil
				})
			})
		})
		if size < 0 || size > len(wire) {
			t.Errorf("read %d bytes more than there were", max(-size, size-len(wire)))
		}
	})
}

func TestFindIsTheFirstOfItsType(t *testing.T) {
	var a attributes
	a.bytes(1, []byte("a"))
	a.bytes(2, []byte("b"))
	a.bytes(2, []byte("c"))
	for attribute, want := range map[uint16][]byte{1: []byte("a"), 2: []byte("b"), 3: nil} {
		got, err := find(a.wire, attribute)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%d: error %v (-want +got):\n%s", attribute, err, diff)
		}
	}
}
