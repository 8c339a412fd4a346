// Package endpoints keeps of EndpointSlices what a proxy reads.
//
// A node holds every endpoint of the cluster, and nothing else is as many: an object of the API would take three times the
// memory. Texts are copied, since those of a list lie among what is not kept, and what many have in common is kept once.
package endpoints

import (
	"strings"
	"time"
	"unique"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/utils/ptr"
)

// Slice is what is read of an EndpointSlice. It is not written to.
type Slice struct {
	Namespace, Name, ResourceVersion string
	// Service is the name of the Service that it belongs to; "" for none.
	Service string
	// Headless says that its endpoints are only for DNS.
	Headless    bool
	AddressType discoveryv1.AddressType
	// Ports are those that have a name, which may be "", and a number.
	Ports     []Port
	Endpoints []Endpoint
	// Triggered is when that happened which the endpoints' controller answers to; zero where it has not noted it.
	Triggered time.Time
}

// GetNamespace is as of metav1.Object.
func (s *Slice) GetNamespace() string { return s.Namespace }

// GetName is as of metav1.Object.
func (s *Slice) GetName() string { return s.Name }

// GetResourceVersion is as of metav1.Object.
func (s *Slice) GetResourceVersion() string { return s.ResourceVersion }

// Port is a port of all endpoints of a slice.
type Port struct {
	Name     string
	Protocol corev1.Protocol // "" for TCP
	Number   uint16
}

// Endpoint is an address behind a Service. Conditions are what they mean where the API has none.
type Endpoint struct {
	// Address is the first of its addresses, as it is written; "" for none.
	Address string
	// Node is where it is; "" where that is not known.
	Node string
	// Hints says who should use it; nil for everybody.
	Hints *discoveryv1.EndpointHints
	// Ready may be set while it terminates, where the Service publishes addresses that are not ready.
	Ready, Serving, Terminating bool
}

// Of keeps of an EndpointSlice what is read. It shares nothing with it but hints.
func Of(slice *discoveryv1.EndpointSlice) *Slice {
	_, headless := slice.Labels[corev1.IsHeadlessService]
	triggered, _ := time.Parse(time.RFC3339Nano, slice.Annotations[corev1.EndpointsLastChangeTriggerTime]) // zero for what is none
	kept := &Slice{
		Namespace:       shared(slice.Namespace),
		Name:            strings.Clone(slice.Name),
		ResourceVersion: strings.Clone(slice.ResourceVersion),
		Service:         strings.Clone(slice.Labels[discoveryv1.LabelServiceName]),
		Headless:        headless,
		AddressType:     shared(slice.AddressType),
		Endpoints:       make([]Endpoint, len(slice.Endpoints)),
		Triggered:       triggered,
	}
	for _, p := range slice.Ports {
		if p.Name != nil && p.Port != nil && *p.Port >= 1 && *p.Port <= 65535 {
			kept.Ports = append(kept.Ports, Port{Name: shared(*p.Name), Protocol: shared(ptr.Deref(p.Protocol, "")), Number: uint16(*p.Port)})
		}
	}
	for i := range slice.Endpoints {
		kept.Endpoints[i] = endpointOf(&slice.Endpoints[i])
	}
	return kept
}

func endpointOf(e *discoveryv1.Endpoint) Endpoint {
	kept := Endpoint{
		Node:        shared(ptr.Deref(e.NodeName, "")),
		Hints:       e.Hints,
		Ready:       ptr.Deref(e.Conditions.Ready, true),
		Serving:     ptr.Deref(e.Conditions.Serving, true),
		Terminating: ptr.Deref(e.Conditions.Terminating, false),
	}
	if len(e.Addresses) > 0 {
		kept.Address = strings.Clone(e.Addresses[0])
	}
	return kept
}

// shared is a text that many have, once for all of them.
func shared[T ~string](text T) T { return unique.Make(text).Value() }
