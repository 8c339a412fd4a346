package rules

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// suggestions is how many free numbers a refusal lists.
const suggestions = 3

// Suggestions are free numbers of those of the pools that hand out numbers, at most so many.
func Suggestions(l Ledger, pools []*Pool, atMost int) []int32 {
	var free []int32
	for _, p := range pools {
		if !p.Drained() {
			free = append(free, l.FreeNumbers(p, atMost-len(free))...)
		}
	}
	return free
}

// freeNow is "; free now: 30104, 30107, 30112", or nothing where nothing is that the namespace may have.
func freeNow(l Ledger, namespace string, pools []*Pool) string {
	var free []string
	for _, p := range pools {
		numbers := Suggestions(l, []*Pool{p}, suggestions-len(free))
		if len(numbers) == 0 || p.spent(l, namespace) {
			continue
		}
		for _, n := range numbers {
			free = append(free, fmt.Sprint(n))
		}
	}
	if len(free) == 0 {
		return ""
	}
	return "; free now: " + strings.Join(free, ", ")
}

// Exhausted is the refusal of a Service for which the pools had too few free numbers.
func Exhausted(l Ledger, q Question, pools []*Pool) *field.Error {
	var full []string
	for _, p := range pools {
		u := l.Usage(p)
		text := fmt.Sprintf("%d of %d in use or held", u.Total-u.Free-u.Clashing, u.Total)
		if !p.Commons() {
			text = fmt.Sprintf("pool %q: %s", p.Name, text)
		}
		if !u.NextHoldEnd.IsZero() {
			text += ", the next hold ends in " + duration.HumanDuration(max(0, u.NextHoldEnd.Sub(q.Now)))
		}
		if u.Clashing > 0 {
			text += fmt.Sprintf(", %d in use by something else on nodes", u.Clashing)
		}
		full = append(full, text)
	}
	few := "no node port is"
	if slices.ContainsFunc(pools, func(p *Pool) bool { return l.Usage(p).Free > 0 }) {
		few = "too few node ports are"
	}
	text := fmt.Sprintf("%s free in the ranges of namespace %q (%s)", few, q.Namespace, strings.Join(full, "; "))
	if len(numbersOf(pools)) == 0 {
		text = noNumbers(q.Namespace)
	}
	return field.Forbidden(allPorts, text)
}

func noNumbers(namespace string) string {
	return fmt.Sprintf("namespace %q may not use node ports: no pool has numbers for it", namespace)
}
