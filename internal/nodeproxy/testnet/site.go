package testnet

import (
	"fmt"
	"net/netip"
)

// Host is a namespace with an address of each family.
type Host struct {
	*Namespace
	Name       string
	IPv4, IPv6 netip.Addr
}

// Site is a node of a cluster with pods on it, and a client outside. Each pod and the client have a cable of their own
// to the node, which passes on what is not for itself; what it has no route for it sends to the client.
type Site struct {
	Client, Node *Host
	Pods         []*Host
}

// Addresses of a site.
const (
	ClientInterface = "outside" // on the node
	PodInterfaces   = "pod"     // and the number of the pod; on the node

	PodRange4 = "10.244.0.0/16"
	PodRange6 = "fd00:244::/48"
)

// NewSite makes a site that lives as long as the test. Without the right to it the test is skipped.
func NewSite(t T, pods int) *Site {
	t.Helper()
	s := &Site{
		Client: NewHost(t, "client", "192.0.2.2", "2001:db8::2"),
		Node:   NewHost(t, "node", "192.0.2.1", "2001:db8::1"),
	}
	s.Node.Sysctl("ipv4/ip_forward", "1")
	s.Node.Sysctl("ipv6/conf/all/forwarding", "1")
	s.Client.PlugInto(s.Node, ClientInterface, "/24", "/64", s.Node.IPv4, s.Node.IPv6)
	s.Node.Route(s.Client.IPv4.String(), "default")
	s.Node.Route(s.Client.IPv6.String(), "default")
	for i := range pods {
		name := fmt.Sprint(PodInterfaces, i)
		pod := NewHost(t, name, fmt.Sprintf("10.244.%d.2", i), fmt.Sprintf("fd00:244:0:%x::2", i))
		pod.PlugInto(s.Node, name, "/24", "/64", netip.MustParseAddr(fmt.Sprintf("10.244.%d.1", i)), netip.MustParseAddr(fmt.Sprintf("fd00:244:0:%x::1", i)))
		s.Pods = append(s.Pods, pod)
	}
	return s
}

// NewHost makes a host that has these addresses as soon as an interface is given them.
func NewHost(t T, name, ipv4, ipv6 string) *Host {
	t.Helper()
	return &Host{New(t), name, netip.MustParseAddr(ipv4), netip.MustParseAddr(ipv6)}
}

// PlugInto connects a host to the node, which has these addresses at its end, and sends all its traffic there.
func (h *Host) PlugInto(node *Host, end, mask4, mask6 string, node4, node6 netip.Addr) {
	h.Connect("eth0", node.Namespace, end)
	h.Address("eth0", h.IPv4.String()+mask4, h.IPv6.String()+mask6)
	node.Address(end, node4.String()+mask4, node6.String()+mask6)
	h.Route(node4.String(), "default")
	h.Route(node6.String(), "default")
}

// AddressLike is the host's address of the family that another address is of.
func (h *Host) AddressLike(other netip.Addr) netip.Addr {
	if other.Is4() {
		return h.IPv4
	}
	return h.IPv6
}
