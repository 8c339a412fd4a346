package controllers

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/metrics"
)

// reservationTally counts reservations by the reason of their condition, for the metric.
type reservationTally struct {
	mu     sync.Mutex // guards reason
	reason map[types.NamespacedName]string
}

func newReservationTally() *reservationTally {
	return &reservationTally{reason: map[types.NamespacedName]string{}}
}

// note takes in the reason of a reservation; empty: it has gone.
func (t *reservationTally) note(name types.NamespacedName, reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.reason[name] = reason; reason == "" {
		delete(t.reason, name)
	}
	counts := map[string]int{}
	for _, reason := range t.reason {
		counts[reason]++
	}
	for _, reason := range append([]string{v1alpha1.ReservationReasonReserved}, worstFirst...) {
		metrics.Reservations.WithLabelValues(reason).Set(float64(counts[reason]))
	}
}
