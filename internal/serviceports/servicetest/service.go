// Package servicetest builds Services for tests:
//
//	MakeService("shop/web").NodePort(80, 30080, Named("http")).Obj()
package servicetest

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Service is a Service under construction. Each method changes and returns it.
type Service struct{ svc corev1.Service }

// MakeService starts a ClusterIP Service of the name "namespace/name".
func MakeService(name string) *Service {
	namespace, name, ok := strings.Cut(name, "/")
	if !ok {
		panic(`servicetest: want "namespace/name", got ` + namespace)
	}
	return &Service{corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeClusterIP},
	}}
}

// PortOption changes an entry of spec.ports.
type PortOption func(*corev1.ServicePort)

// Named gives the entry a name.
func Named(name string) PortOption {
	return func(p *corev1.ServicePort) { p.Name = name }
}

// Target sets the entry's targetPort; without it it is the entry's `port`.
func Target(port int32) PortOption {
	return func(p *corev1.ServicePort) { p.TargetPort = intstr.FromInt32(port) }
}

// UDP makes it an entry of UDP instead of TCP.
func UDP(p *corev1.ServicePort) { p.Protocol = corev1.ProtocolUDP }

// SCTP makes it an entry of SCTP instead of TCP.
func SCTP(p *corev1.ServicePort) { p.Protocol = corev1.ProtocolSCTP }

// NodePort adds an entry; nodePort 0 asks for a number to be chosen. A ClusterIP
// Service becomes one of type NodePort.
func (s *Service) NodePort(port, nodePort int32, options ...PortOption) *Service {
	if s.svc.Spec.Type == corev1.ServiceTypeClusterIP {
		s.svc.Spec.Type = corev1.ServiceTypeNodePort
	}
	s.Port(port, options...)
	s.svc.Spec.Ports[len(s.svc.Spec.Ports)-1].NodePort = nodePort
	return s
}

// Port adds an entry without a number.
func (s *Service) Port(port int32, options ...PortOption) *Service {
	entry := corev1.ServicePort{Port: port, Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromInt32(port)}
	for _, option := range options {
		option(&entry)
	}
	s.svc.Spec.Ports = append(s.svc.Spec.Ports, entry)
	return s
}

// Type sets spec.type.
func (s *Service) Type(t corev1.ServiceType) *Service {
	s.svc.Spec.Type = t
	return s
}

// LoadBalancer makes it a Service of that type.
func (s *Service) LoadBalancer() *Service { return s.Type(corev1.ServiceTypeLoadBalancer) }

// AllocateNodePorts sets spec.allocateLoadBalancerNodePorts.
func (s *Service) AllocateNodePorts(allocate bool) *Service {
	s.svc.Spec.AllocateLoadBalancerNodePorts = &allocate
	return s
}

// LocalTraffic sets spec.externalTrafficPolicy to Local.
func (s *Service) LocalTraffic() *Service {
	s.svc.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyLocal
	return s
}

// HealthCheck sets spec.healthCheckNodePort.
func (s *Service) HealthCheck(number int32) *Service {
	s.svc.Spec.HealthCheckNodePort = number
	return s
}

// ClusterIPs sets spec.clusterIP and spec.clusterIPs, and their families.
func (s *Service) ClusterIPs(ips ...string) *Service {
	s.svc.Spec.ClusterIP, s.svc.Spec.ClusterIPs, s.svc.Spec.IPFamilies = ips[0], ips, nil
	for _, ip := range ips {
		family := corev1.IPv4Protocol
		if strings.Contains(ip, ":") {
			family = corev1.IPv6Protocol
		}
		s.svc.Spec.IPFamilies = append(s.svc.Spec.IPFamilies, family)
	}
	return s
}

// Families sets spec.ipFamilies; of one family it is a single-stack Service.
func (s *Service) Families(families ...corev1.IPFamily) *Service {
	s.svc.Spec.IPFamilies = families
	return s
}

// ExternalIPs sets spec.externalIPs.
func (s *Service) ExternalIPs(ips ...string) *Service {
	s.svc.Spec.ExternalIPs = ips
	return s
}

// Ingress adds IPs to status.loadBalancer.
func (s *Service) Ingress(ips ...string) *Service {
	for _, ip := range ips {
		s.svc.Status.LoadBalancer.Ingress = append(s.svc.Status.LoadBalancer.Ingress, corev1.LoadBalancerIngress{IP: ip})
	}
	return s
}

// IngressMode adds IPs of a mode to status.loadBalancer.
func (s *Service) IngressMode(mode corev1.LoadBalancerIPMode, ips ...string) *Service {
	for _, ip := range ips {
		s.svc.Status.LoadBalancer.Ingress = append(s.svc.Status.LoadBalancer.Ingress, corev1.LoadBalancerIngress{IP: ip, IPMode: &mode})
	}
	return s
}

// SourceRanges sets spec.loadBalancerSourceRanges.
func (s *Service) SourceRanges(ranges ...string) *Service {
	s.svc.Spec.LoadBalancerSourceRanges = ranges
	return s
}

// LocalInternalTraffic sets spec.internalTrafficPolicy to Local.
func (s *Service) LocalInternalTraffic() *Service {
	s.svc.Spec.InternalTrafficPolicy = new(corev1.ServiceInternalTrafficPolicyLocal)
	return s
}

// Affinity sets spec.sessionAffinity to ClientIP with a timeout.
func (s *Service) Affinity(timeout time.Duration) *Service {
	s.svc.Spec.SessionAffinity = corev1.ServiceAffinityClientIP
	s.svc.Spec.SessionAffinityConfig = &corev1.SessionAffinityConfig{
		ClientIP: &corev1.ClientIPConfig{TimeoutSeconds: new(int32(timeout.Seconds()))},
	}
	return s
}

// Created sets metadata.creationTimestamp.
func (s *Service) Created(t time.Time) *Service {
	s.svc.CreationTimestamp = metav1.NewTime(t)
	return s
}

// UID sets metadata.uid.
func (s *Service) UID(uid types.UID) *Service {
	s.svc.UID = uid
	return s
}

// Annotation adds one.
func (s *Service) Annotation(key, value string) *Service {
	metav1.SetMetaDataAnnotation(&s.svc.ObjectMeta, key, value)
	return s
}

// Label adds one.
func (s *Service) Label(key, value string) *Service {
	metav1.SetMetaDataLabel(&s.svc.ObjectMeta, key, value)
	return s
}

// ManagedFields adds an entry; fieldsV1 is JSON.
func (s *Service) ManagedFields(manager, subresource, fieldsV1 string) *Service {
	s.svc.ManagedFields = append(s.svc.ManagedFields, metav1.ManagedFieldsEntry{
		Manager:     manager,
		Operation:   metav1.ManagedFieldsOperationUpdate,
		Subresource: subresource,
		APIVersion:  "v1",
		FieldsType:  "FieldsV1",
		FieldsV1:    metav1.NewFieldsV1(fieldsV1),
	})
	return s
}

// Obj returns a copy of the Service as it stands.
func (s *Service) Obj() *corev1.Service { return s.svc.DeepCopy() }
