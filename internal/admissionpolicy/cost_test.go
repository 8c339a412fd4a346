package admissionpolicy

import (
	"encoding/json"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	celconfig "k8s.io/apiserver/pkg/apis/cel"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// manyPools are 200 pools of six single numbers each, none beside another: as many ranges as a hundred can have.
func manyPools() []v1alpha1.NodePortPool {
	var all []v1alpha1.NodePortPool
	for i := range int32(200) {
		p := makePool(fmt.Sprintf("pool-%03d", i), fmt.Sprintf("team-%03d", i))
		p.UID = "0f5f5a2c-8e0f-4c5a-9d53-8a6f0c2b7d1e"
		for j := range int32(6) {
			from := 30000 + 12*i + 2*j
			p.Spec.Ranges = append(p.Spec.Ranges, portRange(from, from))
		}
		p.Spec.NamespaceSelector = metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
			Key: corev1.LabelMetadataName, Operator: metav1.LabelSelectorOpIn,
			Values: []string{fmt.Sprintf("namespace-%03d", i), fmt.Sprintf("namespace-%03d-staging", i), fmt.Sprintf("namespace-%03d-test", i)}}}}
		all = append(all, p)
	}
	return all
}

// owned has a manager own all numbers.
func owned(s *Service) *Service {
	ports := map[string]any{}
	for _, p := range s.Obj().Spec.Ports {
		ports[fmt.Sprintf(`k:{"port":%d,"protocol":"%s"}`, p.Port, p.Protocol)] = map[string]any{"f:nodePort": map[string]any{}}
	}
	fields, err := json.Marshal(map[string]any{"f:spec": map[string]any{"f:ports": ports}})
	if err != nil {
		panic(err)
	}
	for i := range 10 { // an API server keeps no more that update
		s.ManagedFields(fmt.Sprint("nobody", i), "", `{"f:spec":{"f:type":{}}}`)
	}
	return s.ManagedFields("kubectl", "", string(fields))
}

func TestAnAPIServerTakesTheCost(t *testing.T) {
	all := manyPools()
	mine := makePool("mine", "a", portRange(32000, 32767))
	mine.Spec.MaxPortsPerService = 100
	all = append(all, mine)
	chart := rules.NewChart(wholeRange, all)
	policy := load(t, policyOf(t, chart, all, Options{}))
	warning := append(manyPools(), warns(mine))
	lenient := load(t, policyOf(t, rules.NewChart(wholeRange, warning), warning, Options{}))
	web := func(count int, first int32) *Service { return withPorts(MakeService("shop/web"), count, first) }
	for _, c := range []struct {
		name     string
		policy   compiled
		svc, old *Service
		atMost   int64
		refused  bool
	}{
		{name: "one port", policy: policy, svc: owned(web(1, 32000)), atMost: 10_000},
		{name: "100 ports", policy: policy, svc: owned(web(100, 32000)), atMost: 100_000},
		{name: "100 ports outside", policy: policy, svc: owned(web(100, 30000)), atMost: 300_000, refused: true},
		{name: "1,000 ports", policy: policy, svc: owned(web(1000, 30000)), atMost: 150_000, refused: true},
		{name: "one port more than 1,000 that were there", policy: policy, svc: owned(web(1001, 30000)), old: owned(web(1000, 30000)), atMost: 500_000, refused: true},
		{name: "one port less than 1,000", policy: policy, svc: owned(web(999, 30000)), old: owned(web(1000, 30000)), atMost: 500_000},
		{name: "1,000 ports where the pool only warns", policy: lenient, svc: owned(web(1000, 30000)), atMost: 2_000_000, refused: true},
		{name: "1,000 other ports", policy: lenient, svc: owned(web(1000, 31000)), old: owned(web(1000, 30000)), atMost: 2_000_000, refused: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := request{namespace: inTeam("a"), svc: c.svc.Obj()}
			if c.old != nil {
				r.old = c.old.Obj()
			}
			refusals, failures := c.policy.decide(t, r)
			if len(failures) > 0 || len(refusals) > 0 != c.refused {
				t.Errorf("refused with %q, failed with %q", refusals, failures)
			}
			cost := c.policy.cost(t, r)
			t.Logf("costs %d of %d; %q", cost, celconfig.RuntimeCELCostBudget, refusals)
			if cost > c.atMost {
				t.Errorf("costs %d, want at most %d", cost, c.atMost)
			}
		})
	}
}
