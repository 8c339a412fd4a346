package admissionpolicy

import (
	"maps"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// tally counts what a run has met, so that a generator that no longer draws it is seen.
type tally map[string]int

// everything is what there was to be met in, counted with it.
const everything = ""

func (c tally) count(what string) { c[what]++ }

func (c tally) countIf(what string, met bool) {
	if met {
		c[what]++
	}
}

// atLeast fails a run that has met something less often than so many times in a thousand, or never. Floors are far below
// what is usual: much of it comes in clusters, with the pools that are drawn.
func (c tally) atLeast(t *testing.T, floors map[string]int) {
	for _, what := range slices.Sorted(maps.Keys(floors)) {
		share := c[what] * 1000 / max(1, c[everything])
		if t.Logf("%4d of 1000: %s", share, what); (c[what] == 0 || share < floors[what]) && !t.Failed() {
			t.Errorf("%s: only %d of %d, want %d of 1000 at least", what, c[what], c[everything], floors[what])
		}
	}
}

// note counts what a request and its answer are an example of.
func (c tally) note(chart *rules.Chart, r request, strict bool, answer rules.Answer) {
	c.count(everything)
	c.countIf("strict", strict)
	c.countIf("dry-run", r.dryRun)
	c.countIf("create", r.old == nil)
	c.countIf("update", r.old != nil)
	c.countIf("update that leaves spec alone", r.old != nil && r.old.Labels["tier"] != r.svc.Labels["tier"])
	c.countIf("admitted", len(answer.Errors) == 0)
	c.breaches(r, answer)
	c.namespace(chart, r)
	c.managers(chart, r, strict, answer)
}

func (c tally) breaches(r request, answer rules.Answer) {
	said := map[string]bool{}
	for _, b := range answer.Breaches {
		if b.Enforced {
			said["refused: "+string(b.Reason)] = true
		} else {
			said["warned: "+string(b.Reason)] = true
		}
		said["health check out of place"] = said["health check out of place"] || b.Enforced && b.Err.Field == "spec.healthCheckNodePort"
		said["too many for a namespace of no pool"] = said["too many for a namespace of no pool"] ||
			b.Reason == rules.ReasonTooManyPorts && len(b.Pools) == 0
	}
	said["ExternalName kept on leaving"] = said["refused: ExternalName"] && r.svc.Spec.Type != corev1.ServiceTypeExternalName
	for what := range said {
		c.countIf(what, said[what])
	}
}

func (c tally) namespace(chart *rules.Chart, r request) {
	mine := chart.PoolsFor(r.namespace.Labels)
	c.countIf("namespace without labels", r.namespace.Labels == nil)
	c.countIf("namespace of several pools", len(mine) > 1)
	c.countIf("namespace of no pool", mine[0].Commons())
	c.countIf("namespace whose pools only warn", !mine[0].Commons() && !slices.ContainsFunc(mine, (*rules.Pool).Enforces))
	for _, p := range chart.Pools() {
		c.countIf("a selector that cannot be read", p.SelectorError != nil)
	}
	for _, p := range mine {
		c.countIf("a selector of labels", len(p.Spec.NamespaceSelector.MatchLabels) > 0)
		for _, e := range p.Spec.NamespaceSelector.MatchExpressions {
			c.count("a selector of " + string(e.Operator))
		}
	}
}

// managers counts who set numbers, and what becomes of those that a namespace would not be given today.
func (c tally) managers(chart *rules.Chart, r request, strict bool, answer rules.Answer) {
	c.countIf("no managed fields", len(r.svc.ManagedFields) == 0)
	c.countIf("two managers", len(r.svc.ManagedFields) > 1)
	c.countIf("a manager of status", slices.ContainsFunc(r.svc.ManagedFields, isOfStatus))
	if len(answer.Errors) > 0 {
		return
	}
	set := serviceports.UserSet(r.svc)
	for _, b := range rules.LiveBreaches(chart, r.question()) {
		for _, number := range answer.New {
			nobody := b.Enforced && b.Err.Field == number.Path().String() && !set(number)
			c.countIf("out of place, and set by nobody", nobody && !strict)
			c.countIf("out of place, set by nobody in a dry-run", nobody && !strict && r.dryRun)
		}
		c.countIf("out of place, and had before", b.Enforced && r.old != nil && len(answer.New) == 0)
	}
}

func isOfStatus(e metav1.ManagedFieldsEntry) bool { return e.Subresource == "status" }
