package listeners

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

const first, last = 30000, 32767

// node is a namespace, and the table of its sockets.
type node struct {
	testing.TB
	*testnet.Namespace
	table *Table
}

func newNode(tb testing.TB) *node {
	tb.Helper()
	n := &node{TB: tb, Namespace: testnet.New(tb)}
	err := n.Do(func() (err error) {
		n.table, err = Open()
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = n.table.Close() })
	return n
}

// listen opens a socket ("tcp 127.0.0.1:30000"), which is closed with the test or before.
func (n *node) listen(where string) interface{ Close() error } {
	n.Helper()
	network, address, _ := strings.Cut(where, " ")
	var socket interface{ Close() error }
	err := n.Do(func() (err error) {
		var config net.ListenConfig
		if strings.HasPrefix(network, "tcp") {
			socket, err = config.Listen(n.Context(), network, address)
		} else {
			socket, err = config.ListenPacket(n.Context(), network, address)
		}
		return err
	})
	if err != nil {
		n.Fatal(err)
	}
	n.Cleanup(func() { _ = socket.Close() })
	return socket
}

// list are the listeners of the range as text.
func (n *node) list() []string {
	n.Helper()
	found, err := n.table.List(first, last)
	if err != nil {
		n.Fatal(err)
	}
	var texts []string
	for _, l := range found {
		if l.Inode == 0 {
			n.Errorf("%+v has no inode", l)
		}
		texts = append(texts, fmt.Sprint(l.Protocol, " ", l.Address, " ", l.Port))
	}
	return texts
}

func (n *node) wantListed(want ...string) {
	n.Helper()
	if diff := cmp.Diff(want, n.list(), cmpopts.EquateEmpty()); diff != "" {
		n.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheKernelListsWhatListensAtThePortsOfTheRange(t *testing.T) {
	for _, c := range []struct {
		name   string
		socket string
		want   []string
	}{
		{"TCP, both families", "tcp :30080", []string{"TCP :: 30080"}},
		{"TCP, IPv4", "tcp4 :30080", []string{"TCP 0.0.0.0 30080"}},
		{"UDP, both families", "udp :30080", []string{"UDP :: 30080"}},
		{"UDP, IPv4", "udp4 :30080", []string{"UDP 0.0.0.0 30080"}},
		{"at a loopback address", "tcp 127.0.0.1:30080", []string{"TCP 127.0.0.1 30080"}},
		{"at the other one", "udp [::1]:30080", []string{"UDP ::1 30080"}},
		{"the first port", "tcp :30000", []string{"TCP :: 30000"}},
		{"the last port", "tcp :32767", []string{"TCP :: 32767"}},
		{"the port before", "tcp :29999", nil},
		{"the port after", "udp :32768", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := newNode(t)
			socket := n.listen(c.socket)
			n.wantListed(c.want...)
			if err := socket.Close(); err != nil {
				t.Fatal(err)
			}
			n.wantListed()
		})
	}
}

func TestConnectionsAreNoListeners(t *testing.T) {
	n := newNode(t)
	n.listen("tcp 127.0.0.1:20000")
	n.listen("udp 127.0.0.1:20000")
	err := n.Do(func() error {
		for i, network := range []string{"tcp", "udp"} {
			from := net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 30001 + i}
			dialer := net.Dialer{LocalAddr: &from}
			if network == "udp" {
				dialer.LocalAddr = &net.UDPAddr{IP: from.IP, Port: from.Port}
			}
			c, err := dialer.DialContext(t.Context(), network, "127.0.0.1:20000")
			if err != nil {
				return err
			}
			t.Cleanup(func() { _ = c.Close() })
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	n.wantListed()
}

func TestASocketOfSCTPIsListedWhereTheKernelHasThem(t *testing.T) {
	n := newNode(t)
	var socket int
	err := n.Do(func() (err error) {
		socket, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
		return err
	})
	if err != nil {
		n.wantListed() // it is no error
		t.Skip("the kernel has no SCTP: ", err)
	}
	defer unix.Close(socket)
	if err := unix.Bind(socket, &unix.SockaddrInet4{Port: 30080}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(socket, 1); err != nil {
		t.Fatal(err)
	}
	n.wantListed("SCTP 0.0.0.0 30080")
}

func TestManyListenersAreAllListed(t *testing.T) {
	n := newNode(t)
	var want []string
	for port := first; port < first+1000; port++ { // more than the kernel says at once
		n.listen(fmt.Sprint("tcp :", port))
		want = append(want, fmt.Sprint("TCP :: ", port))
	}
	if got := n.list(); !slices.Equal(got, want) {
		t.Errorf("%d listeners, want %d", len(got), len(want))
	}
}

// BenchmarkALook is what one look costs on a node with so many sockets that are not of the range, half of which listen.
func BenchmarkALook(b *testing.B) {
	for _, sockets := range []int{0, 10000} {
		b.Run(fmt.Sprint(sockets, " sockets"), func(b *testing.B) {
			n := newNode(b)
			n.fill(sockets)
			for b.Loop() {
				if found, err := n.table.List(first, last); err != nil || len(found) > 0 {
					b.Fatal(found, err)
				}
			}
		})
	}
}

// fill opens sockets of all kinds outside of the range.
func (n *node) fill(sockets int) {
	n.Helper()
	err := n.Do(func() error {
		for i := range sockets {
			kind, family := unix.SOCK_STREAM, unix.AF_INET
			if i%2 == 1 {
				kind = unix.SOCK_DGRAM
			}
			var at unix.Sockaddr = &unix.SockaddrInet4{Port: 1024 + i/2}
			if i%4 > 1 {
				family, at = unix.AF_INET6, &unix.SockaddrInet6{Port: 1024 + i/2}
			}
			socket, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				return err
			}
			n.Cleanup(func() { _ = unix.Close(socket) })
			if err := unix.Bind(socket, at); err != nil {
				return err
			}
			if kind == unix.SOCK_STREAM {
				if err := unix.Listen(socket, 1); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		n.Fatal(err)
	}
}
