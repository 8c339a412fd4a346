package route

import (
	"net/netip"
	"time"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// Plan is all that this node does for one Service. The zero Plan does nothing, as for a Service that has gone.
type Plan struct {
	// Created is when the Service was: of two that claim one frontend the older has it.
	Created time.Time
	// Routes are its frontends, sorted, each once.
	Routes []Route
	// ClusterIPs are its cluster IPs: connections to their unused ports are refused.
	ClusterIPs []netip.Addr
	// Hairpins are its endpoints on this node: a connection of theirs that comes back to them is masqueraded.
	Hairpins []Hairpin
	// HealthCheck answers the load balancer that asks whether this node has endpoints.
	HealthCheck HealthCheck
	// HandedOver: another proxy serves the Service. What flows have begun here are left alone.
	HandedOver bool
}

// Kind is what a frontend is to its Service.
type Kind uint8

// The kinds. Of two frontends that are the same the one of the lower kind counts: within a Service, and between
// Services too, for a cluster IP is given by the API server and the others are anybody's to ask for.
const (
	ClusterIP Kind = iota
	LoadBalancer
	ExternalIP
	NodePort
)

func (k Kind) String() string {
	return [...]string{"cluster IP", "load balancer IP", "external IP", "node port"}[k]
}

// Route is a frontend and what becomes of new connections to it.
type Route struct {
	Frontend
	Kind Kind
	// PortName is the name of the Service's port.
	PortName string
	// Target is where connections go, but for those that Inside is for.
	Target Target
	// Inside is where connections from pods of this node and from the node itself go; nil: to Target too.
	Inside *Target
	// Affinity: connections of one source go to the endpoint of its last for that long, in whole seconds; 0: they do not.
	Affinity time.Duration
	// Masquerade: the endpoint sees this node as the source, since it may be on another one.
	Masquerade bool
	// Sources may connect, all others are discarded; none: everybody may.
	Sources []netip.Prefix
	// Serving are, of UDP and SCTP, the endpoints whose flows go on; sorted.
	Serving []netip.AddrPort
}

// Hairpin is an endpoint on this node.
type Hairpin struct {
	Protocol nft.Protocol
	Endpoint netip.AddrPort
}

func (h Hairpin) element() nft.Element { return nft.Hairpin(h.Protocol, h.Endpoint) }

// HealthCheck is a healthCheckNodePort and what to answer there.
type HealthCheck struct {
	// Port is the node port; 0: there is none.
	Port uint16
	// IPv4 and IPv6 are how many addresses of each family have a ready endpoint on this node.
	IPv4, IPv6 int
}
