package conntrack

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

const (
	podPort              = 8080
	otherPort            = 8081
	nodePort             = 30053
	servicePort          = 53
	tcp         Protocol = 6
	patience             = 5 * time.Second        // for an answer
	silence              = 300 * time.Millisecond // without one; an answer takes less than a tenth of it
)

// node is a site whose node has a table, and entries.
type node struct {
	*testnet.Site
	t         *testing.T
	kernel    *nft.Kernel
	table     nft.Table // what has been applied
	conntrack *Table
}

// newNode makes a site of two pods that serve podPort and otherPort.
func newNode(t *testing.T) *node {
	t.Helper()
	n := &node{Site: testnet.NewSite(t, 2), t: t}
	for _, p := range n.Pods {
		p.Serve(podPort)
		p.Serve(otherPort)
	}
	n.must(n.Node.Do(func() (err error) {
		n.kernel, err = nft.Open()
		return err
	}))
	t.Cleanup(func() { n.kernel.Close() })
	n.conntrack = openTable(t, n.Node.Namespace)
	have, err := n.kernel.Read()
	n.must(err)
	n.table = nft.NewTable(n.basics()...)
	n.must(n.kernel.Install(nft.Rules{}, nft.Diff(have, n.table)))
	return n
}

func openTable(t testing.TB, n *testnet.Namespace) *Table {
	t.Helper()
	var table *Table
	err := n.Do(func() (err error) {
		table, err = Open()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { table.Close() })
	return table
}

func (n *node) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// like is any address of a family; addresses of the other hosts are asked for by it.
func like(family string) netip.Addr {
	if family == "IPv4" {
		return netip.IPv4Unspecified()
	}
	return netip.IPv6Unspecified()
}

// external is an address that is routed to the node.
func external(family string) netip.Addr {
	if family == "IPv4" {
		return netip.MustParseAddr("198.51.100.1")
	}
	return netip.MustParseAddr("2001:db8:1::1")
}

func (n *node) basics() []nft.Element {
	return []nft.Element{
		nft.Pods(netip.MustParsePrefix(testnet.PodRange4)), nft.Pods(netip.MustParsePrefix(testnet.PodRange6)),
		nft.NodePortAddress(n.Node.IPv4), nft.NodePortAddress(n.Node.IPv6),
	}
}

// apply brings the kernel to basics and these elements.
func (n *node) apply(elements ...nft.Element) {
	n.t.Helper()
	want := nft.NewTable(append(n.basics(), elements...)...)
	n.must(n.kernel.Apply(nft.Diff(n.table, want)))
	n.table = want
}

// endpoint is a pod's.
func (n *node) endpoint(family string, pod int, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(n.Pods[pod].AddressLike(like(family)), port)
}

// delete deletes, and wants so many entries to go.
func (n *node) delete(want int, flows ...Flow) {
	n.t.Helper()
	if got, err := n.conntrack.Delete(flows); err != nil || got.Total() != want {
		n.t.Errorf("%v entries were deleted, error %v; want %d", got, err, want)
	}
}

// entries are all those of a protocol, as text, sorted.
func (t *Table) entries(tb testing.TB, protocol Protocol) []string {
	tb.Helper()
	var all []string
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		err := t.socket.Ask(query{family: family, protocol: protocol}.request(), func(body []byte) error {
			var e entry
			err := e.parse(body)
			text := fmt.Sprintf("%s -> %s", e.sentTo, e.sentOn)
			if e.zone != 0 {
				text += fmt.Sprintf(" in zone %d", e.zone)
			}
			all = append(all, text)
			return err
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
	slices.Sort(all)
	return all
}

// flow is a client's UDP socket: all that it sends is one flow.
type flow struct {
	t    *testing.T
	conn net.Conn
}

func (n *node) open(from *testnet.Host, network string, to netip.AddrPort) flow {
	n.t.Helper()
	f := flow{t: n.t}
	n.must(from.Do(func() (err error) {
		f.conn, err = net.DialTimeout(network, to.String(), patience)
		return err
	}))
	n.t.Cleanup(func() { f.conn.Close() })
	return f
}

// ask says who answers the next packet: a pod's name, or "refused", or "nobody".
func (f flow) ask(timeout time.Duration) string {
	f.t.Helper()
	if err := f.conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		f.t.Fatal(err)
	}
	if _, err := f.conn.Write([]byte("?")); err != nil {
		return outcome(f.t, err)
	}
	buffer := make([]byte, 128)
	length, err := f.conn.Read(buffer)
	if err != nil {
		return outcome(f.t, err)
	}
	name, _, _ := strings.Cut(string(buffer[:length]), " ")
	return name
}

func outcome(t *testing.T, err error) string {
	t.Helper()
	var timeout net.Error
	switch {
	case errors.Is(err, unix.ECONNREFUSED):
		return "refused"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "nobody"
	}
	t.Fatal(err)
	return ""
}
