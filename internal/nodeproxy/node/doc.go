// Package node says what this node is, and follows it: its addresses, its zone, where its pods are, and whether it is
// about to go.
//
//	Node object ──┐
//	ServiceCIDRs ─┼─> Watcher ──> View: route.Node, route.Network, what is not known yet
//	addresses ────┘
//
// # Where it differs from kube-proxy 1.36
//
// kube-proxy reads the Node's addresses and podCIDRs once, at its start, and what --nodeport-addresses selects when it
// next syncs in full. Here all of it is followed.
//
// primary: node ports are served on the Node's first InternalIP of each family, else its first ExternalIP, where this
// host has it: that of a NAT in front of it is never the destination of a packet here. In both proxies a family that
// the option says nothing of has node ports on all its addresses: with primary, one in which the Node object has no
// address, with prefixes, one without a prefix. But as long as the Node object has no address at all there are none
// here, while kube-proxy takes all after 30 seconds.
//
// "All addresses" are those of the host's interfaces, but for loopback's, and for link-local ones unless a prefix has
// them: on a cluster of IPv4 alone each interface of a pod has one of IPv6, which nobody can use for node ports.
// kube-proxy asks the kernel what is local ("fib daddr type local"), which knows those too, and ranges that are routed to
// the host itself.
package node
