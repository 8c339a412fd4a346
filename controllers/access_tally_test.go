package controllers

import (
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/internal/metrics"
)

func TestAccessObjectsAreCountedByTheReasonsOfTheirConditions(t *testing.T) {
	tally := newAccessTally()
	for _, step := range []struct {
		name, ready, programmed string
		want                    map[string]float64
	}{
		{"web", "Selects", "NoGuard", map[string]float64{"Ready/Selects": 1, "Programmed/NoGuard": 1}},
		{"web", "Selects", "Programming", map[string]float64{"Ready/Selects": 1, "Programmed/Programming": 1}},
		{"api", "Invalid", "AllNodes", map[string]float64{"Ready/Selects": 1, "Ready/Invalid": 1, "Programmed/Programming": 1, "Programmed/AllNodes": 1}},
		{"web", "", "", map[string]float64{"Ready/Invalid": 1, "Programmed/AllNodes": 1}},
		{"api", "", "", map[string]float64{}},
	} {
		var conditions []metav1.Condition
		if step.ready != "" {
			conditions = []metav1.Condition{{Type: "Ready", Reason: step.ready}, {Type: "Programmed", Reason: step.programmed}}
		}
		tally.note(types.NamespacedName{Namespace: "shop", Name: step.name}, conditions)
		got := map[string]float64{}
		for condition, reasons := range accessReasons {
			for _, reason := range reasons {
				if n := testutil.ToFloat64(metrics.Accesses.WithLabelValues(condition, reason)); n != 0 {
					got[condition+"/"+reason] = n
				}
			}
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("after %s is %q, %q (-want +got):\n%s", step.name, step.ready, step.programmed, diff)
		}
	}
}

// At the start every object is noted once.
func TestToNoteAnObjectTakesNoLongerWhereThereAreMany(t *testing.T) {
	conditions := []metav1.Condition{{Type: "Ready", Reason: "Selects"}, {Type: "Programmed", Reason: "AllNodes"}}
	name := func(n int) types.NamespacedName {
		return types.NamespacedName{Namespace: "shop", Name: strconv.Itoa(n)}
	}
	// took is the least time that some notes take where there are so many objects.
	took := func(objects int) time.Duration {
		tally := newAccessTally()
		for n := range objects {
			tally.reasons[name(n)] = accessReasonsOf{"Selects", "AllNodes"}
		}
		least := time.Hour
		for range 10 {
			began := time.Now()
			for n := range 10 {
				tally.note(name(n), conditions)
			}
			least = min(least, time.Since(began))
		}
		return least
	}
	if few, many := took(100), took(100_000); many > 20*few {
		t.Errorf("with 1000 times as many objects it takes %s in the place of %s", many, few)
	}
}
