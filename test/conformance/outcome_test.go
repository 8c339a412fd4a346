package conformance

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
)

// outcome is what becomes of a probe, in words:
//
//	refused                       an error
//	refused late                  an error, but not at once, where that is asked for
//	silent                        no answer
//	reset                         the connection was there, and has been ended
//	local1, remote1               all of these answer, and see who asked
//	local1, remote1 masqueraded   they see the node instead
//	remote1; local1 masqueraded   some of them do
//	one of local1, remote1        all flows were answered by the same one of these
//	another of local1, remote1    the same, not the one that answered the last such probe
//	the same of local1, remote1   the same, the one that answered the last such probe
//	evenly local1, remote1        all of these, each as often as chance lets it (chi-squared)
//
// (such a probe: from the same host to the same target, with one of the last three in want).
type outcome struct {
	plain, masqueraded, failures map[string]int // how often
}

func newOutcome() *outcome { return &outcome{map[string]int{}, map[string]int{}, map[string]int{}} }

func (o *outcome) add(answer string, masqueraded bool) {
	if masqueraded {
		o.masqueraded[answer]++
		return
	}
	o.plain[answer]++
}

func (o *outcome) String() string {
	var parts []string
	if len(o.plain) > 0 {
		parts = append(parts, list(o.plain))
	}
	if len(o.masqueraded) > 0 {
		parts = append(parts, list(o.masqueraded)+" masqueraded")
	}
	if len(o.failures) > 0 {
		parts = append(parts, list(o.failures))
	}
	return strings.Join(parts, "; ")
}

func list(set map[string]int) string { return strings.Join(slices.Sorted(maps.Keys(set)), ", ") }

const (
	refused = "refused"
	silent  = "silent"
	late    = "refused late"
	reset   = "reset"

	oneOf     = "one of "
	anotherOf = "another of "
	theSameOf = "the same of "

	evenly = "evenly "
)

// sticky says whether a want is about who answers among several, and about whom.
func sticky(want string) (kind, among string, ok bool) {
	for _, kind := range []string{oneOf, anotherOf, theSameOf} {
		if among, ok := strings.CutPrefix(want, kind); ok {
			return kind, among, true
		}
	}
	return "", "", false
}

// described puts an outcome into the words of a want about one among several, as far as they are true.
func described(o *outcome, kind, among, before string) string {
	got := o.String()
	who := strings.TrimSuffix(got, " masqueraded")
	if strings.HasSuffix(got, " masqueraded") != strings.HasSuffix(among, " masqueraded") ||
		!slices.Contains(strings.Split(strings.TrimSuffix(among, " masqueraded"), ", "), who) {
		return got
	}
	switch {
	case kind == oneOf:
		return oneOf + among
	case who == before:
		return theSameOf + among
	case before != "":
		return anotherOf + among
	}
	return fmt.Sprint(got, ", and nobody before")
}

// named are who a want names.
func named(want string) []string {
	var all []string
	for part := range strings.SplitSeq(want, "; ") {
		for name := range strings.SplitSeq(strings.TrimSuffix(part, " masqueraded"), ", ") {
			all = append(all, name)
		}
	}
	return all
}

// isEven says whether a chi-squared test finds nothing in who answered how often; it is wrong once in a million times.
func (o *outcome) isEven() bool {
	counts := slices.Concat(slices.Collect(maps.Values(o.plain)), slices.Collect(maps.Values(o.masqueraded)))
	total := 0.0
	for _, c := range counts {
		total += float64(c)
	}
	mean, statistic := total/float64(len(counts)), 0.0
	for _, c := range counts {
		statistic += (float64(c) - mean) * (float64(c) - mean) / mean
	}
	// Wilson and Hilferty's approximation of the quantile, 4.75 standard deviations out.
	degrees := float64(len(counts) - 1)
	spread := 2 / (9 * degrees)
	return statistic < degrees*math.Pow(1-spread+4.75*math.Sqrt(spread), 3)
}
