package rules

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/serviceports"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// drawQuestion draws a Service of namespace "shop" on few numbers. It may name a pool that selects its namespace or
// one that nobody has.
func drawQuestion(t *rapid.T) Question {
	draw := func(label string) *corev1.Service {
		s := MakeService("shop/web")
		for i := range rapid.IntRange(1, 3).Draw(t, label) {
			number := rapid.OneOf(rapid.Just[int32](0), rapid.Int32Range(29999, 30030)).Draw(t, "number")
			s.NodePort(int32(80+i), number, Named(fmt.Sprint("p", i)))
		}
		s.Type(rapid.SampledFrom([]corev1.ServiceType{"NodePort", "NodePort", "LoadBalancer", "ExternalName"}).Draw(t, "type"))
		if rapid.Bool().Draw(t, "local") {
			s.LocalTraffic().HealthCheck(rapid.Int32Range(30000, 30030).Draw(t, "health"))
		}
		if rapid.Bool().Draw(t, "annotated") {
			s.Annotation(v1alpha1.PoolAnnotation, rapid.SampledFrom([]string{"mine0", "mine1", "unheard-of"}).Draw(t, "pool"))
		}
		if rapid.Bool().Draw(t, "picked") {
			s.ManagedFields("kubectl", "", picked)
		}
		return s.Obj()
	}
	q := ask(draw("ports"), nil)
	if rapid.Bool().Draw(t, "update") {
		q.Old = draw("old ports")
	}
	return q
}

// drawPools draws pools of team a, called "mine...", and of others, called "secret-pool...".
func drawPools(t *rapid.T) []*testPool {
	var all []*testPool
	for i := range rapid.IntRange(0, 4).Draw(t, "pools") {
		from := rapid.Int32Range(29995, 30025).Draw(t, "from")
		ranges := fmt.Sprintf("%d-%d", from, from+rapid.Int32Range(0, 10).Draw(t, "more"))
		p := makePool(fmt.Sprint("secret-pool", i), ranges).For("b")
		if rapid.Bool().Draw(t, "mine") {
			p = makePool(fmt.Sprint("mine", i), ranges).For("a")
		}
		p.Age(rapid.IntRange(0, 3).Draw(t, "age")).MaxPortsPerService(rapid.Int32Range(1, 3).Draw(t, "max"))
		p.Allocation(rapid.SampledFrom([]v1alpha1.AllocationMode{"Automatic", "Explicit", "None"}).Draw(t, "allocation"))
		if rapid.Bool().Draw(t, "warn") {
			p.Warn()
		}
		all = append(all, p)
	}
	return all
}

func drawLedger(t *rapid.T) FakeLedger {
	return rapid.MapOfN(rapid.Int32Range(30000, 30030), rapid.SampledFrom([]string{
		"shop/api", "shop/web", "shop/api until 2026-05-01T12:05:00Z", "shop/web until 2026-05-01T12:05:00Z",
		"secret-space/secret-service", "secret-space/secret-service until 2026-05-01T12:05:00Z",
	}), 0, 20).Draw(t, "ledger")
}

// Everything that a user can be told, of whatever pools, holders and Services.
func textsFor(chart *Chart, l Ledger, q Question) []string {
	answer := Judge(chart, l, q)
	errs := slices.Concat(answer.Errors, Misplaced(chart, q))
	if len(answer.Pools) > 0 {
		errs = append(errs, Exhausted(l, q, answer.Pools))
	}
	for _, r := range answer.New {
		for _, h := range l.Holders(r.NodePort) {
			errs = append(errs, Taken(l, q, answer.Pools, r, h))
		}
	}
	texts := slices.Clone(answer.Warnings)
	for _, err := range errs {
		texts = append(texts, err.Error())
	}
	return texts
}

func TestATenantLearnsNothingOfOtherTenants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, text := range textsFor(chartOf(drawPools(t)...), drawLedger(t), drawQuestion(t)) {
			if strings.Contains(text, "secret") {
				t.Fatal(text)
			}
		}
	})
}

// Whether another namespace's Service is called so or so, lives, or is only waited for, must not show.
func TestARefusalDoesNotTellWhetherAnotherNamespaceUsesOrHoldsANumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		chart, q := chartOf(drawPools(t)...), drawQuestion(t)
		held, used := FakeLedger{}, FakeLedger{}
		for n := range rapid.MapOfN(rapid.Int32Range(30000, 30030), rapid.Just(true), 0, 20).Draw(t, "foreign") {
			held[n], used[n] = "bank/core until 2026-05-01T12:05:00Z", "city/desk"
		}
		a, b := shown(Judge(chart, held, q)), shown(Judge(chart, used, q))
		if !slices.Equal(a.Errors, b.Errors) || !slices.Equal(a.Warnings, b.Warnings) {
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

// The invariants of every answer.
func TestAnAnswerHoldsTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		chart, q := chartOf(drawPools(t)...), drawQuestion(t)
		answer := Judge(chart, drawLedger(t), q)
		mine := chart.PoolsFor(q.NamespaceLabels)
		for _, p := range answer.Pools {
			if !slices.Contains(mine, p) {
				t.Fatalf("pool %q is asked for a number but does not select the namespace", p.Name)
			}
		}
		had := numbersOfOld(q)
		toChoose := false
		for _, r := range answer.New {
			toChoose = toChoose || r.NodePort == 0
			if r.NodePort != 0 && had[r.NodePort] {
				t.Fatalf("%d is judged anew", r.NodePort)
			}
		}
		if toChoose && len(answer.Errors) == 0 && slices.ContainsFunc(answer.Pools, (*Pool).drained) {
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
