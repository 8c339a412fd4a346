// Package explain says in words what a node does for a Service.
package explain

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy/endpoints"
	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
)

// Subject is a Service as a node sees it.
type Subject struct {
	Service *corev1.Service
	Slices  []*endpoints.Slice
	// Plan is what the node does for it.
	Plan route.Plan
	// Conflicts are those that it takes part in.
	Conflicts []route.Conflict

	// Doors are the Service's numbers on the node, and Guarded: it is known who may reach them. Labels are the Node's.
	Doors   []Door
	Guarded bool
	Labels  map[string]string

	// Mode is which Services the node-proxy serves.
	Mode        v1alpha1.ProxyMode
	Node        route.Node
	NodePortIPs []netip.Addr
}

// Service says what the node does for a Service: where each of its frontends leads, and which endpoints it has.
func Service(s Subject) string {
	var b strings.Builder
	fmt.Fprintln(&b, s.headline())
	routes := slices.SortedStableFunc(slices.Values(s.Plan.Routes), compare)
	for i, r := range routes {
		if i == 0 || byPort(routes[i-1], r) != 0 {
			fmt.Fprintf(&b, "\n%s\n", portTitle(r))
		}
		for line := range s.frontend(r) {
			fmt.Fprintln(&b, line)
		}
	}
	if len(routes) > 0 {
		s.endpoints(&b)
	}
	s.healthCheck(&b)
	s.doors(&b)
	return b.String()
}

// compare orders routes as one would ask for them: by port, family and kind.
func compare(a, b route.Route) int {
	return cmp.Or(byPort(a, b), cmp.Compare(a.Family, b.Family), cmp.Compare(a.Kind, b.Kind))
}

// byPort orders routes by the Service's port that they are for.
func byPort(a, b route.Route) int {
	return cmp.Or(cmp.Compare(a.PortName, b.PortName), cmp.Compare(a.Protocol, b.Protocol))
}

func portTitle(r route.Route) string {
	protocol := r.Protocol.Name()
	if r.PortName == "" {
		return protocol
	}
	return fmt.Sprintf("Port %s, %s", r.PortName, protocol)
}

// headline says whether the node serves the Service at all, and why not.
func (s Subject) headline() string {
	name := s.Service.Namespace + "/" + s.Service.Name
	switch {
	case len(s.Plan.Routes) > 0:
		return fmt.Sprintf("%s (%s) is served by this node, %s.", name, s.Service.Spec.Type, s.Node.Name)
	case s.Plan.HandedOver:
		return fmt.Sprintf("%s is left to another proxy: %s.", name, s.otherProxy())
	case s.Service.Spec.Type == corev1.ServiceTypeExternalName:
		return fmt.Sprintf("%s is a name for %s in the cluster's DNS: no node has anything to do for it.", name, s.Service.Spec.ExternalName)
	case s.Service.Spec.ClusterIP == corev1.ClusterIPNone:
		return fmt.Sprintf("%s is headless: clients find its pods by DNS, and no node has anything to do for it.", name)
	}
	return fmt.Sprintf("%s has no frontend here.", name)
}

func (s Subject) otherProxy() string {
	if s.Mode == v1alpha1.ProxyModeNone {
		return "this node-proxy serves no Service"
	}
	if proxy, ok := s.Service.Labels[v1alpha1.ServiceProxyNameLabel]; ok {
		return fmt.Sprintf("its label %s names %q", v1alpha1.ServiceProxyNameLabel, proxy)
	}
	return fmt.Sprintf("it has no label %s, and this node-proxy serves only Services whose label names it", v1alpha1.ServiceProxyNameLabel)
}

// conflictAt is the Service that has a frontend instead, if another has it.
func (s Subject) conflictAt(f route.Frontend) (types.NamespacedName, bool) {
	own := types.NamespacedName{Namespace: s.Service.Namespace, Name: s.Service.Name}
	for _, c := range s.Conflicts {
		if c.Frontend == f && c.Loser == own {
			return c.Winner, true
		}
	}
	return types.NamespacedName{}, false
}

// healthCheck says what a load balancer is answered.
func (s Subject) healthCheck(b *strings.Builder) {
	h := s.Plan.HealthCheck
	if h.Port == 0 {
		return
	}
	answer := "503, for no ready endpoint is on this node"
	if n := max(h.IPv4, h.IPv6); n > 0 {
		answer = fmt.Sprintf("200, for %s on this node", count(n, "ready endpoint is", "ready endpoints are"))
	}
	fmt.Fprintf(b, "\nLoad balancers that ask port %d for health are answered %s.\n", h.Port, answer)
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
