package picture

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
	"github.com/portolan-dev/portolan/internal/bitmap"
	"github.com/portolan-dev/portolan/internal/selection"
)

// Serving is which nodes' node-proxies serve a Service, and those of them that have a number in force, by name.
type Serving struct{ Nodes, Programmed []string }

// Serving looks through the node states. What kube-proxy serves is in none of them.
func (p *Picture) Serving(svc *corev1.Service, number int32) Serving {
	var s Serving
	for i := range p.NodeStates {
		state := &p.NodeStates[i]
		if !selection.Of(state).Takes(svc) {
			continue
		}
		s.Nodes = append(s.Nodes, state.Name)
		if numbers, err := bitmap.Parse(state.Status.NodePorts); err == nil && numbers.Has(number) {
			s.Programmed = append(s.Programmed, state.Name)
		}
	}
	slices.Sort(s.Nodes)
	slices.Sort(s.Programmed)
	return s
}

// Guarded says whether any node enforces who may reach node ports.
func (p *Picture) Guarded() bool {
	return slices.ContainsFunc(p.NodeStates, func(s v1alpha1.NodePortNodeState) bool { return s.Status.Guard != nil })
}

// NodeClash is what else uses a number on a node.
type NodeClash struct {
	Node string
	v1alpha1.Clash
}

// NodeClashes are what nodes report of a number, by node. Unlike a Number's Clashes they name what it is.
func (p *Picture) NodeClashes(number int32) []NodeClash {
	var all []NodeClash
	for i := range p.NodeStates {
		for _, clash := range p.NodeStates[i].Status.Clashes {
			if clash.NodePort == number {
				all = append(all, NodeClash{p.NodeStates[i].Name, clash})
			}
		}
	}
	return all
}

// Endpoints are a Service's in its EndpointSlices, by address, each once.
type Endpoints struct {
	Ready, Total int
	// OnNodes are the nodes with ready ones, and how many.
	OnNodes map[string]int
}

// Endpoints counts a Service's.
func (p *Picture) Endpoints(svc *corev1.Service) Endpoints {
	e := Endpoints{OnNodes: map[string]int{}}
	seen := map[string]bool{}
	for i := range p.EndpointSlices {
		slice := &p.EndpointSlices[i]
		if slice.Namespace != svc.Namespace || slice.Labels[discoveryv1.LabelServiceName] != svc.Name {
			continue
		}
		for _, endpoint := range slice.Endpoints {
			if len(endpoint.Addresses) == 0 || seen[endpoint.Addresses[0]] {
				continue
			}
			seen[endpoint.Addresses[0]] = true
			e.Total++
			if endpoint.Conditions.Ready != nil && !*endpoint.Conditions.Ready { // absent counts as ready: see the API
				continue
			}
			e.Ready++
			if endpoint.NodeName != nil {
				e.OnNodes[*endpoint.NodeName]++
			}
		}
	}
	return e
}

// Selecting are the NodePortAccess objects that are about a Service's port of one of these names, by name.
func (p *Picture) Selecting(svc *corev1.Service, ports ...string) []*v1alpha1.NodePortAccess {
	var selecting []*v1alpha1.NodePortAccess
	for i := range p.Accesses {
		a := &p.Accesses[i]
		policy := access.NewSelection(a)
		if a.Namespace == svc.Namespace && policy.Selects(svc.Labels) && slices.ContainsFunc(ports, policy.SelectsPort) {
			selecting = append(selecting, a)
		}
	}
	return selecting
}
