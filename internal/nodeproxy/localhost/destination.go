package localhost

import (
	"encoding/binary"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// destination is where a redirected connection was to go, as conntrack remembers it; of one that was not redirected,
// where it went.
func destination(c *net.TCPConn) (netip.AddrPort, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return netip.AddrPort{}, err
	}
	ask := original4
	if c.LocalAddr().(*net.TCPAddr).AddrPort().Addr().Is6() {
		ask = original6
	}
	var to netip.AddrPort
	var asked error
	if err := raw.Control(func(fd uintptr) { to, asked = ask(int(fd)) }); err != nil {
		return netip.AddrPort{}, err
	}
	return to, asked
}

// original4 reads a sockaddr_in, family, port and address, as another structure that is large enough: package unix has
// no function for this option.
func original4(fd int) (netip.AddrPort, error) {
	m, err := unix.GetsockoptIPv6Mreq(fd, unix.SOL_IP, unix.SO_ORIGINAL_DST)
	if err != nil {
		return netip.AddrPort{}, err
	}
	address := netip.AddrFrom4([4]byte(m.Multiaddr[4:8]))
	return netip.AddrPortFrom(address, binary.BigEndian.Uint16(m.Multiaddr[2:4])), nil
}

// original6 reads a sockaddr_in6 as what a structure begins with. IP6T_SO_ORIGINAL_DST has the same number.
func original6(fd int) (netip.AddrPort, error) {
	m, err := unix.GetsockoptIPv6MTUInfo(fd, unix.SOL_IPV6, unix.SO_ORIGINAL_DST)
	if err != nil {
		return netip.AddrPort{}, err
	}
	port := binary.NativeEndian.AppendUint16(nil, m.Addr.Port) // in the network's order
	return netip.AddrPortFrom(netip.AddrFrom16(m.Addr.Addr), binary.BigEndian.Uint16(port)), nil
}
