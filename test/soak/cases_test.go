package soak

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
)

// story tells a history: each line is a revision, and a second, later than the one before.
type story struct {
	history
	revision int64
}

func (s *story) now() time.Duration { return time.Duration(s.revision) * time.Second }

func (s *story) adds(c change) *story {
	s.revision++
	c.revision, c.at = s.revision, s.now()
	s.changes = append(s.changes, c)
	return s
}

func named(name string) types.NamespacedName {
	namespace, name, _ := strings.Cut(name, "/")
	return types.NamespacedName{Namespace: namespace, Name: name}
}

// claims has the ledger say that a number is a Service's.
func (s *story) claims(number int32, name string, more ...func(*v1alpha1.NodePortAllocationSpec)) *story {
	c := &claim{number: number}
	c.spec.ServiceRef = v1alpha1.ServiceReference{Namespace: named(name).Namespace, Name: named(name).Name}
	for _, change := range more {
		change(&c.spec)
	}
	return s.adds(change{claim: c})
}

func (s *story) unclaims(number int32) *story {
	return s.adds(change{gone: true, claim: &claim{number: number}})
}

func bound(uid types.UID) func(*v1alpha1.NodePortAllocationSpec) {
	return func(spec *v1alpha1.NodePortAllocationSpec) { spec.ServiceUID = uid }
}

func reserved(spec *v1alpha1.NodePortAllocationSpec) { spec.ReservationName = "keep" }

// until has a claim be pending, or held, until so long before or after now.
func until(what **metav1.MicroTime, hold **metav1.Time, left time.Duration) {
	now := time.Now()
	if what != nil {
		*what = &metav1.MicroTime{Time: now.Add(left - allocator.ClaimGrace)}
	} else {
		*hold = &metav1.Time{Time: now.Add(left)}
	}
}

// operates adds an operation that was answered. It began a second before the last line, and ends with the next.
func (s *story) operates(kind, name string, uid types.UID, asked, got []int32) *operation {
	s.operations = append(s.operations, operation{
		id: fmt.Sprintf("1-%d", len(s.operations)+1), kind: kind, service: named(name), asked: asked, uid: uid, numbers: got,
		call: s.now(), back: s.now() + time.Second, outcome: done,
	})
	return &s.operations[len(s.operations)-1]
}

// natively has Kubernetes write a Service that no webhook has seen.
func (s *story) natively(name string, uid types.UID, numbers ...int32) *story {
	o := s.operates("create", name, uid, numbers, numbers)
	return s.adds(change{service: &service{name: named(name), uid: uid, numbers: numbers, by: o.id}})
}

// gives has a Service written that both webhooks have let through.
func (s *story) gives(name string, uid types.UID, numbers ...int32) *story {
	s.natively(name, uid, numbers...)
	by := s.changes[len(s.changes)-1].service.by
	for _, validates := range []bool{false, true} {
		s.admissions = append(s.admissions, admission{operation: by, service: named(name), validates: validates, call: s.now(), back: s.now(),
			answered: true, allowed: true, numbers: numbers})
	}
	return s
}

// ends has a Service deleted by a client.
func (s *story) ends(name string, uid types.UID) *story {
	s.operates("delete", name, uid, nil, nil)
	return s.vanishes(name)
}

func (s *story) vanishes(name string) *story {
	return s.adds(change{gone: true, service: &service{name: named(name)}})
}

// reads has a client see a Service.
func (s *story) reads(name string, uid types.UID, numbers ...int32) *story {
	s.operates("read", name, uid, nil, numbers)
	s.revision++
	return s
}

// hands has the last line's claim made by a manager that was started when a revision was known.
func (s *story) hands(baseline int64) *story {
	c := s.changes[len(s.changes)-1]
	s.handouts = append(s.handouts, handout{c.revision, c.claim.number, c.claim.owner(), baseline})
	return s
}

func TestTheJudgeFindsWhatIsWrongAndNothingElse(t *testing.T) {
	const a, b = "shared-a/a", "shared-b/b"
	for _, tc := range []struct {
		name string
		tell func(s *story)
		want []string
	}{
		{"a Service comes, is bound, goes, and another comes", func(s *story) {
			s.claims(30100, a).gives(a, "1", 30100).claims(30100, a, bound("1")).reads(a, "1", 30100).ends(a, "1").unclaims(30100)
			s.claims(30100, b).gives(b, "2", 30100).claims(30100, b, bound("2"))
		}, nil},
		{"two on one number", func(s *story) {
			s.claims(30100, a).gives(a, "1", 30100).claims(30100, a, bound("1")).gives(b, "2", 30100)
		}, []string{twice, unclaimed, disordered, unbound}},
		{"two on one number, of Kubernetes' own choice", func(s *story) {
			s.claims(30100, a).gives(a, "1", 30100).claims(30100, a, bound("1")).natively(b, "2", 30100)
		}, nil},
		{"two on one number, of Kubernetes' own choice, and the ledger has it for neither", func(s *story) {
			s.claims(30100, a).gives(a, "1", 30100).claims(30100, a, bound("1")).natively(b, "2", 30100).ends(a, "1")
		}, []string{unbound, leaked}},
		{"no claim", func(s *story) { s.gives(a, "1", 30100).claims(30100, a, bound("1")) }, []string{unclaimed}},
		{"another's claim", func(s *story) { s.claims(30100, b).gives(a, "1", 30100).claims(30100, a, bound("1")) }, []string{unclaimed}},
		{"no claim, and no webhook", func(s *story) { s.natively(a, "1", 30100).claims(30100, a, bound("1")) }, nil},
		{"the claim of a live Service becomes another's", func(s *story) {
			s.claims(30100, a).gives(a, "1", 30100).claims(30100, b).claims(30100, a, bound("1"))
		}, []string{misled}},
		{"the claim of a live Service goes", func(s *story) {
			s.claims(30100, a).gives(a, "1", 30100).unclaims(30100).claims(30100, a, bound("1"))
		}, []string{misled}},
		{"the claim of a live Service is withdrawn by another request for it", func(s *story) {
			s.claims(30100, a).gives(a, "1", 30100)
			s.admissions = append(s.admissions, admission{operation: "other", service: named(a), validates: true, call: s.now(), back: s.now() + time.Second})
			s.unclaims(30100).claims(30100, a, bound("1"))
		}, nil},
		{"so it is before the Service is written", func(s *story) {
			s.claims(30100, a)
			s.admissions = append(s.admissions, admission{operation: "other", service: named(a), validates: true, call: s.now(), back: s.now() + time.Minute})
			s.unclaims(30100).gives(a, "1", 30100)
			s.operations[0].call = 0
			s.claims(30100, a, bound("1"))
		}, nil},
		{"the claim has gone before the request", func(s *story) {
			s.claims(30100, a)
			s.admissions = append(s.admissions, admission{operation: "other", service: named(a), validates: true, call: s.now(), back: s.now() + time.Minute})
			s.unclaims(30100)
			s.revision++
			s.gives(a, "1", 30100).claims(30100, a, bound("1"))
		}, []string{unclaimed}},
		{"a bound claim goes while another request is there", func(s *story) {
			s.claims(30100, a).gives(a, "1", 30100).claims(30100, a, bound("1"))
			s.admissions = append(s.admissions, admission{operation: "other", service: named(a), validates: true, call: s.now(), back: s.now() + time.Second})
			s.unclaims(30100).claims(30100, a, bound("1"))
		}, []string{misled}},
		{"a number that a Service was given is claimed for another", func(s *story) {
			s.claims(30100, a).gives(a, "1", 30100).unclaims(30100).claims(30100, b).claims(30100, a, bound("1"))
		}, []string{misled, misled}},
		{"a number is kept for another", func(s *story) {
			s.claims(30103, "shared-a/promised", reserved).claims(30103, a).gives(a, "1", 30103).claims(30103, a, bound("1"))
		}, []string{broken, broken}},
		{"a number that is kept is given up", func(s *story) {
			s.claims(30103, "shared-a/promised", reserved).unclaims(30103)
		}, []string{broken}},
		{"a hold is given up", func(s *story) {
			s.claims(30100, a, func(spec *v1alpha1.NodePortAllocationSpec) { until(nil, &spec.HoldUntil, time.Minute) }).unclaims(30100)
			s.claims(30100, b).gives(b, "2", 30100).claims(30100, b, bound("2"))
		}, nil},
		{"a hold becomes another namespace's", func(s *story) {
			s.claims(30100, a, func(spec *v1alpha1.NodePortAllocationSpec) { until(nil, &spec.HoldUntil, time.Minute) })
			s.claims(30100, b).gives(b, "2", 30100).claims(30100, b, bound("2"))
		}, []string{broken}},
		{"a number that is kept was taken while nobody looked", func(s *story) {
			s.claims(30103, "shared-a/promised", reserved).natively(a, "1", 30103).claims(30103, a, bound("1"))
		}, nil},
		{"a manager does not know of a Service that was there before", func(s *story) {
			s.natively(a, "1", 30100).claims(30100, b).hands(1).unclaims(30100).claims(30100, a, bound("1"))
		}, []string{early}},
		{"a manager does not know of a Service that has just come", func(s *story) {
			s.natively(a, "1", 30100).claims(30100, b).hands(0).unclaims(30100).claims(30100, a, bound("1"))
		}, nil},
		{"more than the quota", func(s *story) {
			for n := int32(30104); n < 30111; n++ {
				name, uid := fmt.Sprint("shared-a/", n), types.UID(fmt.Sprint(n))
				s.claims(n, name).gives(name, uid, n).claims(n, name, bound(uid))
			}
		}, []string{exceeded}},
		{"a Service that nobody deleted", func(s *story) {
			s.claims(30100, a).gives(a, "1", 30100).vanishes(a).unclaims(30100)
		}, []string{moved}},
		{"a Service that somebody changed", func(s *story) {
			s.claims(30100, a).gives(a, "1", 30100).claims(30100, a, bound("1"))
			s.adds(change{service: &service{name: named(a), uid: "1", by: "1-1"}}).unclaims(30100)
		}, []string{moved}},
		{"a number that a client named, and another is written", func(s *story) {
			s.claims(30100, a).gives(a, "1", 30100).claims(30100, a, bound("1"))
			s.operations[0].asked = []int32{30101}
		}, []string{rewritten}},
		{"a Service that is read when it has gone", func(s *story) {
			s.claims(30100, a).gives(a, "1", 30100).ends(a, "1").unclaims(30100)
			s.revision++
			s.reads(a, "1", 30100)
		}, []string{disordered}},
		{"a Service that is never adopted", func(s *story) { s.natively(a, "1", 30100) }, []string{unbound}},
		{"a Service that is adopted once nobody comes for the number any more", func(s *story) {
			s.claims(30100, b, func(spec *v1alpha1.NodePortAllocationSpec) { until(&spec.ClaimTime, nil, time.Minute) })
			s.natively(a, "1", 30100)
		}, nil},
		{"a Service that should have been adopted", func(s *story) {
			s.claims(30100, b, func(spec *v1alpha1.NodePortAllocationSpec) { until(&spec.ClaimTime, nil, -time.Minute) })
			s.natively(a, "1", 30100)
		}, []string{unbound, leaked}},
		{"a claim of a Service that has gone", func(s *story) {
			s.claims(30100, a).gives(a, "1", 30100).claims(30100, a, bound("1")).ends(a, "1")
		}, []string{leaked}},
		{"claims that may be there yet", func(s *story) {
			s.claims(30100, a, func(spec *v1alpha1.NodePortAllocationSpec) { until(&spec.ClaimTime, nil, time.Minute) })
			s.claims(30101, a, func(spec *v1alpha1.NodePortAllocationSpec) { until(nil, &spec.HoldUntil, time.Minute) })
		}, nil},
		{"claims that should have gone", func(s *story) {
			s.claims(30100, a, func(spec *v1alpha1.NodePortAllocationSpec) { until(&spec.ClaimTime, nil, -time.Minute) })
			s.claims(30101, a, func(spec *v1alpha1.NodePortAllocationSpec) { until(nil, &spec.HoldUntil, -time.Minute) })
		}, []string{leaked, leaked}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &story{}
			tc.tell(s)
			j := newJudge(newGround(), s.history)
			found := j.replay()
			disorders, err := j.disorders()
			if err != nil {
				t.Fatal(err)
			}
			var kinds []string
			for _, v := range slices.Concat(found, disorders, j.conclude(time.Now())) {
				kinds = append(kinds, v.kind)
			}
			if diff := cmp.Diff(tc.want, kinds); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
		})
	}
}
