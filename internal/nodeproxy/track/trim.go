package track

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A node holds every Service of the cluster, so what nobody reads is dropped before it is stored.

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
