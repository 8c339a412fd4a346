package controllers

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
)

func TestUsageStatus(t *testing.T) {
	shop := map[string]string{"team": "a"}
	limit := func(n int32) func(*v1alpha1.NodePortPoolSpec) {
		return func(s *v1alpha1.NodePortPoolSpec) { s.MaxPortsPerNamespace = &n }
	}
	var eight []*v1alpha1.NodePortAllocation
	for n := range int32(8) {
		eight = append(eight, reservedClaim(30000+n, "http"))
	}
	held := func(n int32) *v1alpha1.NodePortAllocation { return adjusted(reservedClaim(n, "http"), heldOn) }
	used := func(n int32) *v1alpha1.NodePortAllocation { return adjusted(reservedClaim(n, "http"), inUse) }
	for _, c := range []struct {
		name   string
		change func(*v1alpha1.NodePortPoolSpec)
		labels map[string]string
		claims []*v1alpha1.NodePortAllocation
		want   string // empty: there is no report
		ready  string
	}{
		{"nothing yet", limit(3), shop, nil, "30000-30019 0 of 3 []", "True WithinLimit: used are 0 of 3"},
		{"no limit", nil, shop, []*v1alpha1.NodePortAllocation{used(30001)}, "30000-30019 1 of ? [30001]", "True WithinLimit: used are 1, there is no limit"},
		{"all states count, in this pool alone", limit(4), shop,
			[]*v1alpha1.NodePortAllocation{used(30002), reservedClaim(30001), held(30003), used(30100)}, "30000-30019 3 of 4 [30001 30002 30003]",
			"True WithinLimit: used are 3 of 4; 1 of them are held for Services that have gone, and make room for others"},
		{"as many as it may", limit(2), shop, []*v1alpha1.NodePortAllocation{used(30002), reservedClaim(30001)}, "30000-30019 2 of 2 [30001 30002]",
			"False LimitReached: used are 2 of 2"},
		{"as many as it may, but some are held", limit(2), shop, []*v1alpha1.NodePortAllocation{used(30002), held(30001)}, "30000-30019 2 of 2 [30001 30002]",
			"True WithinLimit: used are 2 of 2; 1 of them are held for Services that have gone, and make room for others"},
		{"none at all", limit(0), shop, nil, "30000-30019 0 of 0 []", "False LimitReached: used are 0 of 0"},
		{"as many reservations as it may without a limit", nil, shop, eight, "30000-30019 8 of ? [30000 30001 30002 30003 30004 30005 30006 30007]",
			"False LimitReached: 8 are reserved that no Service carries: there may be no more of these"},
		{"a pool that is draining", func(s *v1alpha1.NodePortPoolSpec) { s.Allocation = v1alpha1.AllocationNone }, shop,
			[]*v1alpha1.NodePortAllocation{used(30001)}, "30000-30019 1 of ? [30001]", "False NothingNew: the pool hands out nothing new: what is in use stays"},
		{"a pool without numbers", func(s *v1alpha1.NodePortPoolSpec) { s.Ranges = nil }, shop, nil, " 0 of ? []",
			"False NothingNew: the pool hands out nothing new: what is in use stays"},
		{"a pool that does not select the namespace tells nothing of itself", limit(3), nil, []*v1alpha1.NodePortAllocation{used(30001)}, " 1 of ? [30001]",
			"False NothingNew: the pool does not serve this namespace: what is in use stays"},
		{"a pool that does not select the namespace, which has nothing of it", limit(3), nil, []*v1alpha1.NodePortAllocation{used(30100)}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			pool := poolOn("team-a", 0, v1alpha1.PortRange{From: 30000, To: 30019})
			pool.Spec.NamespaceSelector = metav1.LabelSelector{MatchLabels: shop}
			if c.change != nil {
				c.change(&pool.Spec)
			}
			u := usingOf(rules.NewChart(v1alpha1.PortRange{From: 30000, To: 32767}, []v1alpha1.NodePortPool{pool}), "team-a", c.labels, listOf(c.claims), noon)
			if u.wanted() != (c.want != "") {
				t.Fatalf("a report is wanted: %t", u.wanted())
			}
			if c.want == "" {
				return
			}
			usage := &v1alpha1.NodePortUsage{}
			usage.Generation = 1
			usage.Status = usageStatus(usage, u, noon)
			if got := shownUsage(usage.Status); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			ready := usage.Status.Conditions[0]
			if got := fmt.Sprintf("%s %s: %s", ready.Status, ready.Reason, ready.Message); got != c.ready || ready.ObservedGeneration != 1 {
				t.Errorf("got %s, want %s", got, c.ready)
			}
			if again := usageStatus(usage, u, noon.Add(time.Second)); !equality.Semantic.DeepEqual(usage.Status, again) {
				t.Errorf("a second later, though nothing happened (-before +after):\n%s", cmp.Diff(usage.Status, again))
			}
		})
	}
}

func listOf(claims []*v1alpha1.NodePortAllocation) []v1alpha1.NodePortAllocation {
	var list []v1alpha1.NodePortAllocation
	for _, a := range claims {
		list = append(list, *a)
	}
	return list
}

// shownUsage is "30000-30019 1 of 3 [30001]".
func shownUsage(s v1alpha1.NodePortUsageStatus) string {
	limit := "?"
	if s.Limit != nil {
		limit = fmt.Sprint(*s.Limit)
	}
	return fmt.Sprintf("%s %d of %s %v", s.Ranges, s.Used, limit, s.NodePorts)
}

func TestAReportListsSoManyNumbers(t *testing.T) {
	pool := poolOn("team-a", 0, v1alpha1.PortRange{From: 30000, To: 32767})
	u := using{pool: rules.NewChart(v1alpha1.PortRange{From: 30000, To: 32767}, []v1alpha1.NodePortPool{pool}).Pool("team-a")}
	for n := int32(30000); n < 32000; n++ {
		u.numbers = append(u.numbers, n)
	}
	status := usageStatus(&v1alpha1.NodePortUsage{}, u, noon)
	if status.Used != 2000 || len(status.NodePorts) != 1024 || allocator.NameOf(status.NodePorts[1023]) != "31023" {
		t.Errorf("%d are used, %d listed", status.Used, len(status.NodePorts))
	}
}
