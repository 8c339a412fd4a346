package route

import (
	"cmp"
	"net/netip"
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/portolan-dev/portolan/internal/nodeproxy/endpoints"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// endpoint is one address and port behind a Service's port, as this node sees it.
type endpoint struct {
	addr  netip.AddrPort
	local bool // on this node

	// ready may be set while it terminates, where the Service publishes addresses that are not ready.
	ready, serving, terminating bool

	node, zone hint
}

// lasting says whether it serves on while it terminates: what is used where nothing is ready.
func (e endpoint) lasting() bool { return e.serving && e.terminating }

// hint is what an EndpointSlice says about who should use an endpoint.
type hint uint8

const (
	unhinted  hint = iota
	elsewhere      // hinted, but not for here
	here
)

// endpointsOf are the endpoints of a Service's port in the family, sorted by address, each once.
//
// The slice's addressType decides the family, and of an endpoint's addresses the first counts. Ports are matched by
// name and protocol.
func endpointsOf(slicesOfService []*endpoints.Slice, family nft.Family, name string, protocol nft.Protocol, node Node) []endpoint {
	var all []endpoint
	for _, slice := range slicesOfService {
		if !concerns(slice, family) {
			continue
		}
		for _, port := range slice.Ports {
			if p, ok := nft.ProtocolNamed(port.Protocol); ok && p == protocol && port.Name == name {
				all = appendEndpoints(all, slice, family, port.Number, node)
			}
		}
	}
	return eachOnce(all)
}

// concerns says whether a slice holds endpoints of the family to be proxied to.
func concerns(slice *endpoints.Slice, family nft.Family) bool {
	if slice.Headless {
		return false
	}
	if family == nft.IPv4 {
		return slice.AddressType == discoveryv1.AddressTypeIPv4
	}
	return slice.AddressType == discoveryv1.AddressTypeIPv6
}

func appendEndpoints(all []endpoint, slice *endpoints.Slice, family nft.Family, port uint16, node Node) []endpoint {
	all = slices.Grow(all, len(slice.Endpoints))
	for i := range slice.Endpoints {
		e := &slice.Endpoints[i]
		if addr, ok := parseAddr(e.Address); ok && nft.FamilyOf(addr) == family {
			all = append(all, newEndpoint(e, netip.AddrPortFrom(addr, port), node))
		}
	}
	return all
}

func newEndpoint(e *endpoints.Endpoint, addr netip.AddrPort, node Node) endpoint {
	seen := endpoint{
		addr:        addr,
		local:       e.Node != "" && e.Node == node.Name,
		ready:       e.Ready,
		serving:     e.Serving,
		terminating: e.Terminating,
	}
	if e.Hints != nil {
		for _, n := range e.Hints.ForNodes {
			seen.node = max(seen.node, hintFor(n.Name, node.Name))
		}
		for _, z := range e.Hints.ForZones {
			seen.zone = max(seen.zone, hintFor(z.Name, node.Zone))
		}
	}
	return seen
}

func hintFor(name, ours string) hint {
	if name == ours {
		return here
	}
	return elsewhere
}

// eachOnce sorts endpoints and leaves one of each address and port. An address is there twice while an endpoint
// moves between slices, or where a new pod got the address of one that terminates still: what does not terminate
// wins. Between two of those kube-proxy's answer depends on chance; here the one that is ready wins.
func eachOnce(endpoints []endpoint) []endpoint {
	slices.SortFunc(endpoints, func(a, b endpoint) int {
		if c := a.addr.Compare(b.addr); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(a.standing(), b.standing()), cmp.Compare(b.node, a.node), cmp.Compare(b.zone, a.zone))
	})
	return slices.CompactFunc(endpoints, func(a, b endpoint) bool { return a.addr == b.addr })
}

// standing ranks an endpoint among others of its address, the best first.
func (e endpoint) standing() int {
	rank := 0
	for i, flaw := range []bool{!e.local, !e.serving, !e.ready, e.terminating} {
		if flaw {
			rank |= 1 << i
		}
	}
	return rank
}
