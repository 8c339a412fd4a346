package route

import (
	"cmp"
	"fmt"
	"net/netip"

	corev1 "k8s.io/api/core/v1"
)

// Family is an IP family.
type Family uint8

// The families, in the order in which a Service is planned.
const (
	IPv4 Family = 4
	IPv6 Family = 6
)

func (f Family) String() string { return fmt.Sprintf("IPv%d", uint8(f)) }

// FamilyOf is the family of a valid address.
func FamilyOf(a netip.Addr) Family {
	if a.Is4() {
		return IPv4
	}
	return IPv6
}

// Protocol is a transport protocol, by its IP protocol number.
type Protocol uint8

// The protocols that a Service may have.
const (
	TCP  Protocol = 6
	UDP  Protocol = 17
	SCTP Protocol = 132
)

func (p Protocol) String() string {
	switch p {
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case SCTP:
		return "sctp"
	}
	return fmt.Sprintf("protocol %d", uint8(p))
}

// tracked says whether the kernel keeps sending a flow where its first packet went without asking again, so that
// a change reaches the flow only once its conntrack entry is gone. A TCP connection ends with its endpoint.
func (p Protocol) tracked() bool { return p != TCP }

// protocolOf is the protocol of that name, TCP where none is named; false for one that no Service can have.
func protocolOf(p corev1.Protocol) (Protocol, bool) {
	switch p {
	case corev1.ProtocolTCP, "":
		return TCP, true
	case corev1.ProtocolUDP:
		return UDP, true
	case corev1.ProtocolSCTP:
		return SCTP, true
	}
	return 0, false
}

// Frontend is where connections for a Service arrive.
type Frontend struct {
	Family   Family
	Protocol Protocol
	// Addr is the address; the zero Addr makes it a node port, on every node-port address of the family.
	Addr netip.Addr
	Port uint16
}

// NodePort says whether it is a node port.
func (f Frontend) NodePort() bool { return !f.Addr.IsValid() }

// Compare orders frontends by family, node ports first, address, protocol and port.
func (f Frontend) Compare(g Frontend) int {
	return cmp.Or(
		cmp.Compare(f.Family, g.Family),
		f.Addr.Compare(g.Addr),
		cmp.Compare(f.Protocol, g.Protocol),
		cmp.Compare(f.Port, g.Port),
	)
}

func (f Frontend) String() string {
	if f.NodePort() {
		return fmt.Sprintf("%s node port %d/%s", f.Family, f.Port, f.Protocol)
	}
	return fmt.Sprintf("%s/%s", netip.AddrPortFrom(f.Addr, f.Port), f.Protocol)
}
