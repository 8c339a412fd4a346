package move

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// operation is one of a JSON patch (RFC 6902).
type operation struct {
	Op    string `json:"op"`
	From  string `json:"from,omitempty"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// patch is what a step has made of a Service, as a JSON patch. The Service is not written as a whole, nor are its entries, as
// a merge patch would: the API server may know fields that this program does not. Entries are addressed by their place,
// which holds because the patch sets the resourceVersion: if that is no more the Service's the API server answers Conflict.
func patch(before, after *corev1.Service) []operation {
	all := []operation{set("/metadata/resourceVersion", before.ResourceVersion)}
	all = append(all, patchEntries(before, after)...)
	return append(all, patchMark(before, after)...)
}

func set(path string, value any) operation { return operation{Op: "add", Path: path, Value: value} }

// patchEntries changes names and numbers, adds entries as copies, and takes others away: the last first, so that places hold.
func patchEntries(before, after *corev1.Service) (all []operation) {
	for i := range before.Spec.Ports {
		if p := alike(after, &before.Spec.Ports[i]); p != nil {
			all = append(all, patchEntry(i, &before.Spec.Ports[i], p)...)
		}
	}
	end := len(before.Spec.Ports)
	for i := range after.Spec.Ports {
		p := &after.Spec.Ports[i]
		if alike(before, p) != nil {
			continue
		}
		first := slices.IndexFunc(after.Spec.Ports, func(own corev1.ServicePort) bool { return second(own.Name) == p.Name })
		all = append(all, operation{Op: "copy", From: place(first), Path: place(end)}, set(place(end)+"/port", p.Port))
		all = append(all, patchEntry(end, &after.Spec.Ports[first], p)...)
		end++
	}
	for i, p := range slices.Backward(before.Spec.Ports) {
		if alike(after, &p) == nil {
			all = append(all, operation{Op: "remove", Path: place(i)})
		}
	}
	return all
}

// patchEntry makes the entry at a place, which is as one is, as another.
func patchEntry(i int, is, wanted *corev1.ServicePort) (all []operation) {
	if is.Name != wanted.Name {
		all = append(all, set(place(i)+"/name", wanted.Name))
	}
	if is.NodePort != wanted.NodePort {
		all = append(all, set(place(i)+"/nodePort", wanted.NodePort))
	}
	return all
}

// alike is the Service's entry that is another at another time: no step changes its port or protocol, which no two share.
func alike(svc *corev1.Service, p *corev1.ServicePort) *corev1.ServicePort {
	i := slices.IndexFunc(svc.Spec.Ports, func(q corev1.ServicePort) bool { return q.Port == p.Port && q.Protocol == p.Protocol })
	if i < 0 {
		return nil
	}
	return &svc.Spec.Ports[i]
}

func place(i int) string { return fmt.Sprintf("/spec/ports/%d", i) }

func patchMark(before, after *corev1.Service) []operation {
	path := "/metadata/annotations/" + strings.ReplaceAll(Annotation, "/", "~1")
	was, had := before.Annotations[Annotation]
	is, has := after.Annotations[Annotation]
	switch {
	case has && len(before.Annotations) == 0:
		return []operation{set("/metadata/annotations", map[string]string{Annotation: is})}
	case has && is != was:
		return []operation{set(path, is)}
	case had && !has:
		return []operation{{Op: "remove", Path: path}}
	}
	return nil
}
