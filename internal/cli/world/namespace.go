package world

import (
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// SeeNamespace takes in a namespace with its labels. The one that the API server sets is among them.
func (w *World) SeeNamespace(name string, set map[string]string) {
	set = maps.Clone(set)
	if set == nil {
		set = map[string]string{}
	}
	set[corev1.LabelMetadataName] = name
	w.namespaces[name] = set
}

// Missing says whether it is certain that there is no such namespace.
func (w *World) Missing(name string) bool {
	_, ok := w.namespaces[name]
	return w.Complete && !ok
}

// Labels are those of a namespace. Of one that is not known only the label is known that the API server sets; where that
// leaves open which pools select it, unknown says by which labels they would.
func (w *World) Labels(namespace string) (set map[string]string, unknown []string) {
	if set, ok := w.namespaces[namespace]; ok {
		return set, nil
	}
	set = map[string]string{corev1.LabelMetadataName: namespace}
	keys := map[string]bool{}
	for _, pool := range w.pools {
		for _, key := range undecided(pool.Spec.NamespaceSelector, set) {
			keys[key] = true
		}
	}
	return set, slices.Sorted(maps.Keys(keys))
}

// undecided are the keys of labels without which it is not known whether a selector selects a namespace of which only
// these labels are known.
func undecided(selector metav1.LabelSelector, known map[string]string) []string {
	parsed, err := metav1.LabelSelectorAsSelector(&selector)
	if err != nil {
		return nil
	}
	requirements, _ := parsed.Requirements()
	var open []string
	for _, r := range requirements {
		if _, isKnown := known[r.Key()]; !isKnown {
			open = append(open, r.Key())
		} else if !r.Matches(labels.Set(known)) {
			return nil // it does not, whatever the rest says
		}
	}
	return open
}

// LabelsText is labels as selectors write them: "a=b, c=d".
func LabelsText(set map[string]string) string {
	texts := make([]string, 0, len(set))
	for _, key := range slices.Sorted(maps.Keys(set)) {
		texts = append(texts, key+"="+set[key])
	}
	return strings.Join(texts, ", ")
}
