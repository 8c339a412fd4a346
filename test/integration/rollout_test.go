package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/metrics"
	"github.com/portolan-dev/portolan/internal/rules"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

const reasonTooMany = "TooManyNodePorts"

func onlyWarning(s *v1alpha1.NodePortPoolSpec) { s.Enforcement = v1alpha1.EnforcementWarn }
func enforcing(s *v1alpha1.NodePortPoolSpec)   { s.Enforcement = v1alpha1.EnforcementEnforce }

// breachesOf counts the breaches of a pool's rules by all managers of this process: "OutsideRanges warned" -> 1.
func breachesOf(pool *v1alpha1.NodePortPool) map[string]int {
	counts := map[string]int{}
	for _, reason := range []rules.Reason{rules.ReasonOutsideRanges, rules.ReasonForeignPool, rules.ReasonDraining,
		rules.ReasonTooManyPorts, rules.ReasonTaken, rules.ReasonExhausted} {
		for enforced, word := range map[string]string{"true": "refused", "false": "warned"} {
			if n := int(testutil.ToFloat64(metrics.AdmissionBreaches.WithLabelValues(pool.Name, string(reason), enforced))); n > 0 {
				counts[string(reason)+" "+word] = n
			}
		}
	}
	return counts
}

// wantConforming waits until a pool says so many live Services break its rules, and returns its message up to the commands
// that mend it.
func (w *world) wantConforming(pool *v1alpha1.NodePortPool, breaches int32) string {
	w.Helper()
	var message string
	w.eventually(fmt.Sprintf("%d Services break the rules of pool %s", breaches, w.names[pool.Name]), func() error {
		w.must(w.Get(w.Context(), client.ObjectKeyFromObject(pool), pool))
		c := meta.FindStatusCondition(pool.Status.Conditions, v1alpha1.PoolConforming)
		if c == nil || pool.Status.Breaches == nil || *pool.Status.Breaches != breaches || (c.Status == metav1.ConditionTrue) != (breaches == 0) {
			return fmt.Errorf("the status is %+v", pool.Status)
		}
		message, _, _ = strings.Cut(w.inTestsWords(c.Message), ". To give them others: ")
		return nil
	})
	return message
}

// wantPoolEvent waits for a warning about a pool, of which there is one however often it is said.
func (w *world) wantPoolEvent(pool *v1alpha1.NodePortPool, reason, note string) {
	w.Helper()
	w.eventually(fmt.Sprintf("event %s of pool %s", reason, w.names[pool.Name]), func() error {
		all := &eventsv1.EventList{}
		w.must(w.List(w.Context(), all, client.InNamespace(corev1.NamespaceDefault)))
		var notes []string
		for _, e := range all.Items {
			if e.Regarding.UID == pool.UID && e.Reason == reason {
				notes = append(notes, e.Note)
			}
		}
		if diff := cmp.Diff([]string{note}, notes); diff != "" {
			return fmt.Errorf("(-want +got)\n%s", diff)
		}
		return nil
	})
}

func manyPorts(name string, count int32) *Service {
	svc := makeService(name)
	for i := range count {
		svc.NodePort(1000+i, 0, Named(fmt.Sprintf("p%d", i)))
	}
	return svc
}

func TestWhatAPoolThatOnlyWarnsWouldRefuseIsWarnedOfAndEventedAndCounted(t *testing.T) {
	w := share(t)
	shop, other := w.namespace("shop"), w.namespace("other")
	numbers, elsewhere := w.allot(6), w.allot(3)
	// Those elsewhere are of a pool, so that no other test gets them.
	theirs := w.pool("theirs", elsewhere, serving("nobody"), onlyWarning)
	pool := w.pool("team-a", numbers, serving(shop), onlyWarning, func(s *v1alpha1.NodePortPoolSpec) { s.MaxPortsPerService = 2 })
	w.wantConforming(pool, 0)

	// A dry-run breaks nothing.
	_, err := w.tryCreate(makeService(shop+"/dry").NodePort(80, elsewhere.From), client.DryRunAll)
	w.must(err)
	well := w.create(makeService(shop+"/well").NodePort(80, 0))
	outside := []*corev1.Service{
		w.create(makeService(shop+"/outside").NodePort(80, elsewhere.From)),
		w.create(makeService(shop+"/outside-too").NodePort(80, elsewhere.From+1)),
	}
	foreign := w.create(makeService(other+"/foreign").NodePort(80, freeOf(numbers, number(well))))
	many := w.create(manyPorts(shop+"/many", 3))

	want := map[string]int{"ForeignPool warned": 3, "TooManyPorts warned": 1}
	if diff := cmp.Diff(want, breachesOf(pool)); diff != "" {
		t.Errorf("breaches of the pool (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"ForeignPool warned": 2}, breachesOf(theirs)); diff != "" {
		t.Errorf("breaches of the other pool (-want +got)\n%s", diff)
	}
	w.wantPoolEvent(pool, "ForeignPool", "admitted with a warning: a Service with a number of a pool that does not select its namespace")
	w.wantPoolEvent(pool, "TooManyPorts", "admitted with a warning: a Service with more node ports than it may have")
	for _, svc := range append(outside, foreign) {
		w.wantTrouble(svc, reasonMisplaced)
	}
	message := w.inTestsWords(w.wantTrouble(many, reasonTooMany))
	if want := `the Service keeps its numbers: spec.ports: Forbidden: pool "team-a" allows 2 node ports in a Service, 3 are asked for`; message != want {
		t.Errorf("the condition says %q, want %q", message, want)
	}
	w.wantTrouble(well, "")
	listed := fmt.Sprintf("live Services that break the pool's rules, and keep their numbers: 4: other/foreign (%d), shop/many (TooManyPorts), shop/outside (%d), shop/outside-too (%d)",
		number(foreign), elsewhere.From, elsewhere.From+1)
	if got := w.wantConforming(pool, 4); got != listed {
		t.Errorf("the pool says\n%s\nwant\n%s", got, listed)
	}
	w.eventually("the metric counts them", func() error {
		if got := testutil.ToFloat64(metrics.PoolBreaches.WithLabelValues(pool.Name)); got != 4 {
			return fmt.Errorf("it is %v", got)
		}
		return nil
	})
	described := w.mustKubectl("", "describe", "npp", pool.Name)
	for _, part := range []string{"Conforming", "LiveServices", "Breaches:  4", "Warning  ForeignPool"} {
		if !strings.Contains(described, part) {
			t.Errorf("kubectl describe npp does not show %q:\n%s", part, described)
		}
	}

	// They are moved, or go: to enforce is safe.
	left := freeOf(numbers, append(numbersOf(many), number(well), number(foreign))...)
	w.change(outside[0], func(svc *corev1.Service) { svc.Spec.Ports[0].NodePort = left })
	for _, svc := range []*corev1.Service{outside[1], foreign, many} {
		w.remove(svc)
	}
	w.mustKubectl("", "wait", "--for=condition=Conforming", "npp/"+pool.Name, "--timeout=90s")
	w.wantConforming(pool, 0)
	w.changePool(pool, enforcing)
	_, err = w.tryCreate(makeService(shop+"/outside").NodePort(80, elsewhere.From))
	w.wantRefusal(err, `not in the node port ranges of namespace "shop"`)
	want["ForeignPool refused"] = 1
	if diff := cmp.Diff(want, breachesOf(pool)); diff != "" {
		t.Errorf("breaches of the pool (-want +got)\n%s", diff)
	}
}

func TestWhatAnEnforcingPoolRefusesIsCounted(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(1)
	pool := w.pool("team-a", numbers, serving(shop))
	web := w.create(makeService(shop+"/web").NodePort(80, 0))
	_, err := w.tryCreate(makeService(shop+"/taken").NodePort(80, number(web)))
	w.wantRefusal(err, "already allocated to")
	_, err = w.tryCreate(makeService(shop+"/full").NodePort(80, 0))
	w.wantRefusal(err, "no node port is free")
	w.changePool(pool, withAllocation(v1alpha1.AllocationNone))
	_, err = w.tryCreate(makeService(shop+"/drained").NodePort(80, 0))
	w.wantRefusal(err, "hands out nothing new")
	want := map[string]int{"Taken refused": 1, "Exhausted refused": 1, "Draining refused": 1}
	if diff := cmp.Diff(want, breachesOf(pool)); diff != "" {
		t.Errorf("breaches of the pool (-want +got)\n%s", diff)
	}
	w.must(w.Delete(t.Context(), pool))
	w.eventually("the series end with the pool", func() error {
		if got := breachesOf(pool); len(got) > 0 {
			return fmt.Errorf("there are %v", got)
		}
		return nil
	})
}
