package rules_test

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
	. "github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/rules/secrecytest"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// Every text of this package that a tenant can read, of whatever pools, holders and Services. See secrecytest.
var texts = map[string]secrecytest.Told{
	"what an answer refuses": func(s secrecytest.Scene) []string {
		return wordsOf(Judge(s.Chart, s.Ledger, s.Question).Errors...)
	},
	"what an answer warns of": func(s secrecytest.Scene) []string {
		return Judge(s.Chart, s.Ledger, s.Question).Warnings
	},
	"the rules that a live Service breaks": func(s secrecytest.Scene) []string {
		var texts []string
		for _, b := range LiveBreaches(s.Chart, s.Question) {
			texts = append(texts, b.Err.Error())
		}
		return texts
	},
	"a number that is taken": func(s secrecytest.Scene) []string {
		var texts []string
		answer := Judge(s.Chart, s.Ledger, s.Question)
		for _, r := range answer.New {
			for _, h := range s.Ledger.Holders(r.NodePort) {
				texts = append(texts, wordsOf(Taken(s.Ledger, s.Question, answer.Pools, r, h))...)
			}
		}
		return texts
	},
	"what a number clashes with": func(s secrecytest.Scene) []string {
		return Judge(s.Chart, clashing(s), s.Question).Warnings
	},
	"no number is free, for what is on nodes": func(s secrecytest.Scene) []string {
		answer := Judge(s.Chart, clashing(s), s.Question)
		if len(answer.Pools) == 0 {
			return nil
		}
		return wordsOf(Exhausted(clashing(s), s.Question, answer.Pools))
	},
	"what will surprise": func(s secrecytest.Scene) []string {
		return Surprises(s.Chart, s.Question, Judge(s.Chart, s.Ledger, s.Question), surroundings(s))
	},
	"no number is free": func(s secrecytest.Scene) []string {
		answer := Judge(s.Chart, s.Ledger, s.Question)
		if len(answer.Pools) == 0 {
			return nil
		}
		return wordsOf(Exhausted(s.Ledger, s.Question, answer.Pools))
	},
	"a quota of a pool that is asked": func(s secrecytest.Scene) []string {
		var texts []string
		for _, p := range Judge(s.Chart, s.Ledger, s.Question).Pools {
			used := s.Ledger.Used(secrecytest.Namespace, p)
			texts = append(texts, wordsOf(OverQuota(p, secrecytest.Namespace, 1, used, 1), OverUnbound(p, secrecytest.Namespace, 1, used, 1))...)
		}
		return texts
	},
}

// clashing is the ledger where something else uses numbers on nodes. Of its name the rules are never told.
func clashing(s secrecytest.Scene) ClashingLedger {
	kinds := rapid.SampledFrom([]v1alpha1.ClashKind{"", v1alpha1.ClashHostListener, v1alpha1.ClashHostPort})
	clash := rapid.Custom(func(t *rapid.T) []Clash {
		return []Clash{{Kind: kinds.Draw(t, "kind"), Nodes: rapid.IntRange(1, 3).Draw(t, "nodes")}}
	})
	return ClashingLedger{s.Ledger, rapid.MapOfN(rapid.Int32Range(30000, 30030), clash, 0, 20).Draw(s.T, "clashes")}
}

// surroundings are Pods of the Service, on nodes that are not for the tenant to know, and a NodePortAccess of its own.
func surroundings(s secrecytest.Scene) Surroundings {
	pod := rapid.Custom(func(t *rapid.T) corev1.Pod {
		p := corev1.Pod{Spec: corev1.PodSpec{NodeName: rapid.SampledFrom([]string{"secret-node", "secret-node-2"}).Draw(t, "node")}}
		p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		return p
	})
	selecting := access.NewSelection(&v1alpha1.NodePortAccess{Spec: v1alpha1.NodePortAccessSpec{Ports: []string{"p0"}}})
	return Surroundings{Pods: rapid.SliceOfN(pod, 0, 2).Draw(s.T, "pods"), Accesses: []*access.Policy{selecting}}
}

func wordsOf(errs ...*field.Error) []string {
	var texts []string
	for _, err := range errs {
		texts = append(texts, err.Error())
	}
	return texts
}

func TestATenantLearnsNothingOfOtherTenants(t *testing.T) { secrecytest.Check(t, texts) }

// Whether another namespace's Service is called so or so, lives, or is only waited for, must not show.
func TestARefusalDoesNotTellWhetherAnotherNamespaceUsesOrHoldsANumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		scene := secrecytest.Draw(t)
		held, used := scene, scene
		held.Ledger, used.Ledger = FakeLedger{}, FakeLedger{}
		for n := range rapid.MapOfN(rapid.Int32Range(30000, 30030), rapid.Just(true), 0, 20).Draw(t, "foreign") {
			held.Ledger[n], used.Ledger[n] = "bank/core until 2026-05-01T12:05:00Z", "city/desk"
		}
		a, b := Judge(held.Chart, held.Ledger, held.Question), Judge(used.Chart, used.Ledger, used.Question)
		if !slices.Equal(wordsOf(a.Errors...), wordsOf(b.Errors...)) || !slices.Equal(a.Warnings, b.Warnings) {
			t.Fatalf("held: %v\nin use: %v", a, b)
		}
	})
}

func numbersOfOld(q Question) map[int32]bool {
	had := map[int32]bool{}
	if q.Old != nil {
		for _, n := range serviceports.Numbers(serviceports.Stored(q.Old)) {
			had[n] = true
		}
	}
	return had
}

func handsOutNothing(p *Pool) bool {
	return p.Spec.Allocation == v1alpha1.AllocationNone || p.Overlaps != ""
}

// The invariants of every answer.
func TestAnAnswerHoldsTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := secrecytest.Draw(t)
		answer := Judge(s.Chart, s.Ledger, s.Question)
		mine := s.Chart.PoolsFor(s.Question.NamespaceLabels)
		for _, p := range answer.Pools {
			if !slices.Contains(mine, p) {
				t.Fatalf("pool %q is asked for a number but does not select the namespace", p.Name)
			}
		}
		had := numbersOfOld(s.Question)
		toChoose := false
		for _, r := range answer.New {
			toChoose = toChoose || r.NodePort == 0
			if r.NodePort != 0 && had[r.NodePort] {
				t.Fatalf("%d is judged anew", r.NodePort)
			}
		}
		if toChoose && len(answer.Errors) == 0 && slices.ContainsFunc(answer.Pools, handsOutNothing) {
			t.Fatalf("a pool of %v is asked for a number but hands out none", answer.Pools)
		}
		// A number that it already has is refused only as one stored without being allocated, or as a duplicate.
		for _, err := range answer.Errors {
			if n, ok := err.BadValue.(int32); ok && had[n] && err.Type == field.ErrorTypeInvalid && !strings.Contains(err.Detail, "already used by") {
				t.Fatal(err)
			}
		}
	})
}
