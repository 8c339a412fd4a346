package proxysite

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

const (
	// PodPort is what pods and nodes serve.
	PodPort = 8080
	// OtherPort is what they serve too, under a name with OtherSuffix; not over SCTP.
	OtherPort = 8081
	// OtherSuffix tells who answers at OtherPort from who does at PodPort.
	OtherSuffix = "-other"

	// ClientPort is what the client serves.
	ClientPort = 80

	// NodeInterface is the node's on the LAN.
	NodeInterface = "eth0"
	// PodInterfaces are the node's to its pods: this, and the pod's number.
	PodInterfaces = "pod"

	// Zone is the node's.
	Zone = "here"
	// OtherZone is the other node's.
	OtherZone = "there"

	podsOfNode = 3
	patience   = 10 * time.Second // for what is sure to come
)

// More addresses of the node, which the Node object does not know of.
const (
	SecondAddress4 = "203.0.113.1"
	SecondAddress6 = "2001:db8:2::1"
)

// Site is a node with what is around it. Methods may be called concurrently unless they say otherwise.
type Site struct {
	Plane *Plane
	// NodeName and OtherName are the names of the Node objects; the hosts are "node" and "other" in all sites.
	NodeName, OtherName            string
	Node, Other, Client, Neighbour *testnet.Host
	Local, Remote                  []*testnet.Host // pods

	lan       *testnet.Namespace
	namespace string // of sentinels
	gateway   *gateway

	mu        sync.Mutex // guards the fields below
	sentinels []*sentinel
	gates     *gates // nil: nobody asks for a guard
}

// NewSite makes a site that lives as long as t. Without the right to it, t is skipped.
func (p *Plane) NewSite(ctx context.Context, t testnet.T) *Site {
	t.Helper()
	number := p.sites.Add(1)
	s := &Site{
		Plane:     p,
		NodeName:  fmt.Sprint("node-", number),
		OtherName: fmt.Sprint("other-", number),
		namespace: fmt.Sprint("site-", number),
		gateway:   newGateway(),
		lan:       testnet.New(t),
		Node:      testnet.NewHost(t, "node", "192.0.2.1", "2001:db8::1"),
		Other:     testnet.NewHost(t, "other", "192.0.2.2", "2001:db8::2"),
		Client:    testnet.NewHost(t, "client", "192.0.2.11", "2001:db8::11"),
		Neighbour: testnet.NewHost(t, "neighbour", "192.0.2.12", "2001:db8::12"),
	}
	s.layLAN()
	s.Local = makePods(t, s.Node, "local", 1)
	s.Remote = makePods(t, s.Other, "remote", 2)
	s.routeBetweenNodes()
	for _, h := range append(s.Pods(), s.Node, s.Other) {
		h.Serve(PodPort)
		h.ServeAs(h.Name+OtherSuffix, OtherPort)
		h.ServeSCTP(PodPort)
	}
	s.Client.Serve(ClientPort)
	for _, prepare := range []func(context.Context) error{s.awaitCables, s.register, s.serveAPI(t)} {
		if err := prepare(ctx); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(s.deregister)
	return s
}

// layLAN connects the four that are on it.
func (s *Site) layLAN() {
	var ports []string
	for _, h := range []*testnet.Host{s.Node, s.Other, s.Client, s.Neighbour} {
		s.lan.Connect(h.Name, h.Namespace, NodeInterface)
		ports = append(ports, h.Name)
		h.Address(NodeInterface, h.IPv4.String()+"/24", h.IPv6.String()+"/64")
	}
	s.lan.Bridge("lan", ports...)
	for _, h := range []*testnet.Host{s.Other, s.Client, s.Neighbour} {
		h.Route(s.Node.IPv4.String(), "default")
		h.Route(s.Node.IPv6.String(), "default")
	}
	// What the node has no use for goes to one who has none either: it is gone without an answer.
	s.Node.Route(s.Client.IPv4.String(), "default")
	s.Node.Route(s.Client.IPv6.String(), "default")
	s.Node.Address(NodeInterface, SecondAddress4+"/32", SecondAddress6+"/128")
}

// makePods makes the pods of a machine and connects each with a cable of its own.
func makePods(t testnet.T, machine *testnet.Host, name string, subnet int) []*testnet.Host {
	machine.Sysctl("ipv4/ip_forward", "1")
	machine.Sysctl("ipv6/conf/all/forwarding", "1")
	// Of the refusals by ICMP none is left out for being one of many. (129 is no refusal.)
	machine.Sysctl("ipv4/icmp_ratemask", "0")
	machine.Sysctl("ipv6/icmp/ratemask", "129")
	var pods []*testnet.Host
	for i := 1; i <= podsOfNode; i++ {
		ip4 := fmt.Sprintf("10.244.%d.%d", subnet, 16*i+2)
		ip6 := fmt.Sprintf("fd00:244:0:%d:%d::2", subnet, i)
		pod := testnet.NewHost(t, fmt.Sprint(name, i), ip4, ip6)
		gateway4, gateway6 := pod.IPv4.Prev(), pod.IPv6.Prev()
		pod.PlugInto(machine, fmt.Sprint(PodInterfaces, i), "/28", "/80", gateway4, gateway6)
		pods = append(pods, pod)
	}
	return pods
}

// podRanges are what the pods of a machine are in.
func podRanges(subnet int) []string {
	return []string{fmt.Sprintf("10.244.%d.0/24", subnet), fmt.Sprintf("fd00:244:0:%d::/64", subnet)}
}

func (s *Site) routeBetweenNodes() {
	for i := range 2 {
		s.Node.Route([]string{s.Other.IPv4.String(), s.Other.IPv6.String()}[i], podRanges(2)[i])
		s.Other.Route([]string{s.Node.IPv4.String(), s.Node.IPv6.String()}[i], podRanges(1)[i])
	}
}

// Pods are all pods.
func (s *Site) Pods() []*testnet.Host { return slices.Concat(s.Local, s.Remote) }

// Hosts are all that may ask.
func (s *Site) Hosts() []*testnet.Host {
	return append(s.Pods(), s.Node, s.Other, s.Client, s.Neighbour)
}

// Host is the host of a name, nil if there is none.
func (s *Site) Host(name string) *testnet.Host {
	hosts := s.Hosts()
	if i := slices.IndexFunc(hosts, func(h *testnet.Host) bool { return h.Name == name }); i >= 0 {
		return hosts[i]
	}
	return nil
}

// awaitCables returns when everybody has reached every pod once: a cable may take a moment until it carries, and an
// address until it is there.
func (s *Site) awaitCables(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, from := range s.Hosts() {
		for _, pod := range s.Pods() {
			for _, address := range []netip.Addr{pod.IPv4, pod.IPv6} {
				if err := awaitCable(ctx, from, netip.AddrPortFrom(address, PodPort)); err != nil {
					return fmt.Errorf("%s asks %s: %w", from.Name, pod.Name, err)
				}
			}
		}
	}
	return nil
}

func awaitCable(ctx context.Context, from *testnet.Host, to netip.AddrPort) error {
	for {
		_, err := from.Ask(ctx, "tcp", to, patience)
		if err == nil || ctx.Err() != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
}

// NodeAddresses are all addresses of the node that somebody may see. The caller may keep them.
func (s *Site) NodeAddresses() []netip.Addr {
	addresses := []netip.Addr{
		s.Node.IPv4, s.Node.IPv6,
		netip.MustParseAddr(SecondAddress4), netip.MustParseAddr(SecondAddress6),
	}
	for _, pod := range s.Local {
		addresses = append(addresses, pod.IPv4.Prev(), pod.IPv6.Prev())
	}
	return addresses
}
