package clash

import (
	"cmp"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// HostPort is a port of the node that a pod has.
type HostPort struct {
	Port
	Pod types.NamespacedName
	// Loopback: it has it at a loopback address alone.
	Loopback bool
}

func (h HostPort) compare(other HostPort) int {
	return cmp.Or(
		cmp.Compare(h.Number, other.Number),
		cmp.Compare(h.Protocol, other.Protocol),
		cmp.Compare(h.Pod.Namespace, other.Pod.Namespace),
		cmp.Compare(h.Pod.Name, other.Pod.Name),
	)
}

// HostPorts are those of a pod: none, once it has ended. Containers that have ended before the others began have none, as
// for the scheduler (k8s.io/kubernetes/pkg/scheduler/util, GetHostPorts).
func HostPorts(pod *corev1.Pod) []HostPort {
	if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
		return nil
	}
	var ports []HostPort
	for _, c := range lastingContainers(pod) {
		for _, p := range c.Ports {
			if p.HostPort == 0 {
				continue
			}
			address, _ := netip.ParseAddr(p.HostIP)
			ports = append(ports, HostPort{
				Port:     Port{cmp.Or(p.Protocol, corev1.ProtocolTCP), p.HostPort},
				Pod:      types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name},
				Loopback: address.IsLoopback(),
			})
		}
	}
	return ports
}

// lastingContainers are those that run as long as the pod.
func lastingContainers(pod *corev1.Pod) []corev1.Container {
	sidecars := slices.DeleteFunc(slices.Clone(pod.Spec.InitContainers), func(c corev1.Container) bool {
		return c.RestartPolicy == nil || *c.RestartPolicy != corev1.ContainerRestartPolicyAlways
	})
	return append(sidecars, pod.Spec.Containers...)
}
