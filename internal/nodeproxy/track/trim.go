package track

import (
	"unique"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A node holds every Service and endpoint of the cluster, so what nobody reads is dropped before it is stored.

// TrimService leaves of a Service what a proxy reads, which is one label, and of one that is not taken only its name and
// that label: by it it is seen to come or go.
func TrimService(taken func(*corev1.Service) bool, label string) func(*corev1.Service) {
	return func(svc *corev1.Service) {
		svc.ObjectMeta = trimMeta(svc.ObjectMeta)
		svc.Labels, svc.Annotations = only(svc.Labels, label), nil
		if !taken(svc) {
			svc.Spec, svc.Status = corev1.ServiceSpec{}, corev1.ServiceStatus{}
		}
		svc.Spec.Selector, svc.Status.Conditions = nil, nil
	}
}

// trimSlice leaves of an EndpointSlice what a proxy reads.
func trimSlice(slice *discoveryv1.EndpointSlice) {
	slice.ObjectMeta = trimMeta(slice.ObjectMeta)
	slice.Labels = only(slice.Labels, discoveryv1.LabelServiceName, corev1.IsHeadlessService)
	slice.Annotations = only(slice.Annotations, corev1.EndpointsLastChangeTriggerTime)
	slice.Endpoints = trimEndpoints(slice.Endpoints)
}

// trimMeta leaves what tells one object from another, and its labels and annotations.
func trimMeta(m metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace:         m.Namespace,
		Name:              m.Name,
		UID:               m.UID,
		ResourceVersion:   m.ResourceVersion,
		CreationTimestamp: m.CreationTimestamp,
		Labels:            m.Labels,
		Annotations:       m.Annotations,
	}
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

// trimEndpoints leaves of each its first address and what decides whether it is used, in memory that is no larger than that
// takes: there are as many endpoints as pods, so nothing else is as much. What many have in common they share.
func trimEndpoints(read []discoveryv1.Endpoint) []discoveryv1.Endpoint {
	kept, addresses := make([]discoveryv1.Endpoint, len(read)), make([]string, len(read))
	for i, e := range read {
		kept[i] = discoveryv1.Endpoint{
			Conditions: discoveryv1.EndpointConditions{
				Ready:       sharedTruth(e.Conditions.Ready),
				Serving:     sharedTruth(e.Conditions.Serving),
				Terminating: sharedTruth(e.Conditions.Terminating),
			},
			NodeName: sharedText(e.NodeName),
			Hints:    e.Hints,
		}
		if len(e.Addresses) > 0 {
			addresses[i] = e.Addresses[0]
			kept[i].Addresses = addresses[i : i+1 : i+1]
		}
	}
	return kept
}

// sharedText is a text that many objects have, once for all of them.
func sharedText(text *string) *string {
	if text == nil {
		return nil
	}
	return new(unique.Make(*text).Value())
}

// yes and no are all that conditions point to. Nobody writes to what is in a cache.
var yes, no = true, false

func sharedTruth(truth *bool) *bool {
	switch {
	case truth == nil:
		return nil
	case *truth:
		return &yes
	}
	return &no
}
