package route

import (
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/nodeproxy/endpoints"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/selection"
)

// Node is the node that the plans are for.
type Node struct {
	// Name is spec.nodeName of its pods.
	Name string
	// Zone is its label topology.kubernetes.io/zone; "" for none.
	Zone string
	// IPs are its own addresses, one of each family.
	IPs []netip.Addr
}

// Equal says whether the plans for two nodes are the same.
func (n Node) Equal(m Node) bool {
	return n.Name == m.Name && n.Zone == m.Zone && slices.Equal(n.IPs, m.IPs)
}

// Service plans one Service with its EndpointSlices for a node. A nil svc is one that has gone.
func Service(svc *corev1.Service, endpointSlices []*endpoints.Slice, node Node, selected selection.Selection) Plan {
	switch {
	case svc == nil:
		return Plan{}
	case !selected.Takes(svc):
		return Plan{HandedOver: true}
	case !proxied(svc):
		return Plan{}
	}
	d := draft{svc: svc, endpointSlices: endpointSlices, node: node, plan: Plan{Created: svc.CreationTimestamp.Time}}
	for _, family := range []nft.Family{nft.IPv4, nft.IPv6} {
		if ip, ok := clusterIP(svc, family); ok {
			d.addFamily(family, ip)
		}
	}
	if needsHealthCheck(svc) {
		d.plan.HealthCheck.Port = uint16(svc.Spec.HealthCheckNodePort) //nolint:gosec // a port of the API server
	}
	d.plan.Routes = eachFrontendOnce(d.plan.Routes)
	return d.plan
}

// proxied says whether a Service has frontends at all: not without a cluster IP, nor as an alias.
func proxied(svc *corev1.Service) bool {
	ip := svc.Spec.ClusterIP
	return ip != "" && ip != corev1.ClusterIPNone && svc.Spec.Type != corev1.ServiceTypeExternalName
}

// clusterIP is the Service's cluster IP of the family, if any. Without one it has no frontend in that family.
func clusterIP(svc *corev1.Service, family nft.Family) (netip.Addr, bool) {
	ips := addrsOf(family, append([]string{svc.Spec.ClusterIP}, svc.Spec.ClusterIPs...))
	if len(ips) == 0 {
		return netip.Addr{}, false
	}
	return ips[0], true
}

// eachFrontendOnce sorts routes by frontend and leaves one of each, of the lowest kind.
func eachFrontendOnce(routes []Route) []Route {
	slices.SortStableFunc(routes, func(a, b Route) int {
		if c := a.Frontend.Compare(b.Frontend); c != 0 {
			return c
		}
		return int(a.Kind) - int(b.Kind)
	})
	return slices.Clip(slices.CompactFunc(routes, func(a, b Route) bool { return a.Frontend == b.Frontend }))
}

// draft is a plan in the making.
type draft struct {
	svc            *corev1.Service
	endpointSlices []*endpoints.Slice
	node           Node
	plan           Plan
}

// addFamily plans all frontends of one family.
func (d *draft) addFamily(family nft.Family, clusterIP netip.Addr) {
	d.plan.ClusterIPs = append(d.plan.ClusterIPs, clusterIP)
	external := d.externalAddresses(family)
	ready := map[netip.Addr]bool{}
	for i := range d.svc.Spec.Ports {
		port := &d.svc.Spec.Ports[i]
		protocol, ok := nft.ProtocolNamed(port.Protocol)
		if !ok {
			continue
		}
		c := &choice{endpoints: endpointsOf(d.endpointSlices, family, port.Name, protocol, d.node)}
		d.addPort(Route{
			Frontend: Frontend{Family: family, Protocol: protocol, Addr: clusterIP, Port: uint16(port.Port)}, //nolint:gosec // a port of the API server
			PortName: port.Name,
			Affinity: affinity(d.svc),
		}, uint16(port.NodePort), external, c) //nolint:gosec // a port of the API server
		for _, e := range c.endpoints {
			if e.local && e.ready {
				ready[e.addr.Addr()] = true
			}
		}
	}
	if needsHealthCheck(d.svc) {
		d.plan.HealthCheck.count(family, len(ready))
	}
}

// addPort adds the routes of one port: route has what they share, with the cluster IP as its address.
func (d *draft) addPort(route Route, nodePort uint16, external []externalAddress, c *choice) {
	if tracked(route.Protocol) {
		route.Serving = c.serving()
	}
	inside := route
	inside.Target = c.target(internalPolicy(d.svc))
	d.plan.Routes = append(d.plan.Routes, inside)
	if nodePort != 0 {
		external = append(slices.Clip(external), externalAddress{kind: NodePort})
	}
	for _, to := range external {
		outside := route
		outside.Kind, outside.Addr, outside.Sources = to.kind, to.addr, to.sources
		if to.kind == NodePort {
			outside.Port = nodePort
		}
		outside.open(externalPolicy(d.svc), c)
		d.plan.Routes = append(d.plan.Routes, outside)
	}
	for _, e := range c.local() {
		d.plan.Hairpins = append(d.plan.Hairpins, Hairpin{Protocol: route.Protocol, Endpoint: e})
	}
}

// open aims a route that leads in from outside the cluster.
func (r *Route) open(policy Policy, c *choice) {
	r.Target = c.target(policy)
	r.Masquerade = policy == Cluster
	if policy == Local {
		r.Inside = new(c.target(Cluster))
	}
}

func affinity(svc *corev1.Service) time.Duration {
	if svc.Spec.SessionAffinity != corev1.ServiceAffinityClientIP {
		return 0
	}
	seconds := corev1.DefaultClientIPServiceAffinitySeconds
	if c := svc.Spec.SessionAffinityConfig; c != nil && c.ClientIP != nil && c.ClientIP.TimeoutSeconds != nil {
		seconds = *c.ClientIP.TimeoutSeconds
	}
	return time.Duration(seconds) * time.Second
}

func internalPolicy(svc *corev1.Service) Policy {
	if p := svc.Spec.InternalTrafficPolicy; p != nil && *p == corev1.ServiceInternalTrafficPolicyLocal {
		return Local
	}
	return Cluster
}

func externalPolicy(svc *corev1.Service) Policy {
	if svc.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal {
		return Local
	}
	return Cluster
}

func needsHealthCheck(svc *corev1.Service) bool {
	return svc.Spec.Type == corev1.ServiceTypeLoadBalancer && externalPolicy(svc) == Local && svc.Spec.HealthCheckNodePort != 0
}

// count sets how many addresses of the family have a ready endpoint here.
func (h *HealthCheck) count(family nft.Family, n int) {
	if family == nft.IPv4 {
		h.IPv4 = n
	} else {
		h.IPv6 = n
	}
}
