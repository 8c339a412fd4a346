package soak

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// printTables prints what was done, and what was broken.
func (r *record) printTables(w io.Writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	byKind := map[string]map[outcome]int{}
	for _, o := range r.operations {
		if byKind[o.kind] == nil {
			byKind[o.kind] = map[outcome]int{}
		}
		byKind[o.kind][o.outcome]++
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(t, "operations\t%s\t%s\t%s\t\n", done, refused, unknown)
	for _, kind := range slices.Sorted(maps.Keys(byKind)) {
		fmt.Fprintf(t, "%s\t%d\t%d\t%d\t\n", kind, byKind[kind][done], byKind[kind][refused], byKind[kind][unknown])
	}
	fmt.Fprintf(t, "all of %d\t\t\t\t\n\t\t\t\t\n", len(r.operations))
	printCounts(t, "faults", r.faults)
	_ = t.Flush()
}

func printCounts(w io.Writer, of string, counts map[string]int) {
	fmt.Fprintf(w, "%s\t\t\t\t\n", of)
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(w, "%s\t%d\t\t\t\n", kind, counts[kind])
	}
}

// printCounts prints what the judge has seen.
func (j *judge) printCounts(w io.Writer) {
	for _, what := range slices.Sorted(maps.Keys(j.counts)) {
		fmt.Fprintf(w, "%6d %s\n", j.counts[what], what)
	}
}

// traced is how much of a history is printed before what is wrong, and after it.
const traced = 15 * time.Second

// trace is all that concerns a number around a violation, by time.
func (j *judge) trace(v violation) string {
	lines := slices.Concat(j.told(v.number), j.asked(v.number), j.answered(v.number))
	for _, e := range j.events {
		if !strings.HasPrefix(e.what, wrong) {
			lines = append(lines, line{e.at, "fault: " + e.what})
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.at, b.at) })
	around := slices.IndexFunc(j.changes, func(c change) bool { return c.revision == v.revision })
	var text strings.Builder
	for _, l := range lines {
		if around < 0 || l.at > j.changes[around].at-traced && l.at < j.changes[around].at+traced/3 {
			fmt.Fprintf(&text, "  %8.3f  %s\n", l.at.Seconds(), l.text)
		}
	}
	return text.String()
}

type line struct {
	at   time.Duration
	text string
}

// told is what etcd has of a number.
func (j *judge) told(number int32) (lines []line) {
	for i := range j.changes {
		if text := j.tell(&j.changes[i], number); text != "" {
			lines = append(lines, line{j.changes[i].at, fmt.Sprintf("etcd %d: %s", j.changes[i].revision, text)})
		}
	}
	return lines
}

// asked is what clients have to do with a number.
func (j *judge) asked(number int32) (lines []line) {
	for _, o := range j.history.operations {
		if slices.Contains(o.asked, number) || slices.Contains(o.numbers, number) || j.concerns(o, number) {
			lines = append(lines, line{o.call, fmt.Sprintf("client %s: %s %s, asks for %v", o.id, o.kind, o.service, o.asked)},
				line{o.back, fmt.Sprintf("client %s: %s %s %v %.200s", o.id, o.outcome, o.uid, o.numbers, o.said)})
		}
	}
	return lines
}

// answered is what the webhooks say of a number.
func (j *judge) answered(number int32) (lines []line) {
	for _, a := range j.admissions {
		what := "fills in"
		if a.validates {
			what = "validates"
		}
		if slices.Contains(a.numbers, number) {
			lines = append(lines, line{a.back, fmt.Sprintf("webhook %s for %s %s: %v, answered %t, allowed %t (asked at %.3f)",
				what, a.operation, a.service, a.numbers, a.answered, a.allowed, a.call.Seconds())})
		}
	}
	return lines
}

// concerns says whether an operation deletes a Service that carried the number.
func (j *judge) concerns(o operation, number int32) bool {
	return o.deletes() && slices.ContainsFunc(j.changes, func(c change) bool {
		return c.service != nil && c.service.uid == o.uid && slices.Contains(c.service.numbers, number)
	})
}

// tell is what a change says of a number; empty: nothing.
func (j *judge) tell(c *change, number int32) string {
	switch {
	case c.service != nil && c.gone && slices.ContainsFunc(j.lives[c.service.name], func(c *change) bool { return slices.Contains(c.service.numbers, number) }):
		return fmt.Sprintf("Service %s has gone", c.service.name)
	case c.claim != nil && c.claim.number == number && c.gone:
		return "the claim has gone"
	case c.claim != nil && c.claim.number == number:
		return c.claim.String()
	case c.service != nil && slices.Contains(c.service.numbers, number):
		return fmt.Sprintf("Service %s (%s) has %v, by %s", c.service.name, c.service.uid, c.service.numbers, c.service.by)
	}
	return ""
}

// printViolations prints each with its trace, the first few of each kind.
func (j *judge) printViolations(w io.Writer, found []violation) {
	perKind := map[string]int{}
	for _, v := range found {
		if perKind[v.kind]++; perKind[v.kind] > 3 {
			continue
		}
		fmt.Fprintf(w, "VIOLATION: %s: number %d at revision %d: %s\n%s", v.kind, v.number, v.revision, v.text, j.trace(v))
	}
	for _, kind := range slices.Sorted(maps.Keys(perKind)) {
		fmt.Fprintf(w, "%d x %s\n", perKind[kind], kind)
	}
}
