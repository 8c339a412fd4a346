package controllers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func poolOn(name string, age time.Duration, ranges ...v1alpha1.PortRange) v1alpha1.NodePortPool {
	p := v1alpha1.NodePortPool{Spec: v1alpha1.NodePortPoolSpec{Ranges: ranges}}
	p.Name, p.Generation, p.CreationTimestamp = name, 2, metav1.NewTime(noon.Add(-age))
	return p
}

func TestPoolStatus(t *testing.T) {
	broken := poolOn("mine", 0, v1alpha1.PortRange{From: 30000, To: 30009})
	broken.Spec.NamespaceSelector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "team", Operator: "Near"}}
	draining := poolOn("mine", 0, v1alpha1.PortRange{From: 30000, To: 30009})
	draining.Spec.Allocation = v1alpha1.AllocationNone
	const free, conforming = "False PortsFree: numbers are free", "True NoBreach: every live Service keeps to the pool's rules"
	for _, c := range []struct {
		name     string
		pool     v1alpha1.NodePortPool
		counts   allocator.Counts
		breaches []finding
		users    []finding
		ranges   string
		want     map[string]string // condition -> "status reason: message"
	}{
		{
			"all well", poolOn("mine", 0, v1alpha1.PortRange{From: 30005, To: 30009}, v1alpha1.PortRange{From: 30000, To: 30003}),
			allocator.Counts{Total: 9, Bound: 1, Pending: 2, Held: 3, Free: 3}, nil, nil, "30000-30003,30005-30009",
			map[string]string{"Ready": "True Available: all numbers of the pool can be handed out", "Exhausted": free, "Conforming": conforming},
		},
		{
			"full", poolOn("mine", 0, v1alpha1.PortRange{From: 30000, To: 30009}), allocator.Counts{Total: 10, Bound: 9, Held: 1}, nil, nil, "30000-30009",
			map[string]string{"Ready": "True Available: all numbers of the pool can be handed out", "Exhausted": "True NoPortFree: 10 of 10 numbers are in use or held", "Conforming": conforming},
		},
		{
			"full, for what is on nodes", poolOn("mine", 0, v1alpha1.PortRange{From: 30000, To: 30009}), allocator.Counts{Total: 10, Bound: 6, Held: 1, Clashing: 3}, nil, nil, "30000-30009",
			map[string]string{"Ready": "True Available: all numbers of the pool can be handed out", "Conforming": conforming,
				"Exhausted": "True NoPortFree: 7 of 10 numbers are in use or held, and 3 in use by something else on nodes (kubectl get npns -o wide)"},
		},
		{
			"outside the cluster's range", poolOn("mine", 0, v1alpha1.PortRange{From: 29990, To: 30009}), allocator.Counts{Total: 10, Free: 10}, nil, nil, "29990-30009",
			map[string]string{"Ready": "False OutsideClusterRange: 29990-29999 is outside the cluster's node port range and is not handed out", "Exhausted": free, "Conforming": conforming},
		},
		{
			"overlapping an older one", poolOn("mine", 0, v1alpha1.PortRange{From: 30000, To: 30100}), allocator.Counts{Total: 100, Free: 100}, nil, nil, "30000-30100",
			map[string]string{"Ready": `False Overlap: pool "older" is older and has some of the numbers: this pool hands out nothing until its ranges are changed`, "Exhausted": free, "Conforming": conforming},
		},
		{
			"a selector that cannot be read", broken, allocator.Counts{Total: 10, Free: 10}, nil, nil, "30000-30009",
			map[string]string{"Ready": `False InvalidSelector: the pool selects nothing: "Near" is not a valid label selector operator`, "Exhausted": free, "Conforming": conforming},
		},
		{
			"draining", draining, allocator.Counts{Total: 10, Bound: 1, Pending: 1, Held: 2, Free: 6, Outside: 1}, nil,
			[]finding{{service: named("shop/web"), what: []string{"30000"}}, {service: named("shop/api"), what: []string{`30001, reserved by "api"`}}}, "30000-30009",
			map[string]string{"Ready": "True Draining: the pool is draining: it hands out nothing new; numbers still in use or reserved: 3: shop/web (30000), shop/api (30001, reserved by \"api\"), and 1 more", "Exhausted": free, "Conforming": conforming},
		},
		{
			"drained but for holds", draining, allocator.Counts{Total: 10, Held: 2, Free: 8}, nil, nil, "30000-30009",
			map[string]string{"Ready": "True Drained: the pool is drained: none of its numbers is in use; numbers held: 2, until they end or the pool is deleted", "Exhausted": free, "Conforming": conforming},
		},
		{
			"drained", draining, allocator.Counts{Total: 10, Free: 10}, nil, nil, "30000-30009",
			map[string]string{"Ready": "True Drained: the pool is drained: none of its numbers is in use", "Exhausted": free, "Conforming": conforming},
		},
		{
			"broken by live Services", poolOn("mine", 0, v1alpha1.PortRange{From: 30000, To: 30009}), allocator.Counts{Total: 10, Free: 10},
			[]finding{{service: named("bank/api"), what: []string{"30001"}}, {service: named("shop/web"), what: []string{"31000", "TooManyPorts"}}}, nil, "30000-30009",
			map[string]string{"Ready": "True Available: all numbers of the pool can be handed out", "Exhausted": free,
				"Conforming": "False LiveServices: live Services that break the pool's rules, and keep their numbers: 2: bank/api (30001), shop/web (31000, TooManyPorts)"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			chart := rules.NewChart(v1alpha1.PortRange{From: 30000, To: 32767}, []v1alpha1.NodePortPool{
				c.pool, poolOn("older", time.Hour, v1alpha1.PortRange{From: 30100, To: 30199})})
			status := poolStatus(&c.pool, chart.Pool("mine"), surveyed{counts: c.counts, breaches: c.breaches, users: c.users, clusterRange: chart.ClusterRange()}, noon)
			got := map[string]string{}
			for _, condition := range status.Conditions {
				got[condition.Type] = string(condition.Status) + " " + condition.Reason + ": " + condition.Message
				if condition.ObservedGeneration != 2 {
					t.Errorf("observedGeneration of %s is %d", condition.Type, condition.ObservedGeneration)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("conditions (-want +got):\n%s", diff)
			}
			if status.Ranges != c.ranges || status.NodePortRange != "30000-32767" {
				t.Errorf("ranges are %q of %q, want %q", status.Ranges, status.NodePortRange, c.ranges)
			}
			counts := &v1alpha1.PoolPorts{Total: int32(c.counts.Total), Bound: int32(c.counts.Bound), Pending: int32(c.counts.Pending),
				Held: int32(c.counts.Held), Clashing: int32(c.counts.Clashing), Free: int32(c.counts.Free), Outside: int32(c.counts.Outside)}
			if diff := cmp.Diff(counts, status.Ports); diff != "" {
				t.Errorf("ports (-want +got):\n%s", diff)
			}
			if got := *status.Breaches; got != int32(len(c.breaches)) {
				t.Errorf("breaches is %d, want %d", got, len(c.breaches))
			}
			c.pool.Status = status
			if again := poolStatus(&c.pool, chart.Pool("mine"), surveyed{counts: c.counts, breaches: c.breaches, users: c.users, clusterRange: chart.ClusterRange()}, noon.Add(time.Minute)); !equality.Semantic.DeepEqual(status, again) {
				t.Errorf("a minute later, though nothing happened (-before +after):\n%s", cmp.Diff(status, again))
			}
		})
	}
}

// named is the "namespace/name" of a Service.
func named(name string) types.NamespacedName {
	namespace, name, _ := strings.Cut(name, "/")
	return types.NamespacedName{Namespace: namespace, Name: name}
}

func TestAConditionListsNoMoreServicesThanCanBeRead(t *testing.T) {
	var breaches []finding
	for i := range 12 {
		breaches = append(breaches, finding{service: named(fmt.Sprintf("shop/web-%d", i)), what: []string{"31000"}})
	}
	got := poolConforming(breaches, nil).Message
	if !strings.Contains(got, ": 12: shop/web-0 (31000), ") || !strings.HasSuffix(got, "shop/web-9 (31000), and 2 more") {
		t.Error(got)
	}
}

func TestASurveyFindsWhoseRulesALiveServiceBreaks(t *testing.T) {
	poolFor := func(name, team string, ranges ...v1alpha1.PortRange) v1alpha1.NodePortPool {
		p := poolOn(name, 0, ranges...)
		p.Spec.NamespaceSelector.MatchLabels, p.Spec.MaxPortsPerService = map[string]string{"team": team}, 2
		return p
	}
	chart := rules.NewChart(v1alpha1.PortRange{From: 30000, To: 32767}, []v1alpha1.NodePortPool{
		poolFor("a", "a", v1alpha1.PortRange{From: 30000, To: 30009}), poolFor("b", "b", v1alpha1.PortRange{From: 30010, To: 30019})})
	got := survey{}
	for team, services := range map[string][]*Service{
		"a": {
			MakeService("shop/well").NodePort(80, 30000),
			MakeService("shop/outside").NodePort(80, 31000, Named("x")).NodePort(81, 31001, Named("y")),
			MakeService("shop/foreign").NodePort(80, 30010),
			MakeService("shop/many").NodePort(80, 30001, Named("x")).NodePort(81, 30002, Named("y")).NodePort(82, 30003, Named("z")),
		},
		"b": {MakeService("bank/well").NodePort(80, 30010)},
		"c": {MakeService("city/well").NodePort(80, 31000), MakeService("city/foreign").NodePort(80, 30011)},
	} {
		for _, s := range services {
			svc := s.Obj()
			got.take(svc, nil, rules.LiveBreaches(chart, rules.Question{Service: svc, Namespace: svc.Namespace, NamespaceLabels: map[string]string{"team": team}}))
		}
	}
	got.sort()
	want := map[string]string{
		"a": "[shop/foreign (30010) shop/many (TooManyPorts) shop/outside (31000, 31001)]",
		"b": "[city/foreign (30011) shop/foreign (30010)]",
	}
	words := map[string]string{}
	for pool, findings := range got {
		words[pool] = fmt.Sprint(findings)
	}
	if diff := cmp.Diff(want, words); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
