package format

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/cli/export/inventory"
	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

const (
	patience = 10 * time.Second
	// silence is how long nothing is taken for nothing to come.
	silence = 300 * time.Millisecond
)

// guarded is two nodes behind a router with a firewall, and what may come to them.
func guarded(s *testnet.Site) *inventory.Inventory {
	open, closed := uint16(30080), []string{"203.0.113.0/24", "2001:db8:1::/48"}
	client := []string{s.Client.IPv4.String() + "/32", s.Client.IPv6.String() + "/128"}
	inv := &inventory.Inventory{}
	var ipv4, ipv6 []string
	for _, pod := range s.Pods {
		ipv4, ipv6 = append(ipv4, pod.IPv4.String()), append(ipv6, pod.IPv6.String())
		inv.Nodes = append(inv.Nodes, at(pod.Name, pod.IPv4.String(), pod.IPv6.String()))
	}
	add := func(number uint16, protocol corev1.Protocol, doors ...inventory.Door) {
		inv.Ports = append(inv.Ports, inventory.Port{Namespace: "shop", Service: fmt.Sprint("web-", number), Protocol: protocol, Port: 80, Number: int32(number), Nodes: inv.Nodes, Doors: doors})
	}
	add(open, corev1.ProtocolTCP, door([]string{"0.0.0.0/0"}, ipv4...), door([]string{"::/0"}, ipv6...))
	add(30081, corev1.ProtocolUDP, door(client[:1], ipv4...), door(client[1:], ipv6...))
	add(30082, corev1.ProtocolTCP, door(closed[:1], ipv4...), door(closed[1:], ipv6...))
	add(30083, corev1.ProtocolTCP, door([]string{"0.0.0.0/0"}, ipv4[0]), door([]string{"::/0"}, ipv6[0]))
	return inv
}

// configuration is a file of nftables with the router's own part as docs/howto/firewall.md has it, where the export is in dir.
func configuration(t *testing.T, dir string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "docs", "howto", "firewall.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "```\ninclude \"/etc/nftables/")
	part, _, ends := strings.Cut(rest, "```\n")
	if !found || !ends {
		t.Fatal("the page has no configuration that includes the export")
	}
	return file(t, "nftables.conf", fmt.Appendf(nil, "flush ruleset\ninclude \"%s/%s", dir, part))
}

func TestTheFirewallStartsBeforeTheFirstExport(t *testing.T) {
	nft := newConsumer(t, "nft")
	nft.run(t, "-f", configuration(t, t.TempDir()))
	if chain := nft.run(t, "list", "chain", "inet", "filter", "forward"); !strings.Contains(chain, "policy drop") {
		t.Errorf("it has\n%s", chain)
	}
}

func TestAFirewallLetsThroughWhatIsListedAndNothingElse(t *testing.T) {
	for _, test := range []struct {
		name string
		load func(t *testing.T, router *testnet.Namespace, inv *inventory.Inventory)
	}{
		{"nftables", func(t *testing.T, router *testnet.Namespace, inv *inventory.Inventory) {
			nft := newConsumer(t, "nft")
			nft.namespace = router
			text := written(t, "nftables", inv, Options{}).Bytes
			nft.run(t, "-f", configuration(t, filepath.Dir(file(t, "portolan.nft", text))))
		}},
		{"iptables", func(t *testing.T, router *testnet.Namespace, inv *inventory.Inventory) {
			text := file(t, "portolan.rules", written(t, "iptables", inv, Options{}).Bytes)
			for _, program := range []string{"iptables", "ip6tables"} {
				iptables, restore := newConsumer(t, program), newConsumer(t, program+"-restore")
				iptables.namespace, restore.namespace = router, router
				restore.run(t, "--noflush", text)
				iptables.run(t, "-P", "FORWARD", "DROP")
				iptables.run(t, "-A", "FORWARD", "-m", "conntrack", "--ctstate", "ESTABLISHED,RELATED", "-j", "ACCEPT")
				iptables.run(t, "-A", "FORWARD", "-j", "PORTOLAN")
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := testnet.NewSite(t, 2)
			for _, pod := range s.Pods {
				for number := uint16(30080); number <= 30084; number++ {
					pod.Serve(number)
				}
			}
			test.load(t, s.Node.Namespace, guarded(s))
			for _, knock := range []struct {
				network string
				number  uint16
				passes  [2]bool // to either node
			}{
				{"tcp", 30080, [2]bool{true, true}},
				{"udp", 30080, [2]bool{}}, // another protocol
				{"udp", 30081, [2]bool{true, true}},
				{"tcp", 30082, [2]bool{}}, // for others
				{"tcp", 30083, [2]bool{true, false}},
				{"tcp", 30084, [2]bool{}}, // of no Service
			} {
				for i, pod := range s.Pods {
					for _, a := range []netip.Addr{pod.IPv4, pod.IPv6} {
						wait := silence
						if knock.passes[i] {
							wait = patience
						}
						echo, err := s.Client.Ask(t.Context(), knock.network, netip.AddrPortFrom(a, knock.number), wait)
						if passes := err == nil && echo.Host == pod.Name; passes != knock.passes[i] {
							t.Errorf("%s to %s %d: %v, %v, want it through: %t", knock.network, a, knock.number, echo, err, knock.passes[i])
						}
					}
				}
			}
		})
	}
}
