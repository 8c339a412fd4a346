package controllers

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// poolOf is a pool for the namespaces with label team=TEAM, "" for all.
func poolOf(name, team string, from, to int32) *v1alpha1.NodePortPool {
	p := &v1alpha1.NodePortPool{ObjectMeta: metav1.ObjectMeta{Name: name}}
	p.Spec.Ranges = []v1alpha1.PortRange{{From: from, To: to}}
	if team != "" {
		p.Spec.NamespaceSelector.MatchLabels = map[string]string{"team": team}
	}
	return p
}

func TestAChangeOfPoolsConcernsTheReportsOnThemAndOnThoseThatOverlapThem(t *testing.T) {
	namespaces := []corev1.Namespace{
		{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{"team": "a"}}},
		{ObjectMeta: metav1.ObjectMeta{Name: "bank", Labels: map[string]string{"team": "b"}}},
	}
	claims := []v1alpha1.NodePortAllocation{{ObjectMeta: metav1.ObjectMeta{Name: "30005"}}}
	claims[0].Spec.ServiceRef.Namespace = "guest"
	usages := []v1alpha1.NodePortUsage{{ObjectMeta: metav1.ObjectMeta{Namespace: "former", Name: "a"}}, {ObjectMeta: metav1.ObjectMeta{Namespace: "former", Name: "gone"}}}
	a, b, far := poolOf("a", "a", 30000, 30009), poolOf("b", "b", 30010, 30019), poolOf("far", "", 31000, 31009)
	all := []*v1alpha1.NodePortPool{a, b, far}
	for _, c := range []struct {
		name    string
		changed []*v1alpha1.NodePortPool
		want    []string
	}{
		{"nothing", nil, nil},
		{"one", []*v1alpha1.NodePortPool{a}, []string{"former/a", "guest/a", "shop/a"}},
		{"one that selects all", []*v1alpha1.NodePortPool{far}, []string{"bank/far", "shop/far"}},
		{"one that selected others", []*v1alpha1.NodePortPool{poolOf("far", "b", 31000, 31009), far}, []string{"bank/far", "shop/far"}},
		{"one that selected another before", []*v1alpha1.NodePortPool{poolOf("b", "a", 30010, 30019), b}, []string{"bank/b", "shop/b"}},
		{"one that had numbers of another", []*v1alpha1.NodePortPool{poolOf("b", "b", 30009, 30019), b}, []string{"bank/b", "former/a", "guest/a", "shop/a"}},
		{"one that has gone", []*v1alpha1.NodePortPool{poolOf("gone", "c", 32000, 32009)}, []string{"former/gone"}},
		{"two", []*v1alpha1.NodePortPool{b, far}, []string{"bank/b", "bank/far", "shop/far"}},
	} {
		var got []string
		for _, r := range reportsOn(concerned(c.changed, all), usages, namespaces, claims) {
			got = append(got, r.String())
		}
		slices.Sort(got)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestASelectorOfLabelsAloneSelectsAsKubernetesWould(t *testing.T) {
	of := map[string]string{"team": "a", "tier": ""}
	for _, s := range []metav1.LabelSelector{
		{}, {MatchLabels: map[string]string{"team": "a"}}, {MatchLabels: map[string]string{"team": "b"}}, {MatchLabels: map[string]string{"tier": ""}},
		{MatchLabels: map[string]string{"other": ""}}, {MatchLabels: map[string]string{"team": "a", "other": "x"}},
		{MatchLabels: map[string]string{"team": "not a value"}},
		{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "team", Operator: metav1.LabelSelectorOpIn, Values: []string{"a", "b"}}}},
		{MatchLabels: map[string]string{"team": "b"}, MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "tier", Operator: metav1.LabelSelectorOpExists}}},
		{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "team", Operator: "Nonsense"}}},
	} {
		selector, err := metav1.LabelSelectorAsSelector(&s)
		want := err == nil && selector.Matches(labels.Set(of))
		if got := selects(&s, of); got != want {
			t.Errorf("%s: %t, want %t", metav1.FormatLabelSelector(&s), got, want)
		}
	}
}
