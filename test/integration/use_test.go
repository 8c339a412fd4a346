package integration

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/manager"
)

func idleAfterADay(o *manager.Options) { o.IdleAfter = 24 * time.Hour }

// counts has a node-proxy report that it has counted since a time, and what was used until another.
func (w *world) counts(p nodeProxy, since, to time.Time, numbers string) {
	w.Helper()
	w.must(p.report(w.Context(), v1alpha1.NodePortNodeStateStatus{Mode: v1alpha1.ProxyModeNone, Activity: &v1alpha1.Activity{
		Since: metav1.NewTime(since), From: metav1.NewTime(since), To: metav1.NewTime(to), NodePorts: numbers}}))
}

// wantUse waits until an allocation says when its number was last used, zero for never, and the reason of its condition
// Idle, "" for none.
func (w *world) wantUse(n int32, last time.Time, reason string) {
	w.Helper()
	w.eventually(fmt.Sprintf("%d was last used at %s, %q", n, last, reason), func() error {
		if clock, fake := w.clock.(*testingclock.FakePassiveClock); fake { // by which the number's turn to be written comes
			clock.SetTime(clock.Now().Add(time.Second))
		}
		status := w.claim(n).Status
		if want := metav1.NewTime(last.Truncate(time.Second)); !status.LastTrafficTime.Equal(&want) && (status.LastTrafficTime != nil || !last.IsZero()) {
			return fmt.Errorf("lastTrafficTime is %s", status.LastTrafficTime)
		}
		idle := meta.FindStatusCondition(status.Conditions, v1alpha1.AllocationIdle)
		if got := idleReason(idle); got != reason {
			return fmt.Errorf("the condition is %v", idle)
		}
		return nil
	})
}

// idleReason is the reason of a condition Idle that has the status that belongs to it.
func idleReason(c *metav1.Condition) string {
	if c == nil || (c.Status == metav1.ConditionTrue) == (c.Reason == v1alpha1.AllocationReasonNoTraffic) {
		return cmp.Or(c, &metav1.Condition{}).Reason
	}
	return string(c.Status) + " " + c.Reason
}

func TestAnAllocationTellsWhenItsNumberWasLastUsed(t *testing.T) {
	const tooEarly, traffic, noTraffic = v1alpha1.AllocationReasonTooEarly, v1alpha1.AllocationReasonTraffic, v1alpha1.AllocationReasonNoTraffic
	w := alone(t)
	clock := w.withFakeClock()
	pass := func(d time.Duration) time.Time {
		clock.SetTime(clock.Now().Add(d))
		return clock.Now()
	}
	pass(time.Minute) // ahead of the API server, by whose clock Services are made
	w.start(idleAfterADay)
	shop := w.namespace("shop")
	w.pool("team-a", v1alpha1.PortRange{From: 31100, To: 31199}, serving(shop))
	for i, name := range []string{"used", "unused"} {
		w.wantAllBound(w.create(makeService(shop+"/"+name).NodePort(80, 31100+int32(i))))
	}
	one := w.withNodeProxies().on("node-1")
	began := clock.Now()
	w.counts(one, began, began, "")
	w.wantUse(31100, time.Time{}, tooEarly)
	w.wantUse(31101, time.Time{}, tooEarly)

	first := pass(12 * time.Hour)
	w.counts(one, began, first, "31100")
	w.wantUse(31100, first, traffic)
	listed := w.mustKubectl("", "get", "npa", "31100", "31101", "-o", "wide")
	if lines := strings.Split(strings.TrimSpace(listed), "\n"); len(lines) != 3 || !strings.Contains(lines[0], "LAST-TRAFFIC") || !strings.Contains(lines[0], "IDLE") {
		t.Errorf("kubectl get npa -o wide prints\n%s", listed)
	}

	w.counts(one, began, pass(12*time.Hour), "")
	w.touch(31101)
	w.wantUse(31101, time.Time{}, noTraffic)
	w.wantUse(31100, first, traffic)
	w.mustKubectl("", "wait", "--for=condition=Idle", "npa/31101", "--timeout=90s")

	second := pass(time.Minute)
	w.counts(one, began, second, "31101")
	w.wantUse(31101, second, traffic)
	w.must(w.Delete(t.Context(), makeNodeState(one.node.Name)))
	w.wantUse(31101, second, "")
}

// touch has a number looked at: its controller goes by the test's clock, but wakes by the real one.
func (w *world) touch(n int32) {
	w.Helper()
	owner := w.claim(n).Spec.ServiceRef
	w.change(makeService(owner.Namespace+"/"+owner.Name).Obj(), func(svc *corev1.Service) { svc.Labels = map[string]string{"touched": ""} })
}

func TestWhatAnAllocationSaysOfTheUseOfItsNumberOutlivesTheManagerAndTheNodes(t *testing.T) {
	w := alone(t)
	clock := w.withFakeClock()
	clock.SetTime(clock.Now().Add(time.Minute)) // ahead of the API server, by whose clock Services are made
	w.start(idleAfterADay)
	proxies := w.withNodeProxies()
	shop := w.namespace("shop")
	w.create(makeService(shop+"/web").NodePort(80, 31100))
	w.wantReason(31100, v1alpha1.AllocationReasonInUse)
	began, used := clock.Now(), clock.Now().Add(time.Hour)
	clock.SetTime(used)
	one, two := proxies.on("node-1"), proxies.on("node-2")
	w.counts(one, began, used, "31100")
	w.wantUse(31100, used, v1alpha1.AllocationReasonTraffic)

	w.stop()
	clock.SetTime(began.Add(26 * time.Hour))
	w.counts(two, began.Add(25*time.Hour), clock.Now(), "") // it has not counted for a day, but took over from the other
	w.must(w.Delete(t.Context(), makeNodeState(one.node.Name)))
	w.start(idleAfterADay)
	w.wantUse(31100, used, v1alpha1.AllocationReasonNoTraffic)
}
