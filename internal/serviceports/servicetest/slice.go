package servicetest

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Slice is an EndpointSlice under construction. Each method changes and returns it.
type Slice struct{ slice discoveryv1.EndpointSlice }

// MakeSlice starts an IPv4 slice of the Service "namespace/service", named "service-suffix".
func MakeSlice(service, suffix string) *Slice {
	namespace, service, ok := strings.Cut(service, "/")
	if !ok {
		panic(`servicetest: want "namespace/service", got ` + namespace)
	}
	return &Slice{discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace,
			Name:      service + "-" + suffix,
			Labels:    map[string]string{discoveryv1.LabelServiceName: service},
		},
		AddressType: discoveryv1.AddressTypeIPv4,
	}}
}

// IPv6 makes it a slice of that family.
func (s *Slice) IPv6() *Slice {
	s.slice.AddressType = discoveryv1.AddressTypeIPv6
	return s
}

// Port adds a port for that of the Service with the same name; options are those of a Service's port.
func (s *Slice) Port(name string, number int32, options ...PortOption) *Slice {
	entry := corev1.ServicePort{Protocol: corev1.ProtocolTCP}
	for _, option := range options {
		option(&entry)
	}
	s.slice.Ports = append(s.slice.Ports, discoveryv1.EndpointPort{Name: &name, Port: &number, Protocol: &entry.Protocol})
	return s
}

// EndpointOption changes an endpoint.
type EndpointOption func(*discoveryv1.Endpoint)

// OnNode says which node it is on.
func OnNode(name string) EndpointOption {
	return func(e *discoveryv1.Endpoint) { e.NodeName = &name }
}

// ForNodes gives it hints for nodes.
func ForNodes(names ...string) EndpointOption {
	return func(e *discoveryv1.Endpoint) {
		for _, name := range names {
			hints(e).ForNodes = append(hints(e).ForNodes, discoveryv1.ForNode{Name: name})
		}
	}
}

// ForZones gives it hints for zones.
func ForZones(names ...string) EndpointOption {
	return func(e *discoveryv1.Endpoint) {
		for _, name := range names {
			hints(e).ForZones = append(hints(e).ForZones, discoveryv1.ForZone{Name: name})
		}
	}
}

func hints(e *discoveryv1.Endpoint) *discoveryv1.EndpointHints {
	if e.Hints == nil {
		e.Hints = &discoveryv1.EndpointHints{}
	}
	return e.Hints
}

// Unready makes it neither ready nor serving.
func Unready(e *discoveryv1.Endpoint) { conditions(e, false, false, false) }

// Lasting makes it one that terminates and still serves.
func Lasting(e *discoveryv1.Endpoint) { conditions(e, false, true, true) }

// Ending makes it one that terminates and serves no more.
func Ending(e *discoveryv1.Endpoint) { conditions(e, false, false, true) }

// Unsaid leaves all its conditions out.
func Unsaid(e *discoveryv1.Endpoint) { e.Conditions = discoveryv1.EndpointConditions{} }

func conditions(e *discoveryv1.Endpoint, ready, serving, terminating bool) {
	e.Conditions = discoveryv1.EndpointConditions{Ready: &ready, Serving: &serving, Terminating: &terminating}
}

// Endpoint adds one that is ready.
func (s *Slice) Endpoint(address string, options ...EndpointOption) *Slice {
	e := discoveryv1.Endpoint{Addresses: []string{address}}
	conditions(&e, true, true, false)
	for _, option := range options {
		option(&e)
	}
	s.slice.Endpoints = append(s.slice.Endpoints, e)
	return s
}

// Label adds one.
func (s *Slice) Label(key, value string) *Slice {
	metav1.SetMetaDataLabel(&s.slice.ObjectMeta, key, value)
	return s
}

// Annotation adds one.
func (s *Slice) Annotation(key, value string) *Slice {
	metav1.SetMetaDataAnnotation(&s.slice.ObjectMeta, key, value)
	return s
}

// Obj returns a copy of the slice as it stands.
func (s *Slice) Obj() *discoveryv1.EndpointSlice { return s.slice.DeepCopy() }
