// Package inventory says which node ports a cluster has, at which addresses of which nodes they are to be reached, and who
// may: what load balancers, firewalls and name servers in front of the nodes want to know. Everything here is pure.
//
// The policy:
//   - Nodes are external-dns's: those that are ready and schedulable, at their external addresses, where any has one of the
//     family, else at their internal ones. As for load balancers of a cloud, the label
//     node.kubernetes.io/exclude-from-external-load-balancers keeps a node out. Where that leaves no node, being ready and
//     schedulable does not matter: better a node that may not answer than none.
//   - A Service is reached at addresses of its own IP families only.
//   - With externalTrafficPolicy Local a port is to be had at nodes that have a ready pod for it; where none is ready, at
//     those whose pods end and still serve.
//   - Who may reach a port is what its NodePortAccess objects and its pool's ceiling say, as package access reads them. What
//     they say of interfaces is the nodes' business: nobody else knows them.
package inventory

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// Cluster is what is read of a cluster. Allocations are only of use for the names of pools, Accesses and Pools only for who
// may reach a port. It is not written to.
type Cluster struct {
	Nodes       []corev1.Node
	Services    []corev1.Service
	Slices      []discoveryv1.EndpointSlice
	Allocations []v1alpha1.NodePortAllocation
	Accesses    []v1alpha1.NodePortAccess
	Pools       []v1alpha1.NodePortPool
}

// Inventory is the node ports of a cluster at a moment. The same cluster, in whatever order, gives the same Inventory. What
// it has may be shared within it, and is not to be written to.
type Inventory struct {
	// Nodes are those that take traffic from outside, by name.
	Nodes []Node
	// Unfit says that no node is ready and schedulable, so that all count.
	Unfit bool
	// Ports are by namespace, Service, number and protocol.
	Ports []Port
	// Checks are by namespace and Service.
	Checks []Check
}

// Node is a node and where it is to be reached.
type Node struct {
	Name string
	// Addresses are those of IPv4 first, of each family in the node's own order; at least one.
	Addresses []netip.Addr

	labels map[string]string
}

// Port is an entry of a Service's spec.ports that has a node port.
type Port struct {
	Namespace, Service string
	// Name is the entry's; "" where a Service's only port has none.
	Name     string
	Protocol corev1.Protocol
	// Port is the number at the Service's own addresses, 1 to 65535.
	Port int32
	// Number is the node port, 1 to 65535.
	Number int32
	// Pool is the pool that the number was taken from; "" where no pool had it, or that is not known.
	Pool string
	// Local says that only nodes with a pod of the Service answer.
	Local bool
	// HealthCheck is the Service's healthCheckNodePort; 0 for none.
	HealthCheck int32
	// Created is when the Service was.
	Created time.Time
	// Nodes are those at which the port is to be reached, with their addresses of the Service's families.
	Nodes []Node
	// Doors are who may reach it where; none: nobody.
	Doors []Door
}

// Door is some of the addresses of a port, all of one family, and who may reach it there.
type Door struct {
	// Addresses are in the order of the nodes; at least one.
	Addresses []netip.Addr
	// From are ranges of that family that share no address, ascending; at least one.
	From []netip.Prefix
}

// Open says whether everybody may reach the port there.
func (d Door) Open() bool { return d.From[0].Bits() == 0 }

// Check is the healthCheckNodePort of a Service. Load balancers ask there, of all nodes; no NodePortAccess and no pool says
// who may.
type Check struct {
	Namespace, Service string
	// Number is the node port, 1 to 65535; over TCP.
	Number int32
	// Created is when the Service was.
	Created time.Time
	// Doors are open ones, of all nodes.
	Doors []Door
}

// New takes the inventory of what the filter lets through.
func New(c *Cluster, f Filter) *Inventory {
	nodes, unfit := eligible(c.Nodes)
	site := newSite(places(nodes, f))
	inv := &Inventory{Nodes: site.all, Unfit: unfit}
	backends, keepers, pools := newBackends(c.Slices), newKeepers(c), poolNames(c.Allocations)
	for i := range c.Services {
		svc := &c.Services[i]
		if !f.service(svc) {
			continue
		}
		b := builder{svc: svc, site: site, backends: backends, keepers: keepers, pools: pools, filter: f}
		ports := b.ports()
		inv.Ports = append(inv.Ports, ports...)
		if len(ports) > 0 && ports[0].HealthCheck != 0 {
			inv.Checks = append(inv.Checks, b.check())
		}
	}
	slices.SortFunc(inv.Ports, func(a, b Port) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Service, b.Service),
			cmp.Compare(a.Number, b.Number), cmp.Compare(a.Protocol, b.Protocol))
	})
	slices.SortFunc(inv.Checks, func(a, b Check) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Service, b.Service))
	})
	return inv
}
