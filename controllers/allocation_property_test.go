package controllers

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
)

// drawObserved draws what may be known of a number of three Services at most, whatever led to it.
func drawObserved(t *rapid.T) observed {
	o := observed{number: 30080, pool: "team-a", now: noon, hold: time.Duration(rapid.IntRange(0, 2).Draw(t, "hold")) * time.Minute}
	o.behind = rapid.Bool().Draw(t, "behind")
	o.fulfilled, o.poolGone = rapid.Bool().Draw(t, "fulfilled"), rapid.IntRange(0, 3).Draw(t, "pool gone") == 0
	for i, name := range []string{"a", "b", "c"} {
		if rapid.IntRange(0, 2).Draw(t, "carries it") == 0 {
			o.carriers = append(o.carriers, carrier("shop/"+name, types.UID(fmt.Sprint(i)), rapid.IntRange(0, 2).Draw(t, "age")))
		}
	}
	if rapid.IntRange(0, 4).Draw(t, "claimed") == 0 {
		return o
	}
	s := specOf(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "owner"))
	s.ServiceUID = rapid.SampledFrom([]types.UID{"", "", "0", "1", "2"}).Draw(t, "uid")
	s.ReservationName = rapid.SampledFrom([]string{"", "", "promise"}).Draw(t, "reservation")
	if rapid.Bool().Draw(t, "claimed at a time") {
		claimed(seconds(t, 0, 2*allocator.ClaimGrace))(&s)
	}
	if rapid.Bool().Draw(t, "held until a time") {
		heldUntil(seconds(t, -time.Minute, time.Minute))(&s)
	}
	o.allocation = &v1alpha1.NodePortAllocation{Spec: s}
	return o
}

func seconds(t *rapid.T, from, to time.Duration) time.Duration {
	return time.Duration(rapid.IntRange(int(from/time.Second), int(to/time.Second)).Draw(t, "seconds")) * time.Second
}

// What holds of a plan whatever is observed. planFor is a table of cases; this is what the cases are there for.
func TestWhateverIsObservedAPlanTakesNoNumberFromAnybody(t *testing.T) {
	met := map[change]int{}
	rapid.Check(t, func(t *rapid.T) {
		for range 20 {
			o := drawObserved(t)
			p := planFor(o)
			met[p.change]++
			if wrong := p.wrongs(o); wrong != "" {
				t.Fatalf("%q: %s", p.change, wrong)
			}
		}
	})
	for _, c := range []change{keep, adopt, bind, succeed, release, drop, lapse} {
		if met[c] == 0 {
			t.Errorf("no plan was %q", c)
		}
	}
}

// wrongs says who is wronged by a plan; "": nobody is.
func (p plan) wrongs(o observed) string {
	if text := p.wrongsCarriers(o); text != "" || o.allocation == nil {
		return text
	}
	if owner := o.owner(); owner != nil {
		return p.wrongsOwner(o, owner)
	}
	return p.wrongsClaimant(o)
}

// frees says whether nobody has the number after the plan, but for who had it last.
func (p plan) frees() bool { return p.change == release || p.change == drop || p.change == lapse }

// gives says whether the number goes to a Service that had no claim to it.
func (p plan) gives() bool { return p.change == adopt || p.change == succeed }

func (p plan) wrongsCarriers(o observed) string {
	switch {
	case p.frees() && len(o.carriers) > 0:
		return "a Service carries it"
	case p.gives() && p.spec.ServiceRef.Name != oldest(o.carriers).Name:
		return "another Service came before " + p.spec.ServiceRef.Name
	case p.change != adopt && (p.frees() || p.gives()) && !p.confirm:
		return "the API server is not asked"
	}
	return ""
}

func (p plan) wrongsOwner(o observed, owner *corev1.Service) string {
	if o.behind && owner.UID != o.allocation.Spec.ServiceUID && !p.confirm {
		return "it goes to who may be gone"
	}
	if p.spec.ServiceRef.Name != owner.Name || p.spec.ServiceUID != owner.UID {
		return "it goes from its owner to " + p.spec.ServiceRef.Name
	}
	return ""
}

// wrongsClaimant speaks for the Service that has a claim and does not carry the number.
func (p plan) wrongsClaimant(o observed) string {
	claim := &o.allocation.Spec
	ends := p.change == drop || p.change == lapse
	switch {
	case p.change == drop && !o.poolGone && claim.HoldUntil != nil && o.now.Before(claim.HoldUntil.Time):
		return "its hold has not ended"
	case ends && claim.ReservationName != "":
		return "it is reserved"
	case p.frees() && !o.fulfilled && allocator.StateOf(o.allocation, o.now) == allocator.Pending:
		return "its Service is being created"
	}
	return ""
}

// oldest is the Service that came first, of several the one whose name is first.
func oldest(services []*corev1.Service) *corev1.Service {
	first := services[0]
	for _, svc := range services {
		if svc.CreationTimestamp.Before(&first.CreationTimestamp) || svc.CreationTimestamp.Equal(&first.CreationTimestamp) && svc.Name < first.Name {
			first = svc
		}
	}
	return first
}

// A number on which nothing happens any more comes to rest: after one change, and when its hold has ended after one more.
func TestAPlanThatWasCarriedOutIsNotMadeAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := drawObserved(t)
		p := planFor(o)
		switch p.change {
		case keep:
			return
		case drop, lapse:
			o.allocation = nil
		default:
			o.allocation = &v1alpha1.NodePortAllocation{Spec: p.spec}
		}
		o.poolGone = false
		after := planFor(o)
		if p.change == release && o.hold == 0 && p.spec.ReservationName == "" {
			if after.change != drop {
				t.Fatalf("released for no time at all, and then %q", after.change)
			}
			return
		}
		if after.change != keep {
			t.Fatalf("%s, and then %s:\n%s", p.change, after.change, cmp.Diff(p.spec, after.spec))
		}
	})
}
