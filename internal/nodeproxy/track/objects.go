package track

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/types"
)

// byService is the index of EndpointSlices by the "namespace/name" of their Service.
const byService = "service"

func serviceKeys(obj any) ([]string, error) {
	slice, _ := obj.(*discoveryv1.EndpointSlice)
	name := serviceOf(slice)
	if name == nil {
		return nil, nil
	}
	return []string{name.String()}, nil
}

// service is a Service as it is now, nil for one that has gone.
func (t *Tracker) service(name types.NamespacedName) *corev1.Service {
	obj, _, _ := t.services.GetByKey(name.String())
	svc, _ := obj.(*corev1.Service)
	return svc
}

// Slices are the EndpointSlices of a Service now. They are the cache's own.
func (t *Tracker) Slices(name types.NamespacedName) []*discoveryv1.EndpointSlice {
	objs, _ := t.slices.ByIndex(byService, name.String())
	all := make([]*discoveryv1.EndpointSlice, 0, len(objs))
	for _, obj := range objs {
		if slice, ok := obj.(*discoveryv1.EndpointSlice); ok {
			all = append(all, slice)
		}
	}
	return all
}
