package netlink

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestAttributesAreReadAsTheyWereWritten(t *testing.T) {
	var a Attributes
	a.Text(1, "ab")
	a.U32(2, 7)
	a.Nest(3, func() {
		a.U64(4, 1<<40)
		a.Bytes(5, []byte{1})
	})
	a.U16(6, 0x0102)
	a.U8(7, 3)
	if len(a)%4 != 0 {
		t.Errorf("%d bytes are no multiple of four", len(a))
	}

	type values struct {
		Text   string
		Tiny   uint8
		Short  uint16
		Number uint32
		Long   uint64
		Raw    []byte
	}
	var got values
	err := Parse(a, func(attribute uint16, value []byte) error {
		switch attribute {
		case 1:
			return ParseText(value, &got.Text)
		case 2:
			return ParseU32(value, &got.Number)
		case 6:
			return ParseU16(value, &got.Short)
		case 7:
			return ParseU8(value, &got.Tiny)
		}
		return nil
	})
	if err == nil {
		err = Nested(a, 3, func(attribute uint16, value []byte) error {
			if attribute == 4 {
				return ParseU64(value, &got.Long)
			}
			got.Raw = value
			return nil
		})
	}
	if diff := cmp.Diff(values{"ab", 3, 0x0102, 7, 1 << 40, []byte{1}}, got); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}

func TestAnAttributeThatIsTooLongIsNotCutOff(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("its length has 16 bits, and it was written")
		}
	}()
	var a Attributes
	a.Text(1, strings.Repeat("x", LongestAttribute))
}

func TestParseRefusesWhatIsMalformed(t *testing.T) {
	for _, c := range []struct {
		name string
		wire []byte
	}{
		{"less than a header", []byte{4, 0, 1}},
		{"a length below that of the header", Host.AppendUint16(nil, 3)},
		{"a length of nothing", make([]byte, 8)},
		{"a length past the end", append(Host.AppendUint16(nil, 9), 0, 0, 0, 0, 0, 0)},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := Parse(c.wire, func(uint16, []byte) error { return nil }); !errors.Is(err, ErrMalformed) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestFindIsTheFirstOfItsType(t *testing.T) {
	var a Attributes
	a.Bytes(1, []byte("a"))
	a.Bytes(2, []byte("b"))
	a.Bytes(2, []byte("c"))
	for attribute, want := range map[uint16][]byte{1: []byte("a"), 2: []byte("b"), 3: nil} {
		got, err := Find(a, attribute)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%d: error %v (-want +got):\n%s", attribute, err, diff)
		}
	}
}

func FuzzWhatTheKernelSendsIsReadOrRefused(f *testing.F) {
	var a Attributes
	at := a.Begin(Header{Kind: 1, Sequence: 7, Family: unix.AF_INET})
	a.Nest(1, func() { a.Text(2, "abc") })
	a.End(at)
	f.Add([]byte(a))
	a = nil
	at = a.Begin(Header{Kind: unix.NLMSG_ERROR, Flags: unix.NLM_F_ACK_TLVS | errorCapped})
	a = append(a, make([]byte, MessageHeader)...)
	a.Text(unix.NLMSGERR_ATTR_MSG, "no")
	a.End(at)
	f.Add([]byte(a))
	f.Fuzz(func(t *testing.T, wire []byte) {
		size := 0
		_ = Messages(wire, func(m Message) error {
			size += MessageHeader + len(m.Body)
			_, _ = m.Answer()
			return m.read(FamilyHeader, func(body []byte) error {
				inside := 0
				err := Parse(body, func(_ uint16, value []byte) error {
					inside += AttributeHeader + len(value)
					return nil
				})
				if inside > len(body) {
					t.Errorf("%d bytes of attributes in %d", inside, len(body))
				}
				return err
			})
		})
		if size > len(wire) {
			t.Errorf("%d bytes of messages in %d", size, len(wire))
		}
	})
}

func TestAnErrorIsReadInWords(t *testing.T) {
	request := make([]byte, 24)
	Host.PutUint32(request, uint32(len(request)))
	for _, c := range []struct {
		name    string
		flags   uint16
		request []byte
	}{
		{"with the request's header", unix.NLM_F_ACK_TLVS | errorCapped, request[:MessageHeader]},
		{"with all of the request", unix.NLM_F_ACK_TLVS, request},
	} {
		t.Run(c.name, func(t *testing.T) {
			errno := -int32(unix.ENOENT)
			body := Attributes(append(Host.AppendUint32(nil, uint32(errno)), c.request...))
			body.Text(unix.NLMSGERR_ATTR_MSG, "no such thing")
			body.Bytes(unix.NLMSGERR_ATTR_OFFS, Host.AppendUint32(nil, 20))
			m := Message{Kind: unix.NLMSG_ERROR, Flags: c.flags, Sequence: 3, Body: body}
			got, err := m.Answer()
			if diff := cmp.Diff(Answer{3, unix.ENOENT, "no such thing", 20}, got); diff != "" || err != nil {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
			if err := m.read(FamilyHeader, nil); !errors.Is(err, unix.ENOENT) {
				t.Errorf("at the end of a list: %v", err)
			}
			m.Body = bytes.Clone(body[:len(body)-1])
			if _, err := m.Answer(); !errors.Is(err, ErrMalformed) {
				t.Errorf("cut off: %v", err)
			}
		})
	}
}
