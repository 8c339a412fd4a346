package nft

import (
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// forwarders are how other proxies forward what comes to a port of the node's addresses.
var forwarders = map[string]func(n *node, port uint16, to netip.AddrPort){
	"nftables": func(n *node, port uint16, to netip.AddrPort) {
		v := viewOf(to.Addr())
		translate := v.only(
			rule{loadDestinationType(firstRegister), equal(firstRegister, number(unix.RTN_LOCAL))},
			append(load(dport()), equal(firstRegister, network.AppendUint16(nil, port))),
			rule{
				loadConstant(to.Addr().AsSlice(), firstRegister),
				loadConstant(network.AppendUint16(nil, to.Port()), firstRegister+v.registers),
				translateTo(uint32(v.protocol), firstRegister, firstRegister+v.registers),
			},
		)
		b := newBatch(fmt.Sprint("other", port, v.family))
		b.addTable(0)
		b.addWholeChain(chain{"prerouting", &hook{"nat", hookPrerouting, -100}, []rule{translate}})
		mustCommit(n.t, openIn(n.t, n.Node.Namespace), b)
	},
	"iptables-nft":    func(n *node, port uint16, to netip.AddrPort) { n.iptables("tables-nft", port, to) },
	"iptables-legacy": func(n *node, port uint16, to netip.AddrPort) { n.iptables("tables-legacy", port, to) },
}

func viewOf(a netip.Addr) view {
	return views[slices.IndexFunc(views[:], func(v view) bool { return v.family == familyOf(a) })]
}

func (n *node) iptables(kind string, port uint16, to netip.AddrPort) {
	n.t.Helper()
	command := map[Family]string{IPv4: "ip", IPv6: "ip6"}[familyOf(to.Addr())] + kind
	if _, err := exec.LookPath(command); err != nil {
		n.t.Skipf("needs %s: make system-packages", command)
	}
	for _, protocol := range []Protocol{TCP, UDP} {
		args := fmt.Sprintf("-w -t nat -A PREROUTING -m addrtype --dst-type LOCAL -p %s --dport %d -j DNAT --to-destination %s", protocol, port, to)
		var out []byte
		err := n.Node.Do(func() (err error) {
			out, err = exec.CommandContext(n.t.Context(), command, strings.Fields(args)...).CombinedOutput()
			return err
		})
		if err != nil {
			n.t.Fatalf("%s %s: %v\n%s", command, args, err, out)
		}
	}
}

func TestTheGuardComesBeforeWhoeverForwards(t *testing.T) {
	for name, forward := range forwarders {
		for _, rules := range []Rules{{Closed: closedPorts}, {GuardOnly: true, Closed: closedPorts}} {
			for later, both := range map[string]func(first, second func()){
				"it came first": func(guard, other func()) { guard(); other() },
				"it came later": func(guard, other func()) { other(); guard() },
			} {
				t.Run(fmt.Sprintf("%s/guard only %t/%s", name, rules.GuardOnly, later), func(t *testing.T) {
					n := newNode(t, 2)
					n.dropWords()
					if err := n.kernel.Remove(); err != nil {
						t.Fatal(err)
					}
					n.rules = rules
					both(
						func() { n.install(allAccess(n)...) },
						func() {
							for _, port := range []uint16{openPort, clientPort, unusedPort} {
								forward(n, port, netip.AddrPortFrom(n.Pods[0].IPv4, podPort))
								forward(n, port, netip.AddrPortFrom(n.Pods[0].IPv6, podPort))
							}
						},
					)
					n.testForwarded(t, n.addressing(IPv4))
					n.testForwarded(t, n.addressing(IPv6))
				})
			}
		}
	}
}

// testForwarded sends packets to ports that another proxy sends to pod0. One that kept a word would be dropped.
func (n *node) testForwarded(t *testing.T, a addressing) {
	forwarded := fmt.Sprint("sent to ", netip.AddrPortFrom(a.pods[0], podPort))
	for protocol, denied := range map[Protocol]string{TCP: "refused", UDP: "dropped"} {
		for _, c := range []struct {
			name, from string
			port       uint16
			want       string
		}{
			{"not guarded", "client", openPort, forwarded},
			{"granted", "client", clientPort, forwarded},
			{"not granted", "pod1", clientPort, denied},
			{"closed", "client", unusedPort, denied},
		} {
			t.Run(fmt.Sprintf("%s/%s/%s", c.name, a.family, protocol), func(t *testing.T) {
				t.Parallel()
				timeout := patience
				if c.want == string(Dropped) {
					timeout = silence
				}
				got, err := n.ask(n.host(c.from), protocol, netip.AddrPortFrom(a.node, c.port), timeout)
				if err != nil || got != c.want {
					t.Errorf("a packet was %s, error %v; want %s", got, err, c.want)
				}
			})
		}
	}
}
