package track

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// A node holds every Service of the cluster, so what nobody reads is dropped before it is stored.

// TrimService leaves of a Service what a proxy reads, and of one that is not taken its numbers on the node, which are
// guarded whoever serves them, and one label: by it it is seen to come or go. Only of those with numbers the other labels
// stay, by which a NodePortAccess selects them.
func TrimService(taken func(*corev1.Service) bool, label string) func(*corev1.Service) {
	return func(svc *corev1.Service) {
		svc.ObjectMeta = trimMeta(svc.ObjectMeta)
		svc.Annotations = nil
		guarded := hasNumbers(&svc.Spec)
		if !guarded {
			svc.Labels = only(svc.Labels, label)
		}
		if !taken(svc) {
			svc.Spec, svc.Status = numbersOf(svc.Spec, guarded), corev1.ServiceStatus{}
		}
		svc.Spec.Selector, svc.Status.Conditions = nil, nil
	}
}

// hasNumbers says whether a Service has numbers on the node.
func hasNumbers(spec *corev1.ServiceSpec) bool {
	return spec.HealthCheckNodePort != 0 || slices.ContainsFunc(spec.Ports, func(p corev1.ServicePort) bool { return p.NodePort != 0 })
}

// numbersOf is what says which numbers a Service has on the node.
func numbersOf(spec corev1.ServiceSpec, has bool) corev1.ServiceSpec {
	if !has {
		return corev1.ServiceSpec{}
	}
	return corev1.ServiceSpec{
		Type:                          spec.Type,
		Ports:                         spec.Ports,
		HealthCheckNodePort:           spec.HealthCheckNodePort,
		ExternalTrafficPolicy:         spec.ExternalTrafficPolicy,
		AllocateLoadBalancerNodePorts: spec.AllocateLoadBalancerNodePorts,
	}
}

// TrimPod leaves of a pod its hostPorts.
func TrimPod(pod *corev1.Pod) {
	pod.ObjectMeta = trimMeta(pod.ObjectMeta)
	pod.Labels, pod.Annotations = nil, nil
	pod.Spec = corev1.PodSpec{
		HostNetwork:    pod.Spec.HostNetwork,
		InitContainers: withHostPorts(pod.Spec.InitContainers),
		Containers:     withHostPorts(pod.Spec.Containers),
	}
	pod.Status = corev1.PodStatus{Phase: pod.Status.Phase}
}

// withHostPorts are the containers that have any, and of those no more than that, and whether they run on beside others.
func withHostPorts(containers []corev1.Container) []corev1.Container {
	var all []corev1.Container
	for _, c := range containers {
		var ports []corev1.ContainerPort
		for _, p := range c.Ports {
			if p.HostPort != 0 {
				ports = append(ports, corev1.ContainerPort{HostPort: p.HostPort, HostIP: p.HostIP, Protocol: p.Protocol})
			}
		}
		if len(ports) > 0 {
			all = append(all, corev1.Container{Ports: ports, RestartPolicy: c.RestartPolicy})
		}
	}
	return all
}

// SamePod says whether two pods are the same to a node, as TrimPod leaves them.
func SamePod(was, is *corev1.Pod) bool {
	return was.Status.Phase == is.Status.Phase && equality.Semantic.DeepEqual(was.Spec, is.Spec)
}

// TrimAccess leaves of a NodePortAccess what says who may reach what, and which change this is.
func TrimAccess(access *v1alpha1.NodePortAccess) {
	access.ObjectMeta = trimVersionedMeta(access.ObjectMeta)
	access.Status = v1alpha1.NodePortAccessStatus{SpecResourceVersion: access.Status.SpecResourceVersion}
}

// SameAccess says whether two NodePortAccess are the same to a node: status tells it of one thing alone.
func SameAccess(was, is *v1alpha1.NodePortAccess) bool {
	return sameSpec(was, is) && was.Status.SpecResourceVersion == is.Status.SpecResourceVersion
}

// TrimPool leaves of a NodePortPool who may reach which numbers.
func TrimPool(pool *v1alpha1.NodePortPool) {
	pool.ObjectMeta = trimVersionedMeta(pool.ObjectMeta)
	pool.Spec = v1alpha1.NodePortPoolSpec{Ranges: pool.Spec.Ranges, Access: pool.Spec.Access}
	pool.Status = v1alpha1.NodePortPoolStatus{}
}

// SamePool says whether two NodePortPools are the same to a node, which status tells nothing.
func SamePool(was, is *v1alpha1.NodePortPool) bool { return sameSpec(was, is) }

func sameSpec(was, is metav1.Object) bool {
	return was.GetUID() == is.GetUID() && was.GetGeneration() == is.GetGeneration()
}

// trimMeta leaves what tells one object from another, and its labels and annotations.
func trimMeta(m metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace:         m.Namespace,
		Name:              m.Name,
		ResourceVersion:   m.ResourceVersion,
		CreationTimestamp: m.CreationTimestamp,
		Labels:            m.Labels,
		Annotations:       m.Annotations,
	}
}

// trimVersionedMeta leaves what tells an object, and the spec of one, from another.
func trimVersionedMeta(m metav1.ObjectMeta) metav1.ObjectMeta {
	trimmed := trimMeta(m)
	trimmed.UID, trimmed.Generation = m.UID, m.Generation
	trimmed.Labels, trimmed.Annotations = nil, nil
	return trimmed
}

// only are the entries of some keys; nil for none.
func only(entries map[string]string, keys ...string) map[string]string {
	var kept map[string]string
	for _, key := range keys {
		if value, ok := entries[key]; ok {
			if kept == nil {
				kept = map[string]string{}
			}
			kept[key] = value
		}
	}
	return kept
}
