package nft

import (
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/netlink"
)

// keysOf reads the keys of all elements that a batch adds, and says how long its messages are.
func keysOf(t *testing.T, b *batch) (keys []string, lengths []int) {
	t.Helper()
	err := netlink.Messages(b.wire, func(m netlink.Message) error {
		if m.Kind&0xff != unix.NFT_MSG_NEWSETELEM {
			return nil
		}
		lengths = append(lengths, len(m.Body)+netlink.MessageHeader)
		return parseElements(m.Body[netlink.FamilyHeader:], func(e entry) error {
			keys = append(keys, string(e.key))
			return nil
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return keys, lengths
}

func TestElementsAreAllThereHoweverMany(t *testing.T) {
	for _, count := range []int{0, 1, 1000, 5000, 70000} {
		for _, size := range []int{4, 5, 40} {
			b := newBatch("t")
			var entries []entry
			var want []string
			for i := range count {
				key := network.AppendUint32(nil, uint32(i))
				key = append(key, make([]byte, size-4)...)
				entries = append(entries, entry{key: key, value: key[:4]})
				want = append(want, string(key))
			}
			b.addElements("s", slices.Values(entries))
			got, lengths := keysOf(t, b)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("%d keys of %d bytes: %d are there", count, size, len(got))
			}
			for _, length := range lengths {
				if length > 1<<16+100 {
					t.Errorf("%d keys of %d bytes: a message of %d bytes", count, size, length)
				}
			}
		}
	}
}

func TestOnlyTheLastMessageAsksForAnAnswer(t *testing.T) {
	b := newBatch("t")
	b.addTable(0)
	b.addChain("c", nil)
	b.addRule("c", rule{returnTo()})
	wire := b.finish()
	var asking, kinds []uint16
	place := 0
	err := netlink.Messages(wire, func(m netlink.Message) error {
		kinds = append(kinds, m.Kind)
		if int(m.Sequence) != place {
			t.Errorf("the message at %d has sequence number %d", place, m.Sequence)
		}
		place += netlink.MessageHeader + len(m.Body)
		if m.Flags&unix.NLM_F_ACK != 0 {
			asking = append(asking, m.Kind)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	const subsystem = unix.NFNL_SUBSYS_NFTABLES << 8
	want := []uint16{unix.NFNL_MSG_BATCH_BEGIN, subsystem | unix.NFT_MSG_NEWTABLE, subsystem | unix.NFT_MSG_NEWCHAIN, subsystem | unix.NFT_MSG_NEWRULE, unix.NFNL_MSG_BATCH_END}
	if diff := cmp.Diff(want, kinds); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]uint16{subsystem | unix.NFT_MSG_NEWRULE}, asking); diff != "" {
		t.Errorf("asking (-want +got):\n%s", diff)
	}
}

func TestARefusalNamesWhatWasRefused(t *testing.T) {
	b := newBatch("t")
	b.addChain("c", nil)
	chain := b.at
	b.addElements("s", all(entry{key: []byte{1, 2}}, entry{key: []byte{3, 4}}))
	elements := b.at
	second := uint32(0)
	for i := range b.wire[elements:] { // the second element is the attribute that has the second key in it
		if strings.HasPrefix(string(b.wire[elements+i:]), "\x03\x04") {
			second = uint32(i - 3*netlink.AttributeHeader)
		}
	}
	for _, c := range []struct {
		name   string
		answer netlink.Answer
		want   string
		owned  bool
	}{
		{"the batch", netlink.Answer{Errno: unix.EPERM}, "nf_tables: operation not permitted", false},
		{"a chain", netlink.Answer{Errno: unix.EEXIST, Sequence: uint32(chain), Text: "there"}, "nf_tables: add chain c: file exists (there)", false},
		{"an element", netlink.Answer{Errno: unix.EEXIST, Sequence: uint32(elements), Offset: second}, "nf_tables: add element s 0304: file exists", false},
		{"a set", netlink.Answer{Errno: unix.ENOENT, Sequence: uint32(elements), Offset: 20}, "nf_tables: add element s: no such file or directory", false},
		{"a place that is none", netlink.Answer{Errno: unix.ENOENT, Sequence: uint32(elements), Offset: 1 << 30}, "nf_tables: add element s: no such file or directory", false},
		{"a message that is none", netlink.Answer{Errno: unix.ENOENT, Sequence: 1 << 30}, "nf_tables: no such file or directory", false},
		{"the owner's table", netlink.Answer{Errno: unix.EPERM, Sequence: uint32(chain)}, "nf_tables: add chain c: operation not permitted: the table belongs to another process", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := b.refusal(c.answer)
			if err.Error() != c.want {
				t.Errorf("got  %s\nwant %s", err, c.want)
			}
			if errors.Is(err, ErrOwned) != c.owned || !errors.Is(err, c.answer.Errno) {
				t.Errorf("%v is ErrOwned: %t, is %v: %t", err, errors.Is(err, ErrOwned), c.answer.Errno, errors.Is(err, c.answer.Errno))
			}
		})
	}
}

func all(entries ...entry) iter.Seq[entry] { return slices.Values(entries) }
