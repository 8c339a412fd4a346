package nft

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/netlink"
)

func FuzzWhatTheKernelSendsIsReadOrRefused(f *testing.F) {
	b := newBatch("t")
	b.addElements("s", all(entry{key: []byte{1, 2, 3, 4}, end: []byte{1, 2, 3, 5}, value: []byte{5}}, entry{key: []byte{1}, chain: "c", closing: true}))
	b.addRule("c", rule{loadMeta(unix.NFT_META_NFPROTO, firstRegister), goTo("d")})
	f.Add(b.finish())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, wire []byte) {
		size := 0
		_ = netlink.Messages(wire, func(m netlink.Message) error {
			size += netlink.MessageHeader + len(m.Body)
			body := m.Body[min(netlink.FamilyHeader, len(m.Body)):]
			_, _, _ = parseObject(ruleObjects, body)
			_, _ = parseSet(body)
			_ = covers(body, body)
			return parseElements(body, func(e entry) error {
				size -= len(e.key) + len(e.value) + len(e.end) + len(e.chain)
				return nil
			})
		})
		if size < 0 || size > len(wire) {
			t.Errorf("read %d bytes more than there were", max(-size, size-len(wire)))
		}
	})
}
