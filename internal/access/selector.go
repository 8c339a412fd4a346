package access

import (
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// selector reads a selector. Requirements that cannot be read count as met, and are noted.
func (p *Policy) selector(s *metav1.LabelSelector, at *field.Path) labels.Selector {
	selector := labels.Everything()
	require := func(part metav1.LabelSelector, value any, at *field.Path) {
		read, err := metav1.LabelSelectorAsSelector(&part)
		if err != nil {
			p.Problems = append(p.Problems, field.Invalid(at, value, err.Error()))
			return
		}
		requirements, _ := read.Requirements()
		selector = selector.Add(requirements...)
	}
	for _, k := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		v := s.MatchLabels[k]
		require(metav1.LabelSelector{MatchLabels: map[string]string{k: v}}, v, at.Child("matchLabels").Key(k))
	}
	for i, e := range s.MatchExpressions {
		part := metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{e}}
		require(part, e.Operator, at.Child("matchExpressions").Index(i))
	}
	return selector
}
