package conntrack

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/portolan-dev/portolan/internal/nodeproxy/netlink"
)

// wire is what the kernel says of an entry, as far as that is what one says to make it.
func (m made) wire() []byte {
	var a netlink.Attributes
	m.write(&a, 0)
	a.U32(attributeID, 0x01020304)
	return a[netlink.MessageHeader+netlink.FamilyHeader:]
}

func TestAnEntryIsRead(t *testing.T) {
	for _, m := range []made{
		udp("10.96.0.1:53", "10.0.0.1:8080"),
		udp("[fd00::1]:53", "[fd00::2]:8080"),
		tracked(SCTP, "10.96.0.1:53", "10.0.0.1:8080"),
		inZone(udp("10.96.0.1:53", "10.0.0.1:8080")),
	} {
		var got entry
		if err := got.parse(m.wire()); err != nil {
			t.Fatal(err)
		}
		want := entry{protocol: m.protocol, source: m.client.Addr(), sentTo: m.sentTo, sentOn: m.sentOn, zone: m.zone, id: []byte{1, 2, 3, 4}}
		options := []cmp.Option{cmp.AllowUnexported(entry{}), cmpopts.EquateComparable(m.sentTo, m.client.Addr()), cmpopts.IgnoreFields(entry{}, "answers")}
		if diff := cmp.Diff(want, got, options...); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", m, diff)
		}
		if len(got.answers) == 0 {
			t.Errorf("%+v: without the tuple of the answers", m)
		}
	}
}

func TestAZoneOfOneDirectionIsOneOfTheEntry(t *testing.T) {
	for _, direction := range []uint16{attributeOriginal, attributeReply} {
		var a netlink.Attributes
		a.Nest(direction, func() { a.U16(tupleZone, 9) })
		var e entry
		if err := e.parse(a); err != nil || e.zone != 9 {
			t.Errorf("got %d, error %v", e.zone, err)
		}
	}
}

func TestWhatIsNoEntryIsRefused(t *testing.T) {
	in := func(parts []uint16, attribute uint16, value []byte) []byte {
		var a netlink.Attributes
		a.Bytes(attribute, value)
		for _, part := range slices.Backward(parts) {
			var outer netlink.Attributes
			outer.Bytes(part, a)
			a = outer
		}
		return a
	}
	addresses, transport := []uint16{attributeOriginal, tupleAddresses}, []uint16{attributeReply, tupleTransport}
	for _, c := range []struct {
		name string
		wire []byte
	}{
		{"an IPv4 address of 16 bytes", in(addresses, source4, make([]byte, 16))},
		{"an IPv6 address of 4 bytes", in(addresses, destination6, make([]byte, 4))},
		{"an address of 5 bytes", in(addresses, destination4, make([]byte, 5))},
		{"a protocol of 2 bytes", in(transport, transportProtocol, make([]byte, 2))},
		{"a port of 1 byte", in(transport, sourcePort, make([]byte, 1))},
		{"a port of 4 bytes", in(transport, destinationPort, make([]byte, 4))},
		{"a zone of 4 bytes", in(nil, attributeZone, make([]byte, 4))},
		{"a tuple that is cut off", udp("10.96.0.1:53", "10.0.0.1:53").wire()[:30]},
	} {
		t.Run(c.name, func(t *testing.T) {
			var e entry
			if err := e.parse(c.wire); !errors.Is(err, netlink.ErrMalformed) {
				t.Errorf("got %+v, error %v", e, err)
			}
		})
	}
}

func FuzzAnEntryIsReadOrRefused(f *testing.F) {
	for _, c := range matchCases {
		f.Add(c.entry.wire())
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		var e entry
		if e.parse(wire) != nil || e.answers == nil {
			return
		}
		// What has been read can be asked to be deleted, and the kernel would see the same tuple.
		var r removal
		r.add(&e)
		err := netlink.Messages(r.wire, func(m netlink.Message) error {
			var again entry
			err := again.parse(m.Body[netlink.FamilyHeader:])
			if again.sentOn != e.sentOn {
				t.Errorf("%s is read, %s written", e.sentOn, again.sentOn)
			}
			return err
		})
		if err != nil {
			t.Errorf("what was read cannot be written: %v", err)
		}
	})
}
