package inventory

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// builder makes the entries of one Service.
type builder struct {
	svc      *corev1.Service
	site     *site
	backends backends
	keepers  *keepers
	pools    map[int32]string
	filter   Filter
}

func (b *builder) ports() []Port {
	var ports []Port
	for _, sp := range b.svc.Spec.Ports {
		protocol := cmp.Or(sp.Protocol, corev1.ProtocolTCP)
		if sp.NodePort == 0 || !b.filter.port(protocol, b.pools[sp.NodePort]) {
			continue
		}
		nodes, doors := b.site.of(b.families())
		local := b.svc.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal
		if local {
			nodes = b.backends.with(b.svc, sp.Name, protocol, nodes)
			doors = open(nodes)
		}
		if kept, ok := b.keepers.doors(b.svc, sp.Name, sp.NodePort, nodes); ok {
			doors = kept
		}
		ports = append(ports, Port{
			Namespace: b.svc.Namespace, Service: b.svc.Name, Name: sp.Name,
			Protocol: protocol, Port: sp.Port, Number: sp.NodePort,
			Pool:        b.pools[sp.NodePort],
			Local:       local,
			HealthCheck: b.healthCheck(),
			Created:     b.svc.CreationTimestamp.Time,
			Nodes:       nodes,
			Doors:       doors,
		})
	}
	return ports
}

func (b *builder) check() Check {
	_, doors := b.site.of(b.families())
	return Check{
		Namespace: b.svc.Namespace, Service: b.svc.Name,
		Number:  b.healthCheck(),
		Created: b.svc.CreationTimestamp.Time,
		Doors:   doors,
	}
}

// healthCheck is the number at which nodes tell whether they have pods of the Service.
func (b *builder) healthCheck() int32 {
	if b.svc.Spec.Type != corev1.ServiceTypeLoadBalancer || b.svc.Spec.ExternalTrafficPolicy != corev1.ServiceExternalTrafficPolicyLocal {
		return 0
	}
	return b.svc.Spec.HealthCheckNodePort
}

// families of the Service; where it does not say, as before it was stored, both.
func (b *builder) families() families {
	stated := b.svc.Spec.IPFamilies
	return families{
		ipv4: len(stated) == 0 || slices.Contains(stated, corev1.IPv4Protocol),
		ipv6: len(stated) == 0 || slices.Contains(stated, corev1.IPv6Protocol),
	}
}

// poolNames are the pools that numbers were taken from.
func poolNames(allocations []v1alpha1.NodePortAllocation) map[int32]string {
	names := make(map[int32]string, len(allocations))
	for i := range allocations {
		if number, ok := numberOf(&allocations[i]); ok {
			names[number] = allocations[i].Spec.PoolName
		}
	}
	return names
}
