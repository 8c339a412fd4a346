package nft

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// everyKind is a table with a frontend of each kind.
func everyKind(a addressing) []Element {
	const both, first, second, third List = 1, 2, 3, 4
	elements := slices.Concat(a.basics(),
		a.list(both, 0, 1), a.list(first, 0), a.list(second, 1), a.list(third, 2),
		a.service(1, Word{Balance(2), both}),
		a.service(2, Word{Refuse(), 0}),
		a.service(3, Word{Stick(2, 3600e9), 9}),
		[]Element{
			StickySlot(9, 0, 10), StickySlot(9, 1, 11),
			Endpoint(10, 0, netip.AddrPortFrom(a.pods[0], podPort)), Endpoint(11, 0, netip.AddrPortFrom(a.pods[1], podPort)),
		},
	)
	for _, p := range []Protocol{TCP, UDP} {
		elements = append(elements,
			// Cluster: everybody is masqueraded.
			ServiceFrontend(a.external(1), p, 80, Word{Balance(2), both}), Masquerade(a.external(1), p, 80),
			NodePort(a.family, p, 30080, Word{Balance(2), both}), MasqueradeNodePort(a.family, p, 30080),
			// Local, with an endpoint here.
			ServiceFrontend(a.external(2), p, 80, Word{Balance(1), first}), ShortCut(a.external(2), p, 80, Word{Balance(2), both}),
			NodePort(a.family, p, 30081, Word{Balance(1), first}), ShortCutNodePort(a.family, p, 30081, Word{Balance(2), both}),
			// Local, with endpoints elsewhere.
			ServiceFrontend(a.external(3), p, 80, Word{Discard(), 0}), ShortCut(a.external(3), p, 80, Word{Balance(1), second}),
			NodePort(a.family, p, 30082, Word{Discard(), 0}), ShortCutNodePort(a.family, p, 30082, Word{Balance(1), second}),
			// Nobody anywhere.
			NodePort(a.family, p, 30083, Word{Refuse(), 0}),
			// Source ranges.
			Restricted(a.external(4), p, 80), ServiceFrontend(a.external(4), p, 80, Word{Balance(1), third}),
			Source(a.external(4), p, 80, netip.PrefixFrom(a.client, a.client.BitLen()-2)),
			Source(a.external(4), p, 80, netip.PrefixFrom(a.pods[1], a.client.BitLen())),
			Restricted(a.external(5), p, 80), ServiceFrontend(a.external(5), p, 80, Word{Balance(1), third}),
		)
	}
	return elements
}

// packetCase is a packet and what should become of it. P0 to P2 stand for the pods' addresses.
type packetCase struct {
	name string
	from string
	to   netip.AddrPort
	want string
}

func packetCases(a addressing) []packetCase {
	at := netip.AddrPortFrom
	loopback := netip.MustParseAddr("127.0.0.1")
	if a.family == IPv6 {
		loopback = netip.IPv6Loopback()
	}
	const (
		plain  = "sent to P0, P1"
		masked = "sent to P0 (masqueraded), P1 (masqueraded)"
	)
	return []packetCase{
		{"a cluster IP from outside", "client", at(a.cluster(1), 80), masked},
		{"a cluster IP from a pod", "pod2", at(a.cluster(1), 80), plain},
		{"a cluster IP from one of its endpoints", "pod0", at(a.cluster(1), 80), "sent to P0 (masqueraded), P1"},
		{"a cluster IP from the node", "node", at(a.cluster(1), 80), masked},
		{"a cluster IP where clients stick, from outside", "client", at(a.cluster(3), 80), masked},
		{"a cluster IP where clients stick, from a pod", "pod2", at(a.cluster(3), 80), plain},
		{"another port of a cluster IP", "client", at(a.cluster(1), 81), "refused"},
		{"another port of a cluster IP, from a pod", "pod2", at(a.cluster(1), 81), "refused"},
		{"another port of a cluster IP, from the node", "node", at(a.cluster(1), 81), "refused"},
		{"a cluster IP without endpoints", "client", at(a.cluster(2), 80), "refused"},
		{"a cluster IP without endpoints, from a pod", "pod2", at(a.cluster(2), 80), "refused"},
		{"a cluster IP without endpoints, from the node", "node", at(a.cluster(2), 80), "refused"},
		{"a cluster IP that no Service has", "client", at(a.cluster(99), 80), "dropped"},
		{"a cluster IP that no Service has, from the node", "node", at(a.cluster(99), 80), "dropped"},

		{"Cluster: an external IP", "client", at(a.external(1), 80), masked},
		{"Cluster: an external IP from a pod", "pod2", at(a.external(1), 80), masked},
		{"Cluster: an external IP from the node", "node", at(a.external(1), 80), masked},
		{"Cluster: a node port", "client", at(a.node, 30080), masked},
		{"Cluster: a node port from a pod", "pod2", at(a.node, 30080), masked},
		{"Cluster: a node port from the node", "node", at(a.node, 30080), masked},

		{"Local: an external IP", "client", at(a.external(2), 80), "sent to P0"},
		{"Local: an external IP from a pod", "pod2", at(a.external(2), 80), plain},
		{"Local: an external IP from one of its endpoints", "pod0", at(a.external(2), 80), "sent to P0 (masqueraded), P1"},
		{"Local: an external IP from the node", "node", at(a.external(2), 80), masked},
		{"Local: a node port", "client", at(a.node, 30081), "sent to P0"},
		{"Local: a node port from a pod", "pod2", at(a.node, 30081), plain},
		{"Local: a node port from the node", "node", at(a.node, 30081), masked},

		{"Local without an endpoint: an external IP", "client", at(a.external(3), 80), "dropped"},
		{"Local without an endpoint: an external IP from a pod", "pod2", at(a.external(3), 80), "sent to P1"},
		{"Local without an endpoint: a node port", "client", at(a.node, 30082), "dropped"},
		{"Local without an endpoint: a node port from the node", "node", at(a.node, 30082), "sent to P1 (masqueraded)"},
		{"a node port without endpoints", "client", at(a.node, 30083), "refused"},

		{"source ranges: one of them", "client", at(a.external(4), 80), "sent to P2"},
		{"source ranges: a pod that is one", "pod1", at(a.external(4), 80), "sent to P2"},
		{"source ranges: another", "pod0", at(a.external(4), 80), "dropped"},
		{"source ranges: another, the node", "node", at(a.external(4), 80), "sent to P2"}, // in the client's range
		{"source ranges: none", "client", at(a.external(5), 80), "dropped"},

		{"a port of the node that is no node port", "client", at(a.node, 30099), "passed"},
		{"a node port at the node's loopback", "node", at(loopback, 30080), "passed"},
		{"a pod itself", "client", at(a.pods[0], podPort), "passed"},
	}
}

// host is a host of the site by its name.
func (n *node) host(name string) *testnet.Host {
	all := append([]*testnet.Host{n.Client, n.Node}, n.Pods...)
	return all[slices.IndexFunc(all, func(h *testnet.Host) bool { return h.Name == name })]
}

// packet is the first one that a host sends to an address.
func (n *node) packet(from string, protocol Protocol, to netip.AddrPort) Packet {
	p := Packet{From: n.host(from).AddressLike(to.Addr()), To: to, Protocol: protocol, Interface: from}
	switch from {
	case "node":
		p.Interface = ""
	case "client":
		p.Interface = testnet.ClientInterface
	}
	return p
}

func TestPacketsGoWhereTheTableSays(t *testing.T) {
	n := newNode(t, 3)
	n.Node.Serve(30099)
	n.dropWords()
	n.install(append(everyKind(n.addressing(IPv4)), everyKind(n.addressing(IPv6))...)...)
	for _, f := range []Family{IPv4, IPv6} {
		n.testPackets(t, f, packetCases(n.addressing(f))...)
	}
}

func (n *node) testPackets(t *testing.T, f Family, cases ...packetCase) {
	for _, c := range cases {
		for _, protocol := range []Protocol{TCP, UDP} {
			t.Run(fmt.Sprintf("%s/%s/%s", c.name, f, protocol), func(t *testing.T) {
				t.Parallel()
				n.testPacket(t, f, protocol, c)
			})
		}
	}
}

// testPacket holds what the case wants against what Trace says, and that against what becomes of packets.
func (n *node) testPacket(t *testing.T, f Family, protocol Protocol, c packetCase) {
	want := c.want
	for i, pod := range n.addressing(f).pods {
		want = strings.ReplaceAll(want, fmt.Sprint("P", i), netip.AddrPortFrom(pod, podPort).String())
	}
	outcome := n.table.Trace(n.packet(c.from, protocol, c.to), n.rules)
	if outcome.String() != want {
		t.Errorf("traced: %s\nwant:   %s", outcome, want)
	}
	tries, timeout := 8, patience
	if outcome.Fate != Sent {
		tries = 1
	}
	if outcome.Fate == Dropped {
		timeout = silence
	}
	for range tries {
		got, err := n.ask(n.host(c.from), protocol, c.to, timeout)
		if err != nil {
			t.Fatal(err)
		}
		if !possible(outcome, got) {
			t.Errorf("a packet was %s; want %s", got, want)
		}
	}
}

// dropWords drops whatever leaves the node with a word, which nobody else would know what to do with.
func (n *node) dropWords() {
	n.t.Helper()
	b := newBatch("watch")
	b.addTable(0)
	b.addChain("leaving", &hook{"filter", hookPostrouting, 300})
	b.addRule("leaving", append(codeIs(notEqual, noCode), drop()))
	mustCommit(n.t, openIn(n.t, n.Node.Namespace), b)
}

// possible says whether an outcome may show in that way.
func possible(o Outcome, got string) bool {
	if o.Fate == Passed { // the node has a listener, or nobody has
		return got == "answered by node" || got == string(Refused) || strings.HasPrefix(got, string(Sent)) && !strings.Contains(got, "masqueraded")
	}
	if o.Fate == Redirected {
		return got == "answered by node"
	}
	if o.Fate != Sent {
		return got == string(o.Fate)
	}
	return slices.ContainsFunc(o.To, func(d Destination) bool {
		return got == Outcome{Fate: Sent, To: []Destination{d}}.String()
	})
}

func TestNobodyWaitsForARefusal(t *testing.T) {
	n := newNode(t, 1)
	a := n.addressing(IPv4)
	n.install(slices.Concat(a.basics(), a.service(1, Word{Refuse(), 0}))...)
	var together sync.WaitGroup
	for range 50 {
		together.Go(func() {
			if got, err := n.ask(n.Client, TCP, netip.AddrPortFrom(a.cluster(1), 80), silence); err != nil || got != string(Refused) {
				t.Errorf("a connection was %s, error %v", got, err)
			}
		})
	}
	together.Wait()
}

func TestANewActionIsThereWithTheElementThatNeedsIt(t *testing.T) {
	n := newNode(t, 2)
	a := n.addressing(IPv4)
	elements := slices.Concat(a.basics(), a.service(1, Word{Balance(100), 1}))
	for slot := range 100 {
		elements = append(elements, Endpoint(1, slot, netip.AddrPortFrom(a.pods[slot%2], podPort)))
	}
	n.apply(elements...)
	got := n.answers(n.Pods[1], TCP, netip.AddrPortFrom(a.cluster(1), 80), 40)
	want := []string{fmt.Sprintf("sent to %s:8080", a.pods[0]), fmt.Sprintf("sent to %s:8080 (masqueraded)", a.pods[1])}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
