package nft

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// everyRules are Rules of which each differs from the one before, the first from the last too.
var everyRules = []Rules{{}, {IPv4: MasqueradeAll, IPv6: MasqueradeAll}, {IPv6: MasqueradeNone}, {Localhost: 40000}, {Localhost: 40001}, {Closed: closedPorts}}

func TestAClusterIPMasqueradesWhomTheRulesSay(t *testing.T) {
	const (
		plain   = "sent to P0, P1"
		masked  = "sent to P0 (masqueraded), P1 (masqueraded)"
		hairpin = "sent to P0 (masqueraded), P1"
	)
	n := newNode(t, 3)
	elements := append(everyKind(n.addressing(IPv4)), everyKind(n.addressing(IPv6))...)
	for _, c := range []struct {
		name                     string
		masquerade               Masquerading
		client, pod2, pod0, node string
	}{
		{"outside", MasqueradeOutside, masked, plain, hairpin, masked},
		{"all", MasqueradeAll, masked, masked, masked, masked},
		{"none", MasqueradeNone, plain, plain, hairpin, plain},
	} {
		n.rules = Rules{IPv4: c.masquerade, IPv6: c.masquerade}
		n.install(elements...)
		t.Run(c.name, func(t *testing.T) {
			for _, f := range []Family{IPv4, IPv6} {
				a := n.addressing(f)
				cluster, sticky := netip.AddrPortFrom(a.cluster(1), 80), netip.AddrPortFrom(a.cluster(3), 80)
				n.testPackets(t, f,
					packetCase{"from outside", "client", cluster, c.client},
					packetCase{"from a pod", "pod2", cluster, c.pod2},
					packetCase{"from one of its endpoints", "pod0", cluster, c.pod0},
					packetCase{"from the node", "node", cluster, c.node},
					packetCase{"where clients stick, from a pod", "pod2", sticky, c.pod2},
					packetCase{"Cluster: an external IP", "client", netip.AddrPortFrom(a.external(1), 80), masked},
					packetCase{"Local: an external IP", "client", netip.AddrPortFrom(a.external(2), 80), "sent to P0"},
					packetCase{"Local: an external IP from a pod", "pod2", netip.AddrPortFrom(a.external(2), 80), plain},
					packetCase{"Local: a node port from the node", "node", netip.AddrPortFrom(a.node, 30081), masked},
				)
			}
		})
	}
}

func TestOtherRulesChangeOnlyTheChainsThatDiffer(t *testing.T) {
	ns := testnet.New(t)
	k := openKernel(t, ns)
	mustRead(t, k)
	if err := k.Install(Rules{}, Diff(nil, everything())); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		rules Rules
		want  string
	}{
		{Rules{IPv4: MasqueradeAll, IPv6: MasqueradeAll}, "[inside4 inside6]"},
		{Rules{IPv6: MasqueradeNone}, "[inside4 inside6]"},
		{Rules{}, "[inside6]"},
		{Rules{Localhost: 40000}, "[departing localhost4 localhost6]"},
		{Rules{Localhost: 40001}, "[localhost4 localhost6]"},
		{Rules{IPv4: MasqueradeAll, IPv6: MasqueradeAll}, "[departing inside4 inside6 localhost4 localhost6]"},
		{Rules{Closed: closedPorts}, "[inside4 inside6 used]"},
	} {
		before := rulesAsListed(t, k.socket)
		if err := k.Close(); err != nil {
			t.Fatal(err)
		}
		k = openKernel(t, ns)
		mustRead(t, k)
		if err := k.Install(c.rules); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(chainsThatDiffer(before, rulesAsListed(t, k.socket))); got != c.want {
			t.Errorf("%+v: other rules in %s, want %s", c.rules, got, c.want)
		}
		if u, err := k.compare(c.rules); err != nil || !nothingLeft(u) {
			t.Errorf("%+v: still to be done: %+v, error %v", c.rules, u, err)
		}
	}
}

func TestConnectionsToLocalhostAreRedirected(t *testing.T) {
	n := newNode(t, 3)
	const listener = 30098
	n.Node.Serve(listener)
	n.Node.Serve(30099)
	n.dropWords()
	n.rules = Rules{Localhost: listener}
	n.install(append(everyKind(n.addressing(IPv4)), everyKind(n.addressing(IPv6))...)...)
	for address, f := range map[string]Family{"127.0.0.1": IPv4, "127.1.2.3": IPv4, "::1": IPv6} {
		at := func(port uint16) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(address), port) }
		for name, c := range map[string]packetCase{
			"at a node port":                   {to: at(30080), want: "redirected"},
			"Local, with an endpoint here":     {to: at(30081), want: "redirected"},
			"Local, with endpoints elsewhere":  {to: at(30082), want: "redirected"},
			"at a node port without endpoints": {to: at(30083), want: "refused"},
			"at a port that is no node port":   {to: at(30099), want: "passed"},
			"at a port where nobody is":        {to: at(30097), want: "passed"},
			"where the listener itself is":     {to: at(listener), want: "passed"},
		} {
			t.Run(address+"/"+name, func(t *testing.T) {
				t.Parallel()
				c.from = "node"
				n.testPacket(t, f, TCP, c)
			})
		}
		t.Run(address+"/over UDP", func(t *testing.T) {
			t.Parallel()
			n.testPacket(t, f, UDP, packetCase{from: "node", to: at(30080), want: "passed"})
		})
	}
}

// chainsThatDiffer are those with rules that only one of two lists has.
func chainsThatDiffer(a, b []string) []string {
	var chains []string
	only := func(these, those []string) {
		for _, r := range these {
			if chain, _, _ := strings.Cut(r, " "); !slices.Contains(those, r) {
				chains = append(chains, chain)
			}
		}
	}
	only(a, b)
	only(b, a)
	slices.Sort(chains)
	return slices.Compact(chains)
}
