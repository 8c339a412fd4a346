package integration

import (
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// squatter is a namespace that wants as many numbers as it can get without using them, in a pool without a quota.
type squatter struct {
	*world
	namespace string
	atMost    int // of its numbers may have no Service
}

func TestSquattingStaysWithinTheCap(t *testing.T) {
	for _, c := range []struct {
		name  string
		size  int32
		tries func(squatter)
		cap   int
		left  int // numbers that the namespace has at the end
	}{
		{"by dry-runs", 20, squatter.dryRuns, 8, 0},
		{"by Services that come and go", 20, squatter.cycles, 8, 8},
		{"by Services that come and go, in a large pool", 100, squatter.cycles, 10, 10},
		{"by Services that are refused after us", 20, squatter.refusedServices, 8, 8},
		{"by reservations", 20, squatter.reservations, 8, 8},
		{"by reservations, in a large pool", 100, squatter.reservations, 10, 10},
		{"by all of it", 20, func(s squatter) {
			s.dryRuns()
			s.cycles()
			s.reservations()
			s.refusedServices()
		}, 8, 8},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := share(t)
			s := squatter{w, w.namespace("shop"), c.cap}
			other := w.namespace("other")
			pool := w.pool("team-a", w.allot(c.size), serving(s.namespace, other))
			c.tries(s)
			if got := len(w.ledgerOf(s.namespace)); got != c.left {
				t.Errorf("the namespace has %d numbers, want %d", got, c.left)
			}
			// All others are there for others.
			for i := range int(c.size) - c.left {
				w.create(makeService(fmt.Sprintf("%s/web-%d", other, i)).NodePort(80, 0))
			}
			w.eventually("the pool is full", func() error {
				if got := w.replicas[0].Ledger.Usage(w.replicas[0].Ledger.Chart().Pool(pool.Name)); got.Free > 0 {
					return fmt.Errorf("it has %d free", got.Free)
				}
				return nil
			})
		})
	}
}

// wantWithinCap fails the test where more numbers than may be are claimed for no Service.
func (s squatter) wantWithinCap(after string) {
	s.Helper()
	idle := 0
	for _, entry := range s.ledgerOf(s.namespace) {
		if !strings.Contains(entry, " Bound ") {
			idle++
		}
	}
	if idle > s.atMost {
		s.Errorf("after %s the namespace has %d numbers that no Service carries, may have %d: %v", after, idle, s.atMost, s.ledgerOf(s.namespace))
	}
}

func (s squatter) dryRuns() {
	s.Helper()
	for i := range 3 * s.atMost {
		s.create(makeService(fmt.Sprintf("%s/dry-%d", s.namespace, i)).NodePort(80, 0), client.DryRunAll)
	}
	s.wantLedger(s.namespace, ledger{})
}

// cycles makes and deletes Services of different names, so that each leaves a hold.
func (s squatter) cycles() {
	s.Helper()
	for i := range 2 * s.atMost {
		svc := s.create(makeService(fmt.Sprintf("%s/cycle-%d", s.namespace, i)).NodePort(80, 0))
		s.wantAllBound(svc)
		s.remove(svc)
		s.wantReason(number(svc), v1alpha1.AllocationReasonHeld)
		s.wantWithinCap(fmt.Sprintf("%d Services that came and went", i+1))
	}
}

// reservations want more than there may be; the namespace's holds make room for them.
func (s squatter) reservations() {
	s.Helper()
	var five []reservationOption
	for i := range 5 {
		five = append(five, entry(fmt.Sprintf("p%d", i), 0))
	}
	var last *v1alpha1.NodePortReservation
	for i := range 3 {
		last = s.promise(fmt.Sprintf("%s/promise-%d", s.namespace, i), fmt.Sprintf("promised-%d", i), five...)
	}
	message := s.wantReservation(last, v1alpha1.ReservationReasonQuotaExceeded)
	if !strings.Contains(message, fmt.Sprintf(`may have %d node ports of pool "team-a" that no Service carries`, s.atMost)) {
		s.Errorf("the condition says %q", message)
	}
	s.wantWithinCap("15 reservations")
	s.eventually("as many as may be are reserved", func() error {
		reserved := 0
		for _, entry := range s.ledgerOf(s.namespace) {
			if strings.Contains(entry, " Reserved ") {
				reserved++
			}
		}
		if reserved != s.atMost {
			return fmt.Errorf("reserved are %d", reserved)
		}
		return nil
	})
}

// refusedServices are claimed for, and never appear.
func (s squatter) refusedServices() {
	s.Helper()
	s.refuseAfterUs(s.namespace)
	byUs := 0
	for i := range 2 * s.atMost {
		_, err := s.tryCreate(makeService(fmt.Sprintf("%s/refused-%d", s.namespace, i)).NodePort(80, 0))
		switch {
		case apierrors.IsInvalid(err):
			s.wantRefusal(err, "that no Service carries")
			byUs++
		case !apierrors.IsForbidden(err):
			s.Fatalf("got %v, want the quota's refusal, or ours", err)
		}
		s.wantWithinCap(fmt.Sprintf("%d Services that were refused", i+1))
	}
	if byUs < s.atMost {
		s.Errorf("%d were refused by us, want %d", byUs, s.atMost)
	}
}
