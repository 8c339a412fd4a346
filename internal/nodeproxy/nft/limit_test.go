package nft

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// open begins flows to an address, as many as that, by one datagram each.
func (n *node) open(from *testnet.Host, to netip.AddrPort, flows int) {
	n.t.Helper()
	err := from.Do(func() error {
		for range flows {
			c, err := net.Dial("udp", to.String())
			if err != nil {
				return err
			}
			defer c.Close() // not before the last one is open, so that no port is used twice
			if _, err := c.Write([]byte("!")); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		n.t.Fatal(err)
	}
}

// waitForUses waits until as many flows have come to a port, and returns how many there are then.
func (n *node) waitForUses(p Port, atLeast uint64) uint64 {
	n.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if got := n.uses()[p]; got >= atLeast {
			return got
		}
		if time.Now().After(end) {
			n.t.Fatalf("%d flows to %s, want %d", n.uses()[p], p, atLeast)
		}
	}
}

func TestALimitIsForEachSource(t *testing.T) {
	n := guardedNode(t)
	n.install(allAccess(n)...)
	port := Port{UDP, limitedPort}
	const perSecond, burst, flows = 2, 3, 40
	began, sources := time.Now(), uint64(0)
	for _, f := range []Family{IPv4, IPv6} {
		to := netip.AddrPortFrom(n.addressing(f).node, limitedPort)
		for _, from := range []*testnet.Host{n.Client, n.Pods[0]} {
			n.open(from, to, flows)
			sources++
			got := n.waitForUses(port, sources*burst)
			if most := sources * (burst + perSecond*(1+uint64(time.Since(began)/time.Second))); got > most {
				t.Errorf("after %s by %s: %d flows have come, want %d at most", from.Name, f, got, most)
			}
		}
	}
}

func TestAnotherLimitBeginsAnew(t *testing.T) {
	n := guardedNode(t)
	n.install(allAccess(n)...)
	to, port := netip.AddrPortFrom(n.Node.IPv4, limitedPort), Port{UDP, limitedPort}
	n.open(n.Client, to, 40)
	used := n.waitForUses(port, 3)
	n.apply(append(allAccess(n), Guarded(IPv4, UDP, limitedPort, 70), Grant(70, netip.MustParsePrefix("0.0.0.0/0"), Limit(1, 50)))...)
	n.open(n.Client, to, 40+int(used)) // which may by chance come from ports that flows of before came from
	n.waitForUses(port, used+40)
}

func TestAConnectionBeyondALimitIsMadeOnceItMay(t *testing.T) {
	n := guardedNode(t)
	n.install(allAccess(n)...)
	to := netip.AddrPortFrom(n.Node.IPv4, limitedPort)
	for i := 0; ; i++ {
		got, err := n.ask(n.Client, TCP, to, silence)
		if err != nil {
			t.Fatal(err)
		}
		if i >= 3 && got == string(Dropped) {
			break
		}
		if got != "answered by node" || i > 100 {
			t.Fatalf("connection %d was %s", i, got)
		}
	}
	if got, err := n.ask(n.Client, TCP, to, patience); err != nil || got != "answered by node" {
		t.Errorf("who waits is %s, error %v", got, err)
	}
}
