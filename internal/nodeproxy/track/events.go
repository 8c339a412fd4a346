package track

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/internal/nodeproxy/endpoints"
)

// serviceChanged, as sliceChanged, is told of an object as it was and as it is, nil where it was not or is not. mu is held.
func (t *Tracker) serviceChanged(was, is *corev1.Service) {
	t.counts.ServiceEvents++
	t.mark(nameOf(cmp.Or(is, was)))
}

// sliceChanged marks the Service of a slice; both, of one that went from one Service to another.
func (t *Tracker) sliceChanged(was, is *endpoints.Slice) {
	t.counts.SliceEvents++
	from, to := serviceOf(was), serviceOf(is)
	t.reassign(from, was, to, is)
	if to != nil {
		t.mark(*to, t.triggers(was, is)...)
	}
	if from != nil && (to == nil || *from != *to) {
		t.mark(*from)
	}
}

// reassign keeps the slices of each Service. Lists that were handed out stay as they are.
func (t *Tracker) reassign(from *types.NamespacedName, was *endpoints.Slice, to *types.NamespacedName, is *endpoints.Slice) {
	if from != nil {
		rest := slices.DeleteFunc(slices.Clone(t.byService[*from]), func(s *endpoints.Slice) bool { return s == was })
		if t.byService[*from] = rest; len(rest) == 0 {
			delete(t.byService, *from)
		}
	}
	if to != nil {
		t.byService[*to] = append(slices.Clip(t.byService[*to]), is)
	}
}

// triggers are the times of what a slice has newly answered to. When it was deleted says nothing of why.
func (t *Tracker) triggers(was, is *endpoints.Slice) []time.Time {
	if is == nil || !is.Triggered.After(t.started) || was != nil && is.Triggered.Equal(was.Triggered) {
		return nil
	}
	return []time.Time{is.Triggered}
}

// serviceOf is the Service that a slice belongs to, nil for none.
func serviceOf(slice *endpoints.Slice) *types.NamespacedName {
	if slice == nil || slice.Service == "" {
		return nil
	}
	return &types.NamespacedName{Namespace: slice.Namespace, Name: slice.Service}
}
