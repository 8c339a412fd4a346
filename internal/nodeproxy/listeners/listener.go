package listeners

import (
	"cmp"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/netlink"
)

// Protocol is a transport protocol, by its IP protocol number.
type Protocol uint8

// The protocols that are looked at.
const (
	TCP  Protocol = unix.IPPROTO_TCP
	UDP  Protocol = unix.IPPROTO_UDP
	SCTP Protocol = unix.IPPROTO_SCTP
)

// Listener is a socket that takes what comes to a port: of TCP and SCTP one that listens, of UDP one that is connected to
// nobody.
type Listener struct {
	Protocol Protocol
	// Address is the one it listens at; an unspecified one is all of its family, and of IPv6 mostly those of IPv4 too.
	Address netip.Addr
	Port    uint16
	// Inode tells sockets apart as long as they are there.
	Inode uint32
	// Process is who has it; zero: not known (yet).
	Process Process
}

// Loopback says whether only the node itself reaches it.
func (l Listener) Loopback() bool { return l.Address.IsLoopback() }

// Compare orders listeners by port, protocol and address.
func (l Listener) Compare(other Listener) int {
	return cmp.Or(cmp.Compare(l.Port, other.Port), cmp.Compare(l.Protocol, other.Protocol),
		l.Address.Compare(other.Address), cmp.Compare(l.Inode, other.Inode))
}

// parse reads one answer of the kernel, which says in what follows it nothing that matters here.
func parse(body []byte, protocol Protocol) (Listener, error) {
	if len(body) < answerSize {
		return Listener{}, netlink.ErrMalformed
	}
	l := Listener{Protocol: protocol, Port: netlink.Network.Uint16(body[portAt:]), Inode: netlink.Host.Uint32(body[inodeAt:])}
	switch address := body[addressAt : addressAt+16]; body[familyAt] {
	case unix.AF_INET:
		l.Address = netip.AddrFrom4([4]byte(address[:4]))
	case unix.AF_INET6:
		l.Address = netip.AddrFrom16([16]byte(address)).Unmap()
	default:
		return Listener{}, netlink.ErrMalformed
	}
	return l, nil
}
