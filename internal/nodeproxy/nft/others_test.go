package nft

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// otherProxy makes another table, which sends what goes to an address to a pod, at the usual priorities, and masquerades
// whatever leaves for outside.
func (n *node) otherProxy(a addressing, address netip.Addr, pod int) {
	n.t.Helper()
	v := viewOf(a.node)
	to := netip.AddrPortFrom(a.pods[pod], podPort)
	translate := v.only(
		rule{v.daddr().load(firstRegister), equal(firstRegister, address.AsSlice())},
		rule{
			loadConstant(to.Addr().AsSlice(), firstRegister),
			loadConstant(network.AppendUint16(nil, to.Port()), firstRegister+v.registers),
			translateTo(uint32(v.protocol), firstRegister, firstRegister+v.registers),
		},
	)
	b := newBatch(fmt.Sprint("other", a.family))
	b.addTable(0)
	for name, number := range map[string]uint32{"prerouting": hookPrerouting, "output": hookOutput} {
		b.addWholeChain(chain{name, &hook{"nat", number, -100}, []rule{translate}})
	}
	b.addWholeChain(chain{"postrouting", &hook{"nat", hookPostrouting, 100}, []rule{
		append(metaIs(unix.NFT_META_OIFNAME, append([]byte(testnet.ClientInterface), make([]byte, 16-len(testnet.ClientInterface))...)), masquerade()),
	}})
	mustCommit(n.t, openIn(n.t, n.Node.Namespace), b)
}

func TestClusterIPsThatOthersServeAreLeftToThem(t *testing.T) {
	for name, theyComeLater := range map[string]bool{"they were there before": false, "they came later": true} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, 3)
			four, six := n.addressing(IPv4), n.addressing(IPv6)
			n.Node.Address("lo", four.cluster(3).String()+"/32", six.cluster(3).String()+"/128") // as IPVS has them
			n.Node.Serve(80)
			n.Client.Address("lo", four.cluster(4).String()+"/32", six.cluster(4).String()+"/128") // whatever leaves is answered
			n.Client.Serve(80)
			others := func() {
				n.otherProxy(four, four.cluster(2), 1)
				n.otherProxy(six, six.cluster(2), 1)
			}
			if !theyComeLater {
				others()
				if err := n.kernel.Remove(); err != nil {
					t.Fatal(err)
				}
			}
			elements := slices.Concat(four.basics(), six.basics())
			for _, a := range []addressing{four, six} {
				elements = append(elements, slices.Concat(a.list(1, 0), a.service(1, Word{Balance(1), 1}))...)
			}
			n.install(elements...)
			if theyComeLater {
				others()
			}
			n.testBesideOthers(t, four)
			n.testBesideOthers(t, six)
		})
	}
}

// testBesideOthers sends packets to cluster IPs of ours (1), of another proxy (2), of the node (3) and of nobody (4, 5).
func (n *node) testBesideOthers(t *testing.T, a addressing) {
	at := func(service int, port uint16) netip.AddrPort { return netip.AddrPortFrom(a.cluster(service), port) }
	to := func(pod int) string { return fmt.Sprint("sent to ", netip.AddrPortFrom(a.pods[pod], podPort)) }
	for _, c := range []struct {
		name string
		from *testnet.Host
		to   netip.AddrPort
		want string
	}{
		{"ours, from a pod", n.Pods[2], at(1, 80), to(0)},
		{"another port of ours, from a pod", n.Pods[2], at(1, 81), "refused"},
		{"another proxy's, from outside", n.Client, at(2, 80), to(1)},
		{"another proxy's, from a pod", n.Pods[2], at(2, 80), to(1)},
		{"another proxy's, from the node", n.Node, at(2, 80), to(1)},
		{"the node's, from outside", n.Client, at(3, 80), "answered by node"},
		{"the node's, from a pod", n.Pods[2], at(3, 80), "answered by node"},
		{"nobody's, from outside", n.Client, at(5, 80), "dropped"},
		{"nobody's, from a pod", n.Pods[2], at(4, 80), "dropped"},
		{"nobody's, from the node", n.Node, at(4, 80), "dropped"},
	} {
		for _, protocol := range []Protocol{TCP, UDP} {
			t.Run(fmt.Sprintf("%s/%s/%s", c.name, a.family, protocol), func(t *testing.T) {
				t.Parallel()
				timeout := patience
				if c.want == string(Dropped) {
					timeout = silence
				}
				if got, err := n.ask(c.from, protocol, c.to, timeout); err != nil || got != c.want {
					t.Errorf("a packet was %s, error %v; want %s", got, err, c.want)
				}
			})
		}
	}
}
