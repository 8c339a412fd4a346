package nft

import (
	"net/netip"
	"testing"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

func TestNoPacketIsLostWhenAnotherProxyTakesOver(t *testing.T) {
	n := newNode(t, 2)
	a := n.addressing(IPv4)
	n.otherProxy(a, a.cluster(1), 1)
	elements := append(a.basics(), a.service(1, Word{Balance(1), 1})...)
	elements = append(elements, a.list(1, 0)...)
	n.install(elements...)
	n.flood(netip.AddrPortFrom(a.cluster(1), 80), []*testnet.Host{n.Pods[0], n.Node}, func() {
		t.Logf("it goes and comes back %d times", while(0, func(int) {
			if err := n.kernel.Remove(); err != nil {
				t.Error(err)
			}
			n.install(elements...)
		}))
	})
}
