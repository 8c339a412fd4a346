package controllers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/fleet"
	"github.com/portolan-dev/portolan/internal/metrics"
)

// minutesUsed is what nodes say of a number that was last used in one minute, since another.
func minutesUsed(last, since int) fleet.Used {
	return fleet.Used{Last: later(last), Since: later(since)}
}

// neverUsed is what nodes say of a number that nobody has used, since a minute.
func neverUsed(since int) fleet.Used { return fleet.Used{Since: later(since)} }

// saidOfUse is "12:05 Traffic since 12:05", without what is not there.
func saidOfUse(status v1alpha1.NodePortAllocationStatus) string {
	said := ""
	if at := status.LastTrafficTime; at != nil {
		said = at.UTC().Format("15:04 ")
	}
	if c := meta.FindStatusCondition(status.Conditions, v1alpha1.AllocationIdle); c != nil {
		said += fmt.Sprintf("%s since %s", c.Reason, c.LastTransitionTime.UTC().Format("15:04"))
	}
	return strings.TrimSpace(said)
}

func TestAnAllocationSaysWhenItsNumberWasLastUsedAndWhetherItIsIdle(t *testing.T) {
	web, api := []*corev1.Service{carrier("shop/web", "1", 0)}, []*corev1.Service{carrier("shop/api", "2", 200)}
	ofWeb, ofAPI := specOf("web", withUID("1")), specOf("api", withUID("2"))
	type step struct {
		name     string
		minute   int
		used     fleet.Used
		want     string
		again    int // minutes; 0: never
		spec     v1alpha1.NodePortAllocationSpec
		carriers []*corev1.Service
	}
	const idleAfter = 60 // minutes
	for name, steps := range map[string][]step{
		"a number that is used now and then": {
			{"bound", 0, neverUsed(0), "TooEarly since 12:00", 60, ofWeb, web},
			{"nothing happens", 30, neverUsed(0), "TooEarly since 12:00", 30, ofWeb, web},
			{"used", 31, minutesUsed(30, 0), "12:30 Traffic since 12:00", 59, ofWeb, web},
			{"again, within ten minutes", 36, minutesUsed(35, 0), "12:30 Traffic since 12:00", 4, ofWeb, web},
			{"which is written then", 40, minutesUsed(35, 0), "12:35 Traffic since 12:00", 55, ofWeb, web},
			{"an hour later", 95, minutesUsed(35, 0), "12:35 NoTraffic since 13:35", 0, ofWeb, web},
			{"and on", 125, minutesUsed(35, 0), "12:35 NoTraffic since 13:35", 0, ofWeb, web},
			{"used after all", 127, minutesUsed(126, 0), "14:06 Traffic since 14:07", 59, ofWeb, web},
		},
		"nodes begin to count after it was bound": {
			{"bound", 0, fleet.Used{}, "", 0, ofWeb, web},
			{"they count", 50, neverUsed(50), "TooEarly since 12:50", 60, ofWeb, web},
			{"an hour later", 110, neverUsed(50), "NoTraffic since 13:50", 0, ofWeb, web},
			{"none does any more", 111, fleet.Used{}, "", 0, ofWeb, web},
		},
		"the nodes are replaced while it is not used": {
			{"bound", 0, neverUsed(0), "TooEarly since 12:00", 60, ofWeb, web},
			{"those that are left count for ten minutes", 50, neverUsed(40), "TooEarly since 12:00", 10, ofWeb, web},
			{"an hour after it was bound", 60, neverUsed(40), "NoTraffic since 13:00", 0, ofWeb, web},
			{"they are replaced again", 70, neverUsed(65), "NoTraffic since 13:00", 0, ofWeb, web},
		},
		"nodes had counted before it was looked at": {
			{"what they say is not known yet", 0, fleet.Used{}, "", 0, ofWeb, web},
			{"it is, and for long enough", 300, minutesUsed(30, -60), "12:30 NoTraffic since 17:00", 0, ofWeb, web},
		},
		"what another Service did with it": {
			{"bound", 0, neverUsed(0), "TooEarly since 12:00", 60, ofWeb, web},
			{"used", 31, minutesUsed(30, 0), "12:30 Traffic since 12:00", 59, ofWeb, web},
			{"held", 50, minutesUsed(30, 0), "12:30", 0, specOf("web", heldUntil(5*time.Hour)), nil},
			{"and used all the same", 51, minutesUsed(51, 0), "12:51", 0, specOf("web", heldUntil(5*time.Hour)), nil},
			{"it passes on", 201, minutesUsed(51, 0), "TooEarly since 15:21", 60, ofAPI, api},
			{"and is used", 203, minutesUsed(202, 0), "15:22 Traffic since 15:21", 59, ofAPI, api},
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := &v1alpha1.NodePortAllocation{}
			for _, step := range steps {
				a.Spec = step.spec
				o := observed{number: 30080, allocation: a, carriers: step.carriers, now: later(step.minute), used: step.used, idleAfter: idleAfter * time.Minute}
				a.Status = statusFor(o)
				if got := saidOfUse(a.Status); got != step.want {
					t.Errorf("%s: %q, want %q", step.name, got, step.want)
				}
				if again := o.useAgain(&a.Status); again != time.Duration(step.again)*time.Minute {
					t.Errorf("%s: it is looked at again in %s, want %d minutes", step.name, again, step.again)
				}
				if diff := cmp.Diff(a.Status, statusFor(o)); diff != "" {
					t.Errorf("%s: it is not settled (-before +after)\n%s", step.name, diff)
				}
			}
		})
	}
}

func TestANumberIsIdleByTodaysIdleAfter(t *testing.T) {
	a := &v1alpha1.NodePortAllocation{Spec: specOf("web", withUID("1"))}
	o := observed{number: 30080, allocation: a, carriers: []*corev1.Service{carrier("shop/web", "1", 0)}, used: neverUsed(0)}
	for _, step := range []struct {
		name              string
		minute, idleAfter int
		want              string
	}{
		{"bound", 0, 60, "TooEarly since 12:00"},
		{"an hour later", 60, 60, "NoTraffic since 13:00"},
		{"it takes longer from now on", 70, 120, "TooEarly since 13:10"},
		{"that is over", 120, 120, "NoTraffic since 14:00"},
		{"longer, and over already", 130, 125, "NoTraffic since 14:00"},
		{"shorter", 131, 30, "NoTraffic since 14:00"},
	} {
		o.now, o.idleAfter = later(step.minute), time.Duration(step.idleAfter)*time.Minute
		a.Status = statusFor(o)
		if got := saidOfUse(a.Status); got != step.want {
			t.Errorf("%s: %q, want %q", step.name, got, step.want)
		}
	}
}

func TestAnIdleNumberSaysSinceWhenNobodyHasUsedIt(t *testing.T) {
	a := &v1alpha1.NodePortAllocation{Spec: specOf("web", withUID("1"))}
	a.Generation = 3
	o := observed{number: 30080, allocation: a, carriers: []*corev1.Service{carrier("shop/web", "1", 0)}, now: noon, used: neverUsed(0), idleAfter: time.Hour}
	a.Status = statusFor(o)
	o.now = later(60)
	want := &metav1.Condition{Type: "Idle", Status: "True", Reason: "NoTraffic", ObservedGeneration: 3,
		Message: "nobody has used the number since 2026-05-01T12:00:00Z", LastTransitionTime: metav1.NewTime(later(60)).Rfc3339Copy()}
	if diff := cmp.Diff(want, meta.FindStatusCondition(statusFor(o).Conditions, v1alpha1.AllocationIdle)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	o.idleAfter = 0
	if c := meta.FindStatusCondition(statusFor(o).Conditions, v1alpha1.AllocationIdle); c != nil {
		t.Errorf("where none is called idle it is %v", c)
	}
}

func TestTheUseOfANumberWaitsForItsTurnUnlessMoreHasChanged(t *testing.T) {
	a := &v1alpha1.NodePortAllocation{Spec: specOf("web", withUID("1"))}
	o := observed{number: 30080, allocation: a, carriers: []*corev1.Service{carrier("shop/web", "1", 0)}, now: noon}
	before := statusFor(o)
	a.Status = before
	o.used, o.idleAfter = minutesUsed(1, 0), time.Hour
	after := statusFor(o)
	if equality.Semantic.DeepEqual(before, after) || !onlyNodesDiffer(before, after) {
		t.Errorf("the use of a number counts as more than that, or as nothing:\n%s", cmp.Diff(before, after))
	}
}

func TestIdleNumbersAreCountedByPoolWhileNodesCount(t *testing.T) {
	tally := newIdleTally()
	bound := func(pool string, idle metav1.ConditionStatus) *v1alpha1.NodePortAllocation {
		a := &v1alpha1.NodePortAllocation{}
		a.Spec.PoolName = pool
		if idle != "" {
			a.Status.Conditions = []metav1.Condition{{Type: v1alpha1.AllocationIdle, Status: idle}}
		}
		return a
	}
	series := func(pool string, idle int) string {
		return fmt.Sprintf("portolan_idle_ports{pool=%q} %d\n", pool, idle)
	}
	const header = `# HELP portolan_idle_ports Numbers that a Service has and nobody has used for --idle-after, by pool (empty: no pool's). A pool is left out where no node counts.
# TYPE portolan_idle_ports gauge
`
	for _, step := range []struct {
		name       string
		number     int32
		allocation *v1alpha1.NodePortAllocation
		want       string // of the metric
	}{
		{"one that is used", 30080, bound("team-a", "False"), series("team-a", 0)},
		{"an idle one", 30081, bound("team-a", "True"), series("team-a", 1)},
		{"it is seen again", 30081, bound("team-a", "True"), series("team-a", 1)},
		{"one of no pool", 30082, bound("", "True"), series("", 1) + series("team-a", 1)},
		{"of which it is not known", 30083, bound("team-b", ""), series("", 1) + series("team-a", 1)},
		{"it is used", 30081, bound("team-a", "False"), series("", 1) + series("team-a", 0)},
		{"the one of no pool goes", 30082, nil, series("team-a", 0)},
		{"of one number it is not known any more", 30080, bound("team-a", ""), series("team-a", 0)},
		{"and of the other", 30081, bound("team-a", ""), ""},
	} {
		tally.note(observed{number: step.number, allocation: step.allocation})
		if err := testutil.CollectAndCompare(metrics.IdlePorts, strings.NewReader(header+step.want), "portolan_idle_ports"); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
	}
}
