package testnet

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// family is how datagrams of an address family say which address they were sent to (ip(7), ipv6(7)). An answer carries
// the same words back, and so comes from that address.
type family struct {
	network          string
	level, option    int
	interfaceAt, end int // where the words name an interface, which an answer need not keep to
}

var families = [2]family{
	{"udp4", unix.IPPROTO_IP, unix.IP_PKTINFO, unix.SizeofCmsghdr, unix.SizeofCmsghdr + 4},
	{"udp6", unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, unix.SizeofCmsghdr + 16, unix.SizeofCmsghdr + 20},
}

func (f family) listen(port int) (*net.UDPConn, error) {
	c, err := net.ListenUDP(f.network, &net.UDPAddr{Port: port})
	if err != nil {
		return nil, err
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var failed error
	err = raw.Control(func(fd uintptr) { failed = syscall.SetsockoptInt(int(fd), f.level, f.option, 1) })
	return c, errors.Join(err, failed)
}

// serve answers each datagram until the connection is closed.
func (f family) serve(name string, c *net.UDPConn) {
	buffer, words := make([]byte, 64), make([]byte, 64)
	for {
		_, n, _, from, err := c.ReadMsgUDP(buffer, words)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n < f.end {
			continue
		}
		clear(words[f.interfaceAt:f.end])
		_, _, _ = c.WriteMsgUDP(answer(name, from), words[:n], from)
	}
}
