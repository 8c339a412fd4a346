package conntrack

import "net/netip"

// Protocol is a transport protocol, by its IP protocol number.
type Protocol uint8

// The protocols whose entries outlive their endpoints.
const (
	UDP  Protocol = 17
	SCTP Protocol = 132
)

// Flow is a frontend whose entries may be out of date. Of two for the same frontend the later one counts.
type Flow struct {
	// Protocol is UDP or SCTP; with another one nothing is deleted.
	Protocol Protocol
	// Addresses are where clients send to: the one of a cluster IP, external IP or load balancer; of a node port, all
	// addresses of the node that have node ports, of one family or both.
	Addresses []netip.Addr
	Port      uint16
	// Serving are the endpoints whose entries stay, in any order. Those that serve while they terminate, and those that
	// new flows do not go to for other reasons, belong to them.
	Serving []netip.AddrPort
	// Gone: the frontend is none any more. Entries that were never translated stay then, as packets to it are no longer
	// meant to be; else they are from before the frontend was there, and go.
	Gone bool
}
