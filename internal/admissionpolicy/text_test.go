package admissionpolicy

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/version"
	"sigs.k8s.io/yaml"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestThePolicyOfAFewPoolsReadsSo(t *testing.T) {
	policy, binding := Compile(rules.NewChart(wholeRange, several), several, Options{})
	got := ""
	for _, object := range []any{policy, binding} {
		text, err := yaml.Marshal(object)
		if err != nil {
			t.Fatal(err)
		}
		got += "---\n" + string(text)
	}
	golden.Assert(t, got, "policy.golden")
}

func TestWithoutAPoolThereIsNoPolicy(t *testing.T) {
	if policy, binding := Compile(rules.NewChart(wholeRange, nil), nil, Options{}); policy != nil || binding != nil {
		t.Errorf("got %v and %v", policy, binding)
	}
}

// A map is iterated in another order each time, and a list of pools comes in any.
func TestTheSamePoolsGiveTheSameText(t *testing.T) {
	all := slices.Clone(several)
	all[0].Spec.NamespaceSelector = metav1.LabelSelector{
		MatchLabels: map[string]string{"team": "a", "tier": "front", "stage": "test", "site": "north"},
		MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: "team", Operator: metav1.LabelSelectorOpExists}, {Key: "site", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"south", "east"}}},
	}
	want := policyOf(t, rules.NewChart(wholeRange, all), all, Options{})
	for range 20 {
		all = append(all[1:], all[0])
		for i := range all {
			all[i].Spec.NamespaceSelector.MatchLabels = maps.Clone(all[i].Spec.NamespaceSelector.MatchLabels)
		}
		if diff := cmp.Diff(want, policyOf(t, rules.NewChart(wholeRange, all), all, Options{})); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestKubernetes132TakesThePolicy(t *testing.T) {
	for _, strict := range []bool{false, true} {
		// It lets new expressions use what 1.31 knows: it might have to go back.
		loadOn(t, version.MajorMinor(1, 31), policyOf(t, rules.NewChart(wholeRange, several), several, Options{Strict: strict}))
	}
}

// largest are 200 pools of 64 ranges each, in a cluster range that has room for them.
func largest() []v1alpha1.NodePortPool {
	var all []v1alpha1.NodePortPool
	for i := range int32(200) {
		var ranges []v1alpha1.PortRange
		for j := range int32(64) {
			from := 10000 + 256*i + 4*j
			ranges = append(ranges, portRange(from, from+1))
		}
		all = append(all, makePool(fmt.Sprintf("pool-%03d", i), fmt.Sprintf("team-%03d", i), ranges...))
	}
	return all
}

func TestTheLargestPoolsAreCutIntoExpressionsOfBearableLength(t *testing.T) {
	all := largest()
	policy := policyOf(t, rules.NewChart(portRange(10000, 65535), all), all, Options{})
	length := 0
	for _, v := range policy.Spec.Variables {
		length += len(v.Expression)
		if len(v.Expression) > 2*longest {
			t.Errorf("variable %s has %d characters", v.Name, len(v.Expression))
		}
	}
	if length < 4*longest {
		t.Fatalf("%d characters need no cutting: take larger pools", length)
	}
	loaded := load(t, policy)
	last := all[199].Spec.Ranges[63]
	for _, c := range []struct {
		name   string
		number int32
		want   []string
	}{
		{name: "the last number of the last pool", number: last.To},
		{name: "a number of the first pool", number: 10000, want: []string{"node port 10000: not in the node port ranges of namespace \"shop\": " +
			rules.NewRanges(all[199].Spec.Ranges).String()}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request{namespace: inTeam("team-199"), svc: MakeService("shop/web").NodePort(80, c.number).Obj()}
			got, failures := loaded.decide(t, r)
			if diff := cmp.Diff(c.want, got); diff != "" || len(failures) > 0 {
				t.Errorf("(-want +got):\n%s%q", diff, failures)
			}
		})
	}
}

// However much is wrong with its numbers: such a Service must lose its finalizer, or its namespace never goes.
func TestAnUpdateThatLeavesSpecAloneIsNotJudged(t *testing.T) {
	policy := load(t, policyOf(t, rules.NewChart(wholeRange, several), several, Options{}))
	old := owned(withPorts(MakeService("shop/web").Annotation(v1alpha1.PoolAnnotation, "unheard-of"), 2700, 30000))
	r := request{namespace: inTeam("a"), old: old.Obj(), svc: old.Label("tier", "front").Obj()}
	if decisions := policy.decisions(t, r); len(decisions) > 0 {
		t.Errorf("got %v", decisions)
	}
	r.svc.Spec.Ports[0].NodePort = 32767
	if decisions := policy.decisions(t, r); len(decisions) == 0 {
		t.Error("a change of spec is not judged")
	}
}
