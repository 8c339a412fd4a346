package explain

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
)

// pools tells which pools the namespace has and why, and which of them are asked for this Service.
func (t *teller) pools(q rules.Question) {
	mine := t.Ledger.Chart().PoolsFor(q.NamespaceLabels)
	if mine[0].Commons() {
		t.step("No pool selects it: it uses the numbers that are in no pool", t.commons()...)
		t.named(q, mine)
		return
	}
	title := "One pool selects it"
	if len(mine) > 1 {
		title = fmt.Sprintf("%d pools select it, asked in this order", len(mine))
	}
	var lines []string
	for _, p := range mine {
		lines = append(lines, fmt.Sprintf("%s: %s", nameOf(p), selects(p)))
		for _, line := range traits(p) {
			lines = append(lines, "  "+line)
		}
	}
	t.step(title, lines...)
	t.named(q, mine)
}

// selects says why a pool selects the namespace.
func selects(p *rules.Pool) string {
	selector := metav1.FormatLabelSelector(&p.Spec.NamespaceSelector)
	if selector == "<none>" {
		return "selects every namespace"
	}
	return "selects " + selector
}

// traits are what matters of a pool, beside whom it selects.
func traits(p *rules.Pool) []string {
	numbers := "no numbers"
	if len(p.Numbers) > 0 {
		numbers = "numbers " + p.Numbers.String()
	}
	lines := []string{fmt.Sprintf("%s; priority %d", numbers, p.Spec.Priority)}
	switch {
	case p.Overlaps != "":
		lines = append(lines, "hands out nothing: its ranges overlap another pool's")
	case p.Spec.Allocation == v1alpha1.AllocationNone:
		lines = append(lines, "hands out nothing new (allocation: None)")
	case p.Spec.Allocation == v1alpha1.AllocationExplicit:
		lines = append(lines, "gives only numbers that are asked for (allocation: Explicit)")
	}
	if len(p.Outside) > 0 {
		lines = append(lines, fmt.Sprintf("%s of its ranges are outside the cluster's range", p.Outside))
	}
	if !p.Enforces() {
		lines = append(lines, "only warns (enforcement: Warn)")
	}
	return lines
}

// commons tells what a namespace without pools has.
func (t *teller) commons() []string {
	commons := t.Ledger.Chart().Pool("")
	if len(commons.Numbers) == 0 {
		return []string{"there are none: every number of the cluster is in a pool"}
	}
	// Which they are is not listed: the gaps would show every other team's.
	return []string{fmt.Sprintf("there are %d of them", commons.Numbers.Len())}
}

// named tells what the annotation does.
func (t *teller) named(q rules.Question, mine []*rules.Pool) {
	name, ok := q.Service.Annotations[v1alpha1.PoolAnnotation]
	if !ok {
		return
	}
	title := fmt.Sprintf("The annotation %s names %q", v1alpha1.PoolAnnotation, name)
	if slices.ContainsFunc(mine, func(p *rules.Pool) bool { return p.Name == name && !p.Commons() }) {
		t.step(title, "only that pool is asked")
		return
	}
	t.step(title, "that is no pool of the namespace")
}

func nameOf(p *rules.Pool) string {
	if p.Commons() {
		return "the numbers in no pool"
	}
	return fmt.Sprintf("pool %q", p.Name)
}

// fullness tells how a pool is used, and how much of it the namespace may have.
func (t *teller) fullness(p *rules.Pool, namespace string) []string {
	c := t.Ledger.Counts(t.Ledger.Chart())[p.Name]
	var parts []string
	for _, part := range []struct {
		n    int
		what string
	}{{c.Bound, "in use"}, {c.Pending, "being claimed"}, {c.Held, "held"}, {c.Reserved, "reserved"}, {c.Clashing, "in use by something else on nodes"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	text := fmt.Sprintf("%d of %d free", c.Free, c.Total)
	if len(parts) > 0 {
		text += "; " + strings.Join(parts, ", ")
	}
	return append([]string{text}, t.allowance(p, namespace)...)
}

// allowance tells how much of a pool the namespace has and may have; nothing where nothing is enforced.
func (t *teller) allowance(p *rules.Pool, namespace string) []string {
	limit, unbound := p.Allowance()
	switch {
	case limit < 0:
		return nil
	case unbound:
		return []string{fmt.Sprintf("the namespace has %d of it; there is no quota, but for %d numbers that no Service carries", t.Ledger.Used(namespace, p), limit)}
	}
	return []string{fmt.Sprintf("the namespace has %d of the %d that it may have", t.Ledger.Used(namespace, p), limit)}
}
