package nft

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// Node ports at the node's loopback addresses, over TCP. A packet cannot leave the node with such an address as its
// source, so connections to them go to a listener of this node, see Rules.Localhost, that makes others to the node port.
// It learns from conntrack (SO_ORIGINAL_DST) where they were to go.

// localhostJump is for what the node sends to itself, and for nothing else.
func (v view) localhostJump() rule {
	return v.only(v.toLoopback(), metaIs(unix.NFT_META_L4PROTO, []byte{unix.IPPROTO_TCP}), rule{jump(v.name("localhost"))})
}

// toLoopback lets packets pass that are for 127.0.0.0/8 or ::1.
func (v view) toLoopback() rule {
	r := load(v.daddr())
	if v.family == IPv4 {
		return append(r, maskBits(firstRegister, []byte{255, 0, 0, 0}), equal(firstRegister, []byte{127, 0, 0, 0}))
	}
	return append(r, equal(firstRegister, netip.IPv6Loopback().AsSlice()))
}

// localhostRules refuse at once what the node port refuses, and redirect the rest to the listener. What is at no node
// port they leave alone. Short cuts need no look: a node port that has one is there as well, and where it refuses, there
// is no endpoint that a short cut could lead to.
func (v view) localhostRules(port uint16) []rule {
	redirect := rule{loadConstant(network.AppendUint16(nil, port), firstRegister), redirectTo(firstRegister)}
	refused := append(codeIs(equal, refuseCode), goTo(Refuse().String()))
	return []rule{
		v.only(v.take("nodeport", l4proto(), dport()), refused),
		v.only(v.has("nodeport", l4proto(), dport()), redirect),
	}
}
