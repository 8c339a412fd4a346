// Package serviceports knows where node port numbers stand in a Service: which
// the API server keeps allocated for it, which entries share one, and which an
// update carries over. Nothing here looks beyond the Service itself; a protocol
// that is left out counts as TCP.
package serviceports

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Role is what a Service uses a number for.
type Role string

const (
	// Traffic is the role of spec.ports[*].nodePort.
	Traffic Role = "Traffic"
	// HealthCheck is the role of spec.healthCheckNodePort.
	HealthCheck Role = "HealthCheck"
)

// Port is an entry of spec.ports.
type Port struct {
	Index    int // its place in spec.ports
	Name     string
	Port     int32
	Protocol corev1.Protocol
}

// Request is one number of a Service, carried or yet to be chosen.
type Request struct {
	Role     Role
	NodePort int32  // 0: to be chosen
	Ports    []Port // the entries that carry the number, in the order of the spec; none for HealthCheck
}

// Path is the field that an error about the number belongs to. Where entries
// share the number it is the first one's, as in the API server's own errors.
func (r Request) Path() *field.Path { return r.Paths()[0] }

// Paths are the fields of all entries that carry the number.
func (r Request) Paths() []*field.Path {
	if r.Role == HealthCheck {
		return []*field.Path{healthCheckPath}
	}
	paths := make([]*field.Path, len(r.Ports))
	for i, p := range r.Ports {
		paths[i] = nodePortPath(p.Index)
	}
	return paths
}

var healthCheckPath = field.NewPath("spec", "healthCheckNodePort")

func nodePortPath(index int) *field.Path {
	return field.NewPath("spec", "ports").Index(index).Child("nodePort")
}

// Requests returns one request for each number that the API server keeps
// allocated for svc, in the order of the spec, the health check last:
//
//   - NodePort: a number for each entry;
//   - LoadBalancer: the same, but where allocateLoadBalancerNodePorts is false only the explicit numbers;
//   - LoadBalancer with externalTrafficPolicy Local: healthCheckNodePort;
//   - ClusterIP and ExternalName: none (but see Stored).
//
// Entries on the same `port` share a number, TCP and UDP for instance, and one
// without a number joins the first that stands there, as in initNodePorts
// (pkg/registry/core/service/storage/alloc.go). Upstream shares on create only;
// here an entry added later shares too, so that one manifest gives one result.
// On update call CarryOver first: a live entry then has its number already.
func Requests(svc *corev1.Service) []Request {
	var requests []Request
	if usesNodePorts(svc) {
		requests = group(svc.Spec.Ports, allocatesNodePorts(svc))
	}
	if needsHealthCheck(svc) {
		requests = append(requests, Request{Role: HealthCheck, NodePort: svc.Spec.HealthCheckNodePort})
	}
	return requests
}

// Stored returns one request for each number that stands in svc, whatever its
// type, in the order of the spec. A number on an ExternalName Service is stored
// by the API server without being allocated, and Requests does not show it.
func Stored(svc *corev1.Service) []Request {
	requests := group(svc.Spec.Ports, false)
	if svc.Spec.HealthCheckNodePort != 0 {
		requests = append(requests, Request{Role: HealthCheck, NodePort: svc.Spec.HealthCheckNodePort})
	}
	return requests
}

// Set writes the numbers of requests, which came from svc, into their fields.
func Set(svc *corev1.Service, requests []Request) {
	for _, r := range requests {
		if r.Role == HealthCheck {
			svc.Spec.HealthCheckNodePort = r.NodePort
		}
		for _, p := range r.Ports {
			svc.Spec.Ports[p.Index].NodePort = r.NodePort
		}
	}
}

// Numbers returns the numbers of requests, sorted, each once, without 0.
func Numbers(requests []Request) []int32 {
	numbers := map[int32]bool{}
	for _, r := range requests {
		numbers[r.NodePort] = true
	}
	delete(numbers, 0)
	return slices.Sorted(maps.Keys(numbers))
}

// Use is a number of a Service as packets have it: with one protocol.
type Use struct {
	Role     Role
	Protocol corev1.Protocol
	NodePort int32
	Name     string // of the entry; none for HealthCheck
}

// Uses returns the numbers of Requests that svc has, entry by entry. Health checks are asked for by TCP.
func Uses(svc *corev1.Service) []Use {
	var uses []Use
	for _, r := range Requests(svc) {
		switch {
		case r.NodePort == 0:
		case r.Role == HealthCheck:
			uses = append(uses, Use{Role: HealthCheck, Protocol: corev1.ProtocolTCP, NodePort: r.NodePort})
		default:
			for _, p := range r.Ports {
				uses = append(uses, Use{Role: Traffic, Protocol: p.Protocol, NodePort: r.NodePort, Name: p.Name})
			}
		}
	}
	return uses
}

// carried is a number as one protocol uses it; a Service may have each once.
type carried struct {
	number   int32
	protocol corev1.Protocol
}

// group makes one request of the entries that carry the same number and, with
// pick, of those on the same `port` whose number is to be chosen. It is linear,
// for a Service may have tens of thousands of entries.
func group(ports []corev1.ServicePort, pick bool) []Request {
	type share struct{ number, port int32 } // the port only while there is no number
	var (
		requests []Request
		place    = map[share]int{}
		joins    = joinable(ports)
	)
	for i, sp := range ports {
		port := Port{Index: i, Name: sp.Name, Port: sp.Port, Protocol: protocol(sp)}
		s := share{number: sp.NodePort}
		if sp.NodePort == 0 {
			if !pick {
				continue
			}
			if s.number = joins(port); s.number == 0 {
				s.port = sp.Port
			}
		}
		at, ok := place[s]
		if !ok {
			at = len(requests)
			place[s] = at
			requests = append(requests, Request{Role: Traffic, NodePort: s.number})
		}
		requests[at].Ports = append(requests[at].Ports, port)
	}
	return requests
}

// joinable tells which explicit number an entry without one takes: the first on
// its `port`, unless its protocol has that number on another `port`; 0 for none.
func joinable(ports []corev1.ServicePort) func(Port) int32 {
	first, taken := map[int32]int32{}, map[carried]bool{}
	for _, sp := range ports {
		first[sp.Port] = cmp.Or(first[sp.Port], sp.NodePort)
		taken[carried{sp.NodePort, protocol(sp)}] = true
	}
	return func(p Port) int32 {
		if number := first[p.Port]; !taken[carried{number, p.Protocol}] {
			return number
		}
		return 0
	}
}

func protocol(sp corev1.ServicePort) corev1.Protocol {
	return cmp.Or(sp.Protocol, corev1.ProtocolTCP)
}

// usesNodePorts: the API server allocates the numbers that svc carries.
func usesNodePorts(svc *corev1.Service) bool {
	return svc.Spec.Type == corev1.ServiceTypeNodePort || svc.Spec.Type == corev1.ServiceTypeLoadBalancer
}

// allocatesNodePorts: the API server chooses a number for entries without one.
func allocatesNodePorts(svc *corev1.Service) bool {
	allocate := svc.Spec.AllocateLoadBalancerNodePorts
	return svc.Spec.Type == corev1.ServiceTypeNodePort ||
		svc.Spec.Type == corev1.ServiceTypeLoadBalancer && (allocate == nil || *allocate)
}

func needsHealthCheck(svc *corev1.Service) bool {
	return svc.Spec.Type == corev1.ServiceTypeLoadBalancer &&
		svc.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
}
