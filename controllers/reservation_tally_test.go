package controllers

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/internal/metrics"
)

func TestReservationsAreCountedByTheirReason(t *testing.T) {
	tally := newReservationTally()
	for _, step := range []struct {
		name, reason string
		reserved     float64
		taken        float64
	}{
		{"web", "Reserved", 1, 0},
		{"api", "NumberTaken", 1, 1},
		{"api", "NumberTaken", 1, 1},
		{"api", "Reserved", 2, 0},
		{"web", "", 1, 0},
		{"web", "", 1, 0},
	} {
		tally.note(types.NamespacedName{Namespace: "shop", Name: step.name}, step.reason)
		for reason, want := range map[string]float64{"Reserved": step.reserved, "NumberTaken": step.taken, "PoolMissing": 0} {
			if got := testutil.ToFloat64(metrics.Reservations.WithLabelValues(reason)); got != want {
				t.Errorf("after %s is %q: %s are %v, want %v", step.name, step.reason, reason, got, want)
			}
		}
	}
}
