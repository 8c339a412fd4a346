package nft

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

const (
	podPort  = 8080
	patience = 5 * time.Second        // for an answer
	silence  = 300 * time.Millisecond // without one; an answer takes less than a tenth of it
)

// node is a site whose node has a table.
type node struct {
	*testnet.Site
	t      *testing.T
	kernel *Kernel
	rules  Rules
	table  Table // what has been applied
}

// newNode makes a site whose pods serve podPort, and a table with the elements.
func newNode(t *testing.T, pods int, elements ...Element) *node {
	t.Helper()
	n := &node{Site: testnet.NewSite(t, pods), t: t, table: Table{}}
	for _, p := range n.Pods {
		p.Serve(podPort)
	}
	n.kernel = openKernel(t, n.Node.Namespace)
	n.install(elements...)
	return n
}

func openKernel(t *testing.T, n *testnet.Namespace) *Kernel {
	t.Helper()
	var k *Kernel
	err := n.Do(func() (err error) {
		k, err = Open()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = k.Close() })
	return k
}

// install brings the kernel from what it holds to the elements, as a new process does.
func (n *node) install(elements ...Element) {
	n.t.Helper()
	have, err := n.kernel.Read()
	if err != nil {
		n.t.Fatal(err)
	}
	n.table = NewTable(elements...)
	if err := n.kernel.Install(n.rules, Diff(have, n.table)); err != nil {
		n.t.Fatal(err)
	}
}

// apply brings the kernel from what was applied before to the elements.
func (n *node) apply(elements ...Element) {
	n.t.Helper()
	want := NewTable(elements...)
	if err := n.kernel.Apply(Diff(n.table, want)); err != nil {
		n.t.Fatal(err)
	}
	n.table = want
}

// wantHeld wants the kernel to hold what was applied.
func (n *node) wantHeld() {
	n.t.Helper()
	have, err := n.kernel.Read()
	if err != nil {
		n.t.Fatal(err)
	}
	if c := Diff(have, n.table); !c.Empty() {
		n.t.Errorf("the kernel has %v too much and lacks %v", c.Delete, c.Add)
	}
}

// addressing is a site in one family.
type addressing struct {
	family       Family
	client, node netip.Addr
	pods         []netip.Addr
	podRange     netip.Prefix
	serviceRange netip.Prefix
}

func (n *node) addressing(f Family) addressing {
	like := netip.IPv4Unspecified()
	a := addressing{family: f, podRange: netip.MustParsePrefix(testnet.PodRange4), serviceRange: netip.MustParsePrefix("10.96.0.0/16")}
	if f == IPv6 {
		like = netip.IPv6Unspecified()
		a.podRange, a.serviceRange = netip.MustParsePrefix(testnet.PodRange6), netip.MustParsePrefix("fd00:96::/112")
	}
	a.client, a.node = n.Client.AddressLike(like), n.Node.AddressLike(like)
	for _, p := range n.Pods {
		a.pods = append(a.pods, p.AddressLike(like))
	}
	return a
}

// cluster is the n-th cluster IP, external the n-th address that is routed to the node.
func (a addressing) cluster(n int) netip.Addr { return nth(a.serviceRange.Addr(), n) }
func (a addressing) external(n int) netip.Addr {
	if a.family == IPv4 {
		return nth(netip.MustParseAddr("198.51.100.0"), n)
	}
	return nth(netip.MustParseAddr("2001:db8:1::"), n)
}

func nth(a netip.Addr, n int) netip.Addr {
	for range n {
		a = a.Next()
	}
	return a
}

// list is a list of pods.
func (a addressing) list(id List, pods ...int) []Element {
	var elements []Element
	for slot, p := range pods {
		elements = append(elements, Endpoint(id, slot, netip.AddrPortFrom(a.pods[p], podPort)))
	}
	return elements
}

// basics are what every table has: ranges, the node's address, hairpins.
func (a addressing) basics() []Element {
	elements := []Element{ServiceRange(a.serviceRange), Pods(a.podRange), NodePortAddress(a.node)}
	for _, p := range a.pods {
		for _, protocol := range []Protocol{TCP, UDP} {
			elements = append(elements, Hairpin(protocol, netip.AddrPortFrom(p, podPort)))
		}
	}
	return elements
}

// service is a cluster IP, over TCP and UDP.
func (a addressing) service(n int, w Word) []Element {
	return []Element{ClusterIP(a.cluster(n)), ServiceFrontend(a.cluster(n), TCP, 80, w), ServiceFrontend(a.cluster(n), UDP, 80, w)}
}

// ask sends a first packet, and says what became of it, in the words of Outcome.String.
func (n *node) ask(from *testnet.Host, protocol Protocol, to netip.AddrPort, timeout time.Duration) (got string, err error) {
	err = from.Do(func() (err error) {
		got, err = n.askHere(from, protocol, to, timeout)
		return err
	})
	return got, err
}

// askHere asks on the thread that it is called on, which is in the host's namespace.
func (n *node) askHere(from *testnet.Host, protocol Protocol, to netip.AddrPort, timeout time.Duration) (string, error) {
	echo, err := testnet.Ask(n.t.Context(), protocol.String(), to, timeout)
	var timedOut net.Error
	switch {
	case err == nil:
		return n.described(from, echo), nil
	case errors.Is(err, unix.ECONNREFUSED):
		return string(Refused), nil
	case errors.As(err, &timedOut) && timedOut.Timeout():
		return string(Dropped), nil
	}
	return "", err
}

func (n *node) described(from *testnet.Host, echo testnet.Echo) string {
	i := slices.IndexFunc(n.Pods, func(p *testnet.Host) bool { return p.Name == echo.Host })
	if i < 0 {
		return fmt.Sprintf("answered by %s", echo.Host)
	}
	d := Destination{Endpoint: netip.AddrPortFrom(n.Pods[i].AddressLike(echo.Client.Addr()), podPort)}
	d.Masqueraded = echo.Client.Addr() != from.AddressLike(echo.Client.Addr())
	return Outcome{Fate: Sent, To: []Destination{d}}.String()
}
