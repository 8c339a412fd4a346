package soak

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// Where nothing happens nothing is found, and where no webhook answers all is Kubernetes' own: a run has to have seen enough to
// prove something. In make test it sees twice as much as that, on a busy machine, too, and goes on for longer until it has.

const (
	// leastOperations is how many operations clients do at least for each time that a short run takes: where they stop early
	// there is no proof for the rest.
	leastOperations = 200
	// leastGiven is how many numbers the webhooks confirm at least.
	leastGiven = 50
	// leastShare is the least part of all numbers that those are: one of so many.
	leastShare = 5
)

// kindsOfFaults are all of them: each happens at least once.
var kindsOfFaults = []string{
	killOne, pauseOne, killAll, keepBack, killAPIServer, killEtcd, cut, stall, delay,
	wrong + "409", wrong + "429", wrong + "500", wrong + "lost",
}

// lacking says what has not happened yet, of what there has to be in a run that lasts so long. The judge has replayed the
// history.
func (j *judge) lacking(lasts time.Duration) error {
	var lacking []error
	lacks := func(what string, args ...any) { lacking = append(lacking, fmt.Errorf(what, args...)) }
	if n, want := len(j.history.operations), leastOperations*max(1, int(lasts/short)); n < want {
		lacks("only %d operations, want %d", n, want)
	}
	given, all := j.counts[givenByUs], j.counts[givenByUs]+j.counts[givenNatively]
	if given < leastGiven || given*leastShare < all {
		lacks("the webhooks confirmed %d numbers of %d, want %d and one of %d", given, all, leastGiven, leastShare)
	}
	for _, kind := range kindsOfFaults {
		if j.faults[kind] == 0 {
			lacks("no fault of this kind: %s", kind)
		}
	}
	return errors.Join(lacking...)
}

func TestARunThatHasSeenTooLittleIsNotTakenForAProof(t *testing.T) {
	const name = "unlimited/a"
	for _, tc := range []struct {
		name  string
		lasts time.Duration
		tell  func(s *story)
		want  string
	}{
		{"enough of all", short, func(*story) {}, ""},
		{"clients stop early", 2 * short, func(*story) {}, "only 240 operations, want 400"},
		{"no webhook answers", short, func(s *story) { s.admissions = nil },
			"the webhooks confirmed 0 numbers of 60, want 50 and one of 5"},
		{"few answer", short, func(s *story) {
			for range 241 {
				s.natively(name, "1", 30300).ends(name, "1")
			}
		}, "the webhooks confirmed 60 numbers of 301, want 50 and one of 5"},
		{"few operations", short, func(s *story) {
			s.operations = slices.DeleteFunc(s.operations, func(o operation) bool { return o.kind == "read" })
		}, "only 120 operations, want 200"},
		{"nothing is stalled", short, func(s *story) { delete(s.faults, stall) }, "no fault of this kind: stall connections"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &story{history: history{faults: map[string]int{}}}
			for range 60 {
				s.claims(30300, name).gives(name, "1", 30300).reads(name, "1", 30300).reads(name, "1", 30300).ends(name, "1").unclaims(30300)
			}
			for _, kind := range kindsOfFaults {
				s.faults[kind] = 1
			}
			tc.tell(s)
			j := newJudge(newGround(), s.history)
			j.replay()
			got := ""
			if err := j.lacking(tc.lasts); err != nil {
				got = err.Error()
			}
			if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
