package controllers

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
)

func poolOn(name string, age time.Duration, ranges ...v1alpha1.PortRange) v1alpha1.NodePortPool {
	p := v1alpha1.NodePortPool{Spec: v1alpha1.NodePortPoolSpec{Ranges: ranges}}
	p.Name, p.Generation, p.CreationTimestamp = name, 2, metav1.NewTime(noon.Add(-age))
	return p
}

func TestPoolStatus(t *testing.T) {
	broken := poolOn("mine", 0, v1alpha1.PortRange{From: 30000, To: 30009})
	broken.Spec.NamespaceSelector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "team", Operator: "Near"}}
	for _, c := range []struct {
		name   string
		pool   v1alpha1.NodePortPool
		counts allocator.Counts
		ranges string
		want   map[string]string // condition -> "status reason: message"
	}{
		{
			"all well", poolOn("mine", 0, v1alpha1.PortRange{From: 30005, To: 30009}, v1alpha1.PortRange{From: 30000, To: 30003}),
			allocator.Counts{Total: 9, Bound: 1, Pending: 2, Held: 3, Free: 3}, "30000-30003,30005-30009",
			map[string]string{"Ready": "True Available: all numbers of the pool can be handed out", "Exhausted": "False PortsFree: numbers are free"},
		},
		{
			"full", poolOn("mine", 0, v1alpha1.PortRange{From: 30000, To: 30009}), allocator.Counts{Total: 10, Bound: 9, Held: 1}, "30000-30009",
			map[string]string{"Ready": "True Available: all numbers of the pool can be handed out", "Exhausted": "True NoPortFree: 10 of 10 numbers are in use or held"},
		},
		{
			"outside the cluster's range", poolOn("mine", 0, v1alpha1.PortRange{From: 29990, To: 30009}), allocator.Counts{Total: 10, Free: 10}, "29990-30009",
			map[string]string{"Ready": "False OutsideClusterRange: 29990-29999 is outside the cluster's node port range and is not handed out", "Exhausted": "False PortsFree: numbers are free"},
		},
		{
			"overlapping an older one", poolOn("mine", 0, v1alpha1.PortRange{From: 30000, To: 30100}), allocator.Counts{Total: 100, Free: 100}, "30000-30100",
			map[string]string{"Ready": `False Overlap: pool "older" is older and has some of the numbers: this pool hands out nothing until its ranges are changed`, "Exhausted": "False PortsFree: numbers are free"},
		},
		{
			"a selector that cannot be read", broken, allocator.Counts{Total: 10, Free: 10}, "30000-30009",
			map[string]string{"Ready": `False InvalidSelector: the pool selects nothing: "Near" is not a valid label selector operator`, "Exhausted": "False PortsFree: numbers are free"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			chart := rules.NewChart(v1alpha1.PortRange{From: 30000, To: 32767}, []v1alpha1.NodePortPool{
				c.pool, poolOn("older", time.Hour, v1alpha1.PortRange{From: 30100, To: 30199})})
			status := poolStatus(&c.pool, chart.Pool("mine"), c.counts, noon)
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
			if status.Ranges != c.ranges {
				t.Errorf("ranges are %q, want %q", status.Ranges, c.ranges)
			}
			counts := &v1alpha1.PoolPorts{Total: int32(c.counts.Total), Bound: int32(c.counts.Bound), Pending: int32(c.counts.Pending),
				Held: int32(c.counts.Held), Free: int32(c.counts.Free)}
			if diff := cmp.Diff(counts, status.Ports); diff != "" {
				t.Errorf("ports (-want +got):\n%s", diff)
			}
			c.pool.Status = status
			if again := poolStatus(&c.pool, chart.Pool("mine"), c.counts, noon.Add(time.Minute)); !equality.Semantic.DeepEqual(status, again) {
				t.Errorf("a minute later, though nothing happened (-before +after):\n%s", cmp.Diff(status, again))
			}
		})
	}
}
