package track

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// handler passes on the events of one kind: an object as it was and as it is, nil where it was not or is not.
type handler[T metav1.Object] struct{ changed func(was, is T) }

func (h handler[T]) OnAdd(obj any, _ bool) {
	var none T
	if is, ok := obj.(T); ok {
		h.changed(none, is)
	}
}

// OnUpdate leaves out what a list shows again.
func (h handler[T]) OnUpdate(oldObj, obj any) {
	was, wasOK := oldObj.(T)
	is, isOK := obj.(T)
	if wasOK && isOK && was.GetResourceVersion() != is.GetResourceVersion() {
		h.changed(was, is)
	}
}

func (h handler[T]) OnDelete(obj any) {
	// The deletion was missed; this is the last state known.
	if missed, ok := obj.(cache.DeletedFinalStateUnknown); ok {
		obj = missed.Obj
	}
	var none T
	if was, ok := obj.(T); ok {
		h.changed(was, none)
	}
}

func (t *Tracker) serviceChanged(was, is *corev1.Service) {
	t.count(func(c *Counts) { c.ServiceEvents++ })
	svc := is
	if svc == nil {
		svc = was
	}
	t.mark(types.NamespacedName{Namespace: svc.Namespace, Name: svc.Name})
}

// sliceChanged marks the Service of a slice; both, of one that went from one Service to another.
func (t *Tracker) sliceChanged(was, is *discoveryv1.EndpointSlice) {
	t.count(func(c *Counts) { c.SliceEvents++ })
	from, to := serviceOf(was), serviceOf(is)
	if to != nil {
		t.mark(*to, t.triggers(was, is)...)
	}
	if from != nil && (to == nil || *from != *to) {
		t.mark(*from)
	}
}

// triggers are the times of what a slice has newly answered to. When it was deleted says nothing of why.
func (t *Tracker) triggers(was, is *discoveryv1.EndpointSlice) []time.Time {
	at := triggerOf(is)
	if !at.After(t.started) || at.Equal(triggerOf(was)) {
		return nil
	}
	return []time.Time{at}
}

// triggerOf is the time that the endpoints' controller has noted, zero where it has none.
func triggerOf(slice *discoveryv1.EndpointSlice) time.Time {
	if slice == nil {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, slice.Annotations[corev1.EndpointsLastChangeTriggerTime])
	if err != nil {
		return time.Time{}
	}
	return at
}

// serviceOf is the Service that a slice belongs to, nil for none.
func serviceOf(slice *discoveryv1.EndpointSlice) *types.NamespacedName {
	if slice == nil || slice.Labels[discoveryv1.LabelServiceName] == "" {
		return nil
	}
	return &types.NamespacedName{Namespace: slice.Namespace, Name: slice.Labels[discoveryv1.LabelServiceName]}
}
