package inventory

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
)

// backends are the EndpointSlices of each Service.
type backends map[types.NamespacedName][]*discoveryv1.EndpointSlice

func newBackends(all []discoveryv1.EndpointSlice) backends {
	b := backends{}
	for i := range all {
		if name := all[i].Labels[discoveryv1.LabelServiceName]; name != "" {
			key := types.NamespacedName{Namespace: all[i].Namespace, Name: name}
			b[key] = append(b[key], &all[i])
		}
	}
	return b
}

// with are those of the nodes that have pods for a port of a Service: ready ones, or where there are none at all, such as
// end and still serve, as a proxy on the node falls back to (KEP-1669).
func (b backends) with(svc *corev1.Service, port string, protocol corev1.Protocol, nodes []Node) []Node {
	ready, serving := map[string]bool{}, map[string]bool{}
	for _, slice := range b[types.NamespacedName{Namespace: svc.Namespace, Name: svc.Name}] {
		if !has(slice, port, protocol) {
			continue
		}
		for _, e := range slice.Endpoints {
			node := ptr.Deref(e.NodeName, "")
			if ptr.Deref(e.Conditions.Ready, true) {
				ready[node] = true
			}
			if ptr.Deref(e.Conditions.Serving, true) {
				serving[node] = true
			}
		}
	}
	if len(ready) == 0 {
		ready = serving
	}
	return slices.DeleteFunc(slices.Clone(nodes), func(n Node) bool { return !ready[n.Name] })
}

func has(slice *discoveryv1.EndpointSlice, port string, protocol corev1.Protocol) bool {
	return slices.ContainsFunc(slice.Ports, func(p discoveryv1.EndpointPort) bool {
		return ptr.Deref(p.Name, "") == port && cmp.Or(ptr.Deref(p.Protocol, ""), corev1.ProtocolTCP) == protocol
	})
}
