package integration

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

func TestAPoolThatCannotWorkIsRefused(t *testing.T) {
	w := share(t)
	taken := w.allot(10)
	w.pool("older", taken, serving("nobody"))
	badSelector := func(s *v1alpha1.NodePortPoolSpec) {
		s.NamespaceSelector = metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "a", Operator: "Near"}}}
	}
	for _, tc := range []struct {
		name string
		pool *v1alpha1.NodePortPool
		want string
	}{
		{"overlap", makePool(w.nameLike("younger"), v1alpha1.PortRange{From: taken.To, To: taken.To + 1}),
			fmt.Sprintf(`overlaps pool "older" in %d`, taken.To)},
		{"below the cluster's range", makePool(w.nameLike("younger"), v1alpha1.PortRange{From: 29000, To: 29010}),
			"29000-29010 is outside the cluster's node port range 30000-32767"},
		{"partly above the cluster's range", makePool(w.nameLike("younger"), v1alpha1.PortRange{From: 32767, To: 32768}),
			"32768 is outside the cluster's node port range 30000-32767"},
		{"selector", makePool(w.nameLike("younger"), w.allot(1), badSelector), "spec.namespaceSelector.matchExpressions[0].operator"},
		{"a range twice", makePool(w.nameLike("younger"), w.allot(1), func(s *v1alpha1.NodePortPoolSpec) {
			s.Ranges = append(s.Ranges, s.Ranges[0])
		}), "ranges must not overlap"},
		{"a range the wrong way round", makePool(w.nameLike("younger"), v1alpha1.PortRange{From: 31000, To: 30999}), "from must not be greater than to"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := *w
			w.T = t
			w.wantRefusal(w.Create(t.Context(), tc.pool), tc.want)
		})
	}
}

func TestAPoolThatBeginsToSelectEveryNamespaceSaysSo(t *testing.T) {
	w := share(t)
	numbers := w.allot(1)
	team := w.pool("team", numbers, serving("nobody"))
	for _, tt := range []struct {
		name, verb, selector string
		warned               bool
	}{
		{"made without a selector", "create", "", true},
		{"made with one that is empty", "create", ", namespaceSelector: {}", true},
		{"made with one", "create", ", namespaceSelector: {matchLabels: {team: nobody}}", false},
		{"its selector is changed", "replace", ", namespaceSelector: {matchLabels: {team: nobody}}", false},
		{"its selector is taken away", "replace", "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			name, ranges := w.nameLike("another"), "[]"
			if tt.verb == "replace" {
				name, ranges = team.Name, fmt.Sprintf("[{from: %d, to: %d}]", numbers.From, numbers.To)
			}
			manifest := "{apiVersion: portolan.dev/v1alpha1, kind: NodePortPool, metadata: {name: " + name + "}, spec: {ranges: " + ranges + tt.selector + "}}"
			out := w.mustKubectl(manifest, tt.verb, "--dry-run=server", "-f", "-") // other tests run beside
			if strings.Contains(out, "without a namespaceSelector this pool is every namespace's") != tt.warned {
				t.Errorf("got %s", out)
			}
		})
	}
}

func TestAChangeOfAPoolIsJudgedByWhatIsNew(t *testing.T) {
	w := alone(t)
	shop := w.namespace("shop")
	// Made while no manager runs: overlapping, and partly outside of the cluster's range.
	first := w.pool("first", v1alpha1.PortRange{From: 31000, To: 31009}, serving("nobody"))
	w.ageOf(first)
	second := w.pool("second", v1alpha1.PortRange{From: 31005, To: 31014}, serving(shop), holding(60))
	outside := w.pool("outside", v1alpha1.PortRange{From: 30990, To: 30999}, serving("nobody"))
	w.start(nil)

	for _, pool := range []*v1alpha1.NodePortPool{second, outside} {
		w.changePool(pool, holding(120))
	}
	w.wantRefusal(w.tryChangePool(second, func(s *v1alpha1.NodePortPoolSpec) {
		s.Ranges = append(s.Ranges, v1alpha1.PortRange{From: 31002, To: 31003})
	}), `spec.ranges[1]: Invalid value: "31002-31003": overlaps pool "first" in 31002-31003`)

	// The older pool owns the numbers; the younger hands out nothing until it has none of them.
	w.wantPoolReady(first, metav1.ConditionTrue, v1alpha1.PoolReasonAvailable)
	w.wantPoolReady(second, metav1.ConditionFalse, v1alpha1.PoolReasonOverlap)
	w.wantPoolReady(outside, metav1.ConditionFalse, v1alpha1.PoolReasonOutsideClusterRange)
	w.wantCounts(first, v1alpha1.PoolPorts{Total: 10, Free: 10})
	web := makeService(shop+"/web").NodePort(80, 0)
	_, err := w.tryCreate(web)
	w.wantRefusal(err, `pool "second" hands out nothing: its ranges overlap another pool's`)
	_, err = w.tryCreate(makeService(shop+"/web").NodePort(80, 31014))
	w.wantRefusal(err, `pool "second" hands out nothing: its ranges overlap another pool's`)

	w.changePool(second, func(s *v1alpha1.NodePortPoolSpec) { s.Ranges = []v1alpha1.PortRange{{From: 31010, To: 31014}} })
	w.wantPoolReady(second, metav1.ConditionTrue, v1alpha1.PoolReasonAvailable)
	w.wantWithin(w.create(web), v1alpha1.PortRange{From: 31010, To: 31014}, 1)
}

func TestTheYoungerPoolTakesOverWhenTheOlderGoes(t *testing.T) {
	w := alone(t)
	shop := w.namespace("shop")
	first := w.pool("first", v1alpha1.PortRange{From: 31000, To: 31009}, serving("nobody"))
	w.ageOf(first)
	second := w.pool("second", v1alpha1.PortRange{From: 31000, To: 31004}, serving(shop))
	w.start(nil)
	w.wantPoolReady(second, metav1.ConditionFalse, v1alpha1.PoolReasonOverlap)
	w.must(w.Delete(t.Context(), first))
	w.wantPoolReady(second, metav1.ConditionTrue, v1alpha1.PoolReasonAvailable)
	w.wantWithin(w.create(makeService(shop+"/web").NodePort(80, 0)), v1alpha1.PortRange{From: 31000, To: 31004}, 1)
}

// wantPoolReady waits until a pool's Ready condition is so.
func (w *world) wantPoolReady(pool *v1alpha1.NodePortPool, status metav1.ConditionStatus, reason string) {
	w.Helper()
	w.eventually(fmt.Sprintf("pool %s is Ready=%s/%s", w.names[pool.Name], status, reason), func() error {
		if err := w.Get(w.Context(), client.ObjectKeyFromObject(pool), pool); err != nil {
			return err
		}
		ready := meta.FindStatusCondition(pool.Status.Conditions, v1alpha1.PoolReady)
		if ready == nil || ready.Status != status || ready.Reason != reason || ready.ObservedGeneration != pool.Generation {
			return fmt.Errorf("its condition is %+v", ready)
		}
		return nil
	})
}

func TestAPoolSaysWhenItIsExhausted(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	pool := w.pool("team-a", w.allot(1), serving(shop))
	exhausted := func(want metav1.ConditionStatus) {
		t.Helper()
		w.eventually("Exhausted="+string(want), func() error {
			w.must(w.Get(t.Context(), client.ObjectKeyFromObject(pool), pool))
			if c := meta.FindStatusCondition(pool.Status.Conditions, v1alpha1.PoolExhausted); c == nil || c.Status != want {
				return fmt.Errorf("it is %+v", c)
			}
			return nil
		})
	}
	exhausted(metav1.ConditionFalse)
	w.create(makeService(shop+"/web").NodePort(80, 0))
	exhausted(metav1.ConditionTrue)
	w.changePool(pool, func(s *v1alpha1.NodePortPoolSpec) { s.Ranges = append(s.Ranges, w.allot(1)) })
	exhausted(metav1.ConditionFalse)
}
