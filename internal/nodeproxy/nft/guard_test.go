package nft

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// Ports of the node, each guarded in its own way.
const (
	openPort     = 31000 // is not
	exceptPort   = 31001 // takes pods, but not pod1, and the client
	placedPort   = 31002 // takes everybody at the node's address by the client's interface, pods there by any, else nobody
	limitedPort  = 31003 // takes 2 a second, once 3 are used up
	deniedPort   = 31004 // takes nobody
	clientPort   = 31005 // takes the client, and is a Service's
	unusedPort   = 31006 // is nobody's
	unclosedPort = 31100 // is nobody's, and not in closedPorts
)

var closedPorts = PortRange{30000, 31099}

// everyAccess guards ports in each way, over TCP and UDP.
func everyAccess(a addressing) []Element {
	const everybody, few, pods, limited, client, nobody ACL = 1, 2, 3, 4, 5, 6
	single := func(address netip.Addr) netip.Prefix { return netip.PrefixFrom(address, address.BitLen()) }
	anywhere := netip.PrefixFrom(a.client, 0)
	elements := []Element{
		Grant(everybody, anywhere, Pass()),
		Grant(few, a.podRange, Pass()), Grant(few, single(a.pods[1]), Deny()), Grant(few, single(a.client), Pass()),
		Grant(pods, a.podRange, Pass()),
		Grant(limited, anywhere, Limit(2, 3)),
		Grant(client, single(a.client), Pass()),
	}
	for _, p := range []Protocol{TCP, UDP} {
		for _, port := range []uint16{30080, 30081, 30082, 30083, openPort, exceptPort, placedPort, limitedPort, deniedPort, clientPort} {
			elements = append(elements, Use(p, port))
		}
		elements = append(elements,
			Guarded(a.family, p, exceptPort, few),
			GuardedAt(p, placedPort, testnet.ClientInterface, a.node, everybody), GuardedAt(p, placedPort, "", a.node, pods),
			Guarded(a.family, p, placedPort, nobody),
			Guarded(a.family, p, limitedPort, limited),
			Guarded(a.family, p, deniedPort, nobody),
			Guarded(a.family, p, clientPort, client),
		)
	}
	return elements
}

// allAccess is everyAccess in both families.
func allAccess(n *node) []Element {
	return slices.Concat(everyAccess(n.addressing(IPv4)), everyAccess(n.addressing(IPv6)))
}

// guardCase is a packet, and what should become of it. "denied" is what the protocol has for that.
type guardCase struct {
	name, from string
	at         netip.Addr
	port       uint16
	want       string
}

func guardCases(a, byPods addressing, closed bool) []guardCase {
	ifClosed := map[bool]string{true: "denied", false: "passed"}[closed]
	return []guardCase{
		{"a port that is not guarded", "client", a.node, openPort, "passed"},
		{"a port that is not guarded, from a pod", "pod0", a.node, openPort, "passed"},
		{"a source that is granted, by its address", "client", a.node, exceptPort, "passed"},
		{"a source that is granted, by its range", "pod0", a.node, exceptPort, "passed"},
		{"a source that is excepted from a range", "pod1", a.node, exceptPort, "denied"},
		{"the node itself", "node", a.node, deniedPort, "passed"},
		{"nobody is granted", "client", a.node, deniedPort, "denied"},
		{"nobody is granted, from a pod", "pod0", a.node, deniedPort, "denied"},
		{"another source", "pod0", a.node, clientPort, "denied"},
		{"an address by an interface", "client", a.node, placedPort, "passed"},
		{"an address by any interface", "pod0", a.node, placedPort, "passed"},
		{"another address by the interface", "client", byPods.node, placedPort, "denied"},
		{"another address by any interface", "pod0", byPods.node, placedPort, "denied"},
		{"another address of a port that is granted at all", "pod0", byPods.node, exceptPort, "passed"},
		{"nobody's port", "client", a.node, unusedPort, ifClosed},
		{"nobody's port, from a pod", "pod0", a.node, unusedPort, ifClosed},
		{"nobody's port, from the node", "node", a.node, unusedPort, "passed"},
		{"nobody's port that is not to be closed", "client", a.node, unclosedPort, "passed"},
		{"a pod's own port", "client", a.pods[2], deniedPort, "passed"},
	}
}

// testGuard holds what each case wants against what Trace says, and against packets.
func (n *node) testGuard(t *testing.T, f Family) {
	a, byPods := n.addressing(f), n.addressing(f)
	byPods.node = map[Family]netip.Addr{IPv4: netip.MustParseAddr("10.244.0.1"), IPv6: netip.MustParseAddr("fd00:244::1")}[f]
	for _, c := range guardCases(a, byPods, n.rules.Closed != PortRange{}) {
		for _, protocol := range []Protocol{TCP, UDP} {
			t.Run(fmt.Sprintf("%s/%s/%s", c.name, f, protocol), func(t *testing.T) {
				t.Parallel()
				want, timeout := Fate(c.want), patience
				if want == "denied" {
					want = map[Protocol]Fate{TCP: Refused, UDP: Dropped}[protocol]
				}
				if want == Dropped {
					timeout = silence
				}
				to := netip.AddrPortFrom(c.at, c.port)
				p := n.packet(c.from, protocol, to)
				p.ToNode = c.at != a.pods[2]
				if got := n.table.Trace(p, n.rules).Fate; got != want {
					t.Errorf("traced: %s, want %s", got, want)
				}
				got, err := n.ask(n.host(c.from), protocol, to, timeout)
				if answered := want == Passed && (got == "answered by node" || strings.HasPrefix(got, string(Sent))); err != nil || !answered && got != string(want) {
					t.Errorf("a packet was %s, error %v; want %s", got, err, want)
				}
			})
		}
	}
}

// guardedNode is a node that serves all those ports itself, as does pod2.
func guardedNode(t *testing.T) *node {
	n := newNode(t, 3)
	for _, port := range []uint16{openPort, exceptPort, placedPort, limitedPort, deniedPort, clientPort, unusedPort, unclosedPort} {
		n.Node.Serve(port)
	}
	n.Pods[2].Serve(deniedPort)
	return n
}

func TestTheGuardLetsThoseThroughWhomItGrantsAPort(t *testing.T) {
	n := guardedNode(t)
	for _, rules := range []Rules{{}, {Closed: closedPorts}, {GuardOnly: true}, {GuardOnly: true, Closed: closedPorts}} {
		n.rules = rules
		if rules.GuardOnly { // nothing else in the namespace has flows tracked
			if err := n.kernel.Remove(); err != nil {
				t.Fatal(err)
			}
		}
		n.install(allAccess(n)...)
		t.Run(fmt.Sprintf("%+v", rules), func(t *testing.T) {
			n.testGuard(t, IPv4)
			n.testGuard(t, IPv6)
		})
	}
}

func TestTheGuardSeesSCTP(t *testing.T) {
	n := newNode(t, 1)
	n.rules.Closed = closedPorts
	for _, port := range []uint16{openPort, clientPort, deniedPort, unusedPort} {
		n.Node.ServeSCTP(port)
	}
	elements := []Element{Use(SCTP, openPort), Use(SCTP, clientPort), Use(SCTP, deniedPort)}
	for _, f := range []Family{IPv4, IPv6} {
		a := n.addressing(f)
		elements = append(elements, Guarded(f, SCTP, clientPort, 1), Guarded(f, SCTP, deniedPort, 2), Grant(1, netip.PrefixFrom(a.client, 8), Pass()))
	}
	n.install(elements...)
	for _, f := range []Family{IPv4, IPv6} {
		for port, want := range map[uint16]string{openPort: "answered by node", clientPort: "answered by node", deniedPort: "dropped", unusedPort: "dropped"} {
			timeout := patience
			if want == string(Dropped) {
				timeout = silence
			}
			if got, err := n.ask(n.Client, SCTP, netip.AddrPortFrom(n.addressing(f).node, port), timeout); err != nil || got != want {
				t.Errorf("port %d by %s: a packet was %s, error %v; want %s", port, f, got, err, want)
			}
		}
	}
}

func TestTheGuardComesBeforeOurOwnNodePorts(t *testing.T) {
	n := newNode(t, 3)
	n.dropWords()
	var elements []Element
	for i, a := range []addressing{n.addressing(IPv4), n.addressing(IPv6)} {
		list := List(i + 1)
		elements = append(elements, slices.Concat(everyAccess(a), a.basics(), a.list(list, 0))...)
		for _, p := range []Protocol{TCP, UDP} {
			for _, port := range []uint16{openPort, clientPort} {
				elements = append(elements, NodePort(a.family, p, port, Word{Balance(1), list}))
			}
		}
	}
	n.install(elements...)
	for _, f := range []Family{IPv4, IPv6} {
		a := n.addressing(f)
		cases := func(denied string) []packetCase {
			return []packetCase{
				{"not guarded", "client", netip.AddrPortFrom(a.node, openPort), "sent to P0"},
				{"granted", "client", netip.AddrPortFrom(a.node, clientPort), "sent to P0"},
				{"from the node", "node", netip.AddrPortFrom(a.node, clientPort), "sent to P0"},
				{"not granted", "pod1", netip.AddrPortFrom(a.node, clientPort), denied},
			}
		}
		for protocol, denied := range map[Protocol]string{TCP: "refused", UDP: "dropped"} {
			for _, c := range cases(denied) {
				t.Run(fmt.Sprintf("%s/%s/%s", c.name, f, protocol), func(t *testing.T) {
					t.Parallel()
					n.testPacket(t, f, protocol, c)
				})
			}
		}
	}
}

func TestATableThatOnlyGuardsHasNoChainsForServices(t *testing.T) {
	ns := testnet.New(t)
	k := openKernel(t, ns)
	guard := Table{}
	for key, v := range everything() {
		switch key.set.kind {
		case useKind, guardedKind, scopedKind, addressedKind, grantKind:
			guard[key] = v
		}
	}
	for _, step := range []struct {
		name   string
		rules  Rules
		table  Table
		chains int
	}{
		{"at first", Rules{GuardOnly: true}, guard, 12 + 1},                          // one for a limit
		{"with Services", Rules{}, everything(), 12 + 1 + 16 + 2 + readyBalance + 1}, // one where clients stick
		{"without them", Rules{GuardOnly: true}, guard, 12 + 1},
		{"without anything", Rules{GuardOnly: true}, Table{}, 12},
	} {
		if err := k.Install(step.rules, Diff(mustRead(t, k), step.table)); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if diff := cmp.Diff(step.table.String(), mustRead(t, k).String()); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", step.name, diff)
		}
		if err := errors.Join(k.Install(step.rules), k.Apply()); err != nil {
			t.Fatalf("%s: once more: %v", step.name, err)
		}
		if got := countObjects(t, k.socket, chainObjects); got != step.chains {
			t.Errorf("%s: %d chains, want %d", step.name, got, step.chains)
		}
		if u, err := k.compare(step.rules); err != nil || !nothingLeft(u) {
			t.Errorf("%s: still to be done: %+v, error %v", step.name, u, err)
		}
	}
}

func TestThereAreSetsForTheLengthsInUse(t *testing.T) {
	ns := testnet.New(t)
	k := openKernel(t, ns)
	mustRead(t, k)
	grant := func(text string) Element { return Grant(1, netip.MustParsePrefix(text), Pass()) }
	if err := k.Install(Rules{}, Change{Add: []Element{grant("10.0.0.0/8")}}); err != nil {
		t.Fatal(err)
	}
	sets, chains := countObjects(t, k.socket, setObjects), countObjects(t, k.socket, chainObjects)
	for _, c := range []struct {
		name   string
		change Change
		more   int
	}{
		{"the same length", Change{Add: []Element{grant("11.0.0.0/8")}}, 0},
		{"three others", Change{Add: []Element{grant("11.0.0.0/9"), grant("11.0.0.0/10"), grant("::/0")}}, 3},
		{"one of them again", Change{Delete: []Element{grant("11.0.0.0/9")}, Add: []Element{grant("12.0.0.0/9")}}, 3},
		{"without grants", Change{Delete: []Element{grant("12.0.0.0/9"), grant("::/0")}}, 3},
		{"in use again", Change{Add: []Element{grant("12.0.0.0/9")}}, 3},
	} {
		if err := k.Apply(c.change); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := countObjects(t, k.socket, setObjects) - sets; got != c.more {
			t.Errorf("%s: %d sets more, want %d", c.name, got, c.more)
		}
		if u, err := k.compare(Rules{}); err != nil || len(u.sets)+len(u.chains) > 0 {
			t.Errorf("%s: it lacks %v and %v, error %v", c.name, u.sets, u.chains, err)
		}
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
	k = openKernel(t, ns) // the next process gives up what is empty, but for what it needs
	mustRead(t, k)
	if err := k.Install(Rules{}, Change{Delete: []Element{grant("11.0.0.0/10")}, Add: []Element{grant("fd00::/48")}}); err != nil {
		t.Fatal(err)
	}
	if err := k.Install(Rules{}); err != nil {
		t.Fatal(err)
	}
	if got := countObjects(t, k.socket, setObjects) - sets; got != 2 {
		t.Errorf("then there are %d sets more, want those of /9 and /48", got)
	}
	if got := countObjects(t, k.socket, chainObjects); got != chains {
		t.Errorf("%d chains, at first %d", got, chains)
	}
	u, err := k.compare(Rules{}, Change{Add: []Element{grant("11.0.0.0/10"), grant("::/0")}})
	if err != nil || len(u.sets) != 2 {
		t.Errorf("before grants of two more lengths it lacks %v, error %v", u.sets, err)
	}
}
