package conntrack

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/netlink"
	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

const (
	messageNew       = 0 // IPCTNL_MSG_CT_NEW
	attributeTimeout = 7 // CTA_TIMEOUT
)

// made is an entry as a test makes it, without a packet.
type made struct {
	protocol       Protocol
	client         netip.AddrPort
	sentTo, sentOn netip.AddrPort
	zone           uint16
}

// write appends the request to make the entry.
func (m made) write(a *netlink.Attributes, sequence int) {
	at := a.Begin(netlink.Header{
		Kind:     unix.NFNL_SUBSYS_CTNETLINK<<8 | messageNew,
		Flags:    unix.NLM_F_CREATE | unix.NLM_F_EXCL,
		Sequence: uint32(sequence),
		Family:   familyOf(m.client.Addr()),
	})
	writeTuple(a, attributeOriginal, m.protocol, m.client, m.sentTo)
	writeTuple(a, attributeReply, m.protocol, m.sentOn, m.client)
	a.U32(attributeTimeout, 3600)
	if m.zone != 0 {
		a.U16(attributeZone, m.zone)
	}
	a.End(at)
}

func writeTuple(a *netlink.Attributes, attribute uint16, protocol Protocol, from, to netip.AddrPort) {
	source, destination := uint16(source4), uint16(destination4)
	if !from.Addr().Is4() {
		source, destination = source6, destination6
	}
	a.Nest(attribute, func() {
		a.Nest(tupleAddresses, func() {
			a.Bytes(source, from.Addr().AsSlice())
			a.Bytes(destination, to.Addr().AsSlice())
		})
		a.Nest(tupleTransport, func() {
			a.U8(transportProtocol, uint8(protocol))
			a.U16(sourcePort, from.Port())
			a.U16(destinationPort, to.Port())
		})
	})
}

// fill makes entries, which must not be there.
func fill(tb testing.TB, t *Table, entries ...made) {
	tb.Helper()
	for from := 0; from < len(entries); from += sentTogether {
		var wire netlink.Attributes
		for i, m := range entries[from:min(from+sentTogether, len(entries))] {
			m.write(&wire, from+i)
		}
		if err := t.socket.Send(wire); err != nil {
			tb.Fatal(err)
		}
		err := t.socket.Answers(func(a netlink.Answer) { tb.Errorf("%+v: %v (%s)", entries[a.Sequence], a.Errno, a.Text) })
		if err != nil {
			tb.Fatal(err)
		}
	}
}

func at(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }

func TestTheKernelDeletesWhatMatches(t *testing.T) {
	table := openTable(t, testnet.New(t))
	for _, c := range matchCases {
		t.Run(c.name, func(t *testing.T) {
			fill(t, table, c.entry)
			if before := len(table.entries(t, c.entry.protocol)); before != 1 {
				t.Fatalf("there are %d entries", before)
			}
			want := 0
			if c.want {
				want = 1
			}
			if got, err := table.Delete([]Flow{c.flow}); err != nil || got.Total() != want {
				t.Errorf("%v entries were deleted, error %v; want %d", got, err, want)
			}
			if left := len(table.entries(t, c.entry.protocol)); left != 1-want {
				t.Errorf("%d entries are left", left)
			}
			table.flush(t)
		})
	}
}

// flush deletes all entries.
func (t *Table) flush(tb testing.TB) {
	tb.Helper()
	var a netlink.Attributes
	a.End(a.Begin(netlink.Header{Kind: unix.NFNL_SUBSYS_CTNETLINK<<8 | messageDelete}))
	if err := t.socket.Send(a); err != nil {
		tb.Fatal(err)
	}
}

func TestAnEntryThatIsMadeWhileAnotherIsBeingDeletedStays(t *testing.T) {
	table := openTable(t, testnet.New(t))
	old := made{UDP, at("192.0.2.9:9"), at("10.96.0.1:53"), at("10.0.0.1:53"), 0}
	for _, c := range []struct {
		name  string
		later made
	}{
		{"of the same client, to another endpoint", made{UDP, old.client, old.sentTo, at("10.0.0.2:53"), 0}},
		{"of the same client, to the same endpoint by another way", made{UDP, old.client, old.sentOn, old.sentOn, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			fill(t, table, old)
			var found removal
			mustAsk(t, table, query{unix.AF_INET, UDP, 0}, func(e *entry) { found.add(e) })
			table.flush(t)
			fill(t, table, c.later)
			if deleted, err := found.send(table.socket); err != nil || len(deleted) != 0 {
				t.Errorf("%v entries were deleted, error %v; want none", deleted, err)
			}
			if diff := cmp.Diff([]string{fmt.Sprintf("%s -> %s", c.later.sentTo, c.later.sentOn)}, table.entries(t, UDP)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			table.flush(t)
		})
	}
}

func mustAsk(tb testing.TB, t *Table, q query, visit func(*entry)) {
	tb.Helper()
	var e entry
	err := t.socket.Ask(q.request(), func(body []byte) error {
		err := e.parse(body)
		visit(&e)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
}
