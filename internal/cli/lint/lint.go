// Package lint says of manifests what admission would say of them, before they are applied: with the line of the file, an
// exit code, and reports that machines read.
//
// The policy:
//   - It decides by the very functions that admission decides by (internal/decision, internal/rules). An error is what the
//     API server or Portolan would refuse, in the same words; a warning is what they would warn of.
//   - The files are judged as if they were applied together: pools and reservations first, then Services, each meeting the
//     numbers of those before it.
//   - What only a cluster knows is not guessed where there is none. One line says what was left out.
//   - Of a cluster that the caller may not read as admission does nothing is concluded: its API server is asked.
package lint

import (
	"cmp"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
	"github.com/portolan-dev/portolan/internal/cli/manifest"
	"github.com/portolan-dev/portolan/internal/cli/world"
	"github.com/portolan-dev/portolan/internal/decision"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// Lint judges what was read, in a world that it adds it to. Of a Partial one it judges by what ask says.
func Lint(set *manifest.Set, w *world.World, ask Ask) Report {
	l := &linter{World: w, ask: ask, givenTo: map[int32]*manifest.Object{}, told: map[string]bool{}}
	for _, o := range set.Objects {
		l.flaws(o)
	}
	for _, ns := range set.Namespaces {
		l.SeeNamespace(ns.Name, ns.Value.Labels)
	}
	for _, a := range set.Accesses {
		l.access(a)
	}
	for _, p := range set.Pools {
		l.pool(p)
	}
	for _, r := range set.Reservations {
		l.reservation(r)
	}
	l.services(set.Services)
	r := Report{Findings: l.findings, Files: set.Files, Objects: len(set.Objects), Unknown: w.Unknown, NotJudged: l.notJudged()}
	order := map[string]int{}
	for _, o := range set.Objects {
		order[o.File] = cmp.Or(order[o.File], len(order)+1)
		r.Linted = append(r.Linted, placeOf(o))
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(order[a.File], order[b.File]), cmp.Compare(a.Line, b.Line))
	})
	return r
}

// linter is on its way through the files.
type linter struct {
	*world.World
	ask      Ask
	unasked  []string // why it could not be asked
	findings []Finding
	// givenTo are the numbers that objects of the files have got, or have asked for.
	givenTo map[int32]*manifest.Object
	// told are the namespaces of which it was said that they are not known.
	told map[string]bool
}

func placeOf(o *manifest.Object) Place { return Place{o.File, o.Line(), o.String()} }

func (l *linter) find(o *manifest.Object, severity Severity, rule, at, message string) *Finding {
	l.findings = append(l.findings, Finding{
		File: o.File, Line: o.LineOf(at), Begin: o.Line(), Severity: severity, Rule: rule, Object: o.String(), Field: at, Message: message,
	})
	return &l.findings[len(l.findings)-1]
}

func (l *linter) flaws(o *manifest.Object) {
	for _, f := range o.Flaws {
		rule := RuleUnknownField
		if f.Fatal {
			rule = RuleInvalidField
		}
		text := f.Text
		if f.Field != "" {
			text = f.Field + ": " + text
		}
		l.find(o, Error, rule, f.Field, text)
	}
}

// refuse finds an error of admission, in its words.
func (l *linter) refuse(o *manifest.Object, rule string, err *field.Error) {
	l.find(o, Error, rule, err.Field, err.Error())
}

func (l *linter) access(a manifest.Of[*accessObject]) {
	if !a.Readable() {
		return
	}
	for _, err := range access.NewPolicy(a.Value).Problems {
		l.refuse(a.Object, RuleInvalidField, err)
	}
	l.SeeAccess(a.Value)
}

func (l *linter) pool(p manifest.Of[*poolObject]) {
	switch {
	case !p.Readable():
		return
	case l.Partial:
		l.unjudged(p.Object)
		return
	}
	old := l.Pool(p.Name)
	errs := rules.PoolErrors(l.ClusterRange(), old, p.Value, l.OtherPools(p.Name))
	for _, err := range errs {
		l.refuse(p.Object, RuleInvalidPool, err)
	}
	if len(errs) > 0 {
		return
	}
	before := l.Ledger.Chart()
	l.SeePool(p.Value)
	if !l.Complete {
		return
	}
	for _, text := range rules.Consequences(before, l.Ledger.Chart(), l.Live()) {
		l.find(p.Object, Warning, RuleConsequence, "", text)
	}
}

func (l *linter) reservation(r manifest.Of[*reservationObject]) {
	switch {
	case !r.Readable():
		return
	case l.Partial:
		l.unjudged(r.Object)
		return
	case !l.knows(r.Object):
		return
	}
	labels, _ := l.Labels(r.Namespace)
	p := decision.ForetellReservation(l.Ledger, r.Value, labels, l.Now)
	for _, text := range p.Warnings {
		l.find(r.Object, Warning, RuleWarning, fieldOf(text), text)
	}
	for _, err := range p.Errors {
		l.find(r.Object, Warning, RuleNotReserved, err.Field, "not reserved: "+err.Error())
	}
	l.keep(r.Object, serviceOf(r.Namespace, r.Value.Spec.ServiceName), r.Name, p.Numbers)
}

// keep has the numbers that an object has got, or asks for, kept for a Service: those after it do not get them. It returns
// those that nobody had.
func (l *linter) keep(o *manifest.Object, service types.NamespacedName, reservation string, requests []serviceports.Request) []*v1alpha1.NodePortAllocation {
	made := l.Apply(service, reservation, requests)
	for _, n := range serviceports.Numbers(requests) {
		if holders := l.Ledger.Holders(n); l.givenTo[n] == nil && len(holders) > 0 && holders[0].Service == service {
			l.givenTo[n] = o
		}
	}
	return made
}

// knows says whether it is known which pools select an object's namespace. Where it is not, that is said once a namespace.
func (l *linter) knows(o *manifest.Object) bool {
	_, unknown := l.Labels(o.Namespace)
	missing := l.Missing(o.Namespace)
	if len(unknown) == 0 && !missing {
		return true
	}
	if missing && !l.told[o.Namespace] {
		l.told[o.Namespace] = true
		l.find(o, Error, RuleUnknownNamespace, "metadata.namespace", fmt.Sprintf("there is no namespace %q: create it first, or name another by -n", o.Namespace))
	}
	if !l.told[o.Namespace] {
		l.told[o.Namespace] = true
		l.find(o, Warning, RuleUnknownNamespace, "metadata.namespace", fmt.Sprintf(
			"which pools namespace %q has goes by its label %s, which no file tells: its numbers are not held against pools. Add the Namespace to --pools",
			o.Namespace, quoted(unknown)))
	}
	return false
}
