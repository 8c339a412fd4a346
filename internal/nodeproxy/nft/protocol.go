package nft

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Protocol is the number of a transport protocol.
type Protocol uint8

// The protocols of Services.
const (
	TCP  Protocol = unix.IPPROTO_TCP
	UDP  Protocol = unix.IPPROTO_UDP
	SCTP Protocol = unix.IPPROTO_SCTP
)

// protocols are those of Services, with their names in Kubernetes and in nft.
var protocols = [...]struct {
	Protocol
	name, printed string
}{{TCP, "TCP", "tcp"}, {UDP, "UDP", "udp"}, {SCTP, "SCTP", "sctp"}}

// ProtocolNamed is the protocol that Kubernetes calls so, TCP where it does not say; false for one that no Service can
// have.
func ProtocolNamed[Name ~string](name Name) (Protocol, bool) {
	if name == "" {
		return TCP, true
	}
	for _, p := range protocols {
		if p.name == string(name) {
			return p.Protocol, true
		}
	}
	return 0, false
}

// Name is what Kubernetes calls the protocol; "" where no Service can have it.
func (p Protocol) Name() string {
	for _, known := range protocols {
		if known.Protocol == p {
			return known.name
		}
	}
	return ""
}

// String is the protocol's name in small letters, as nft prints it.
func (p Protocol) String() string {
	for _, known := range protocols {
		if known.Protocol == p {
			return known.printed
		}
	}
	return fmt.Sprint(uint8(p))
}
