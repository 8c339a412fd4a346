package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/manifest"
	"github.com/portolan-dev/portolan/internal/cli/wellformed"
	"github.com/portolan-dev/portolan/internal/decision"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

type (
	accessObject      = v1alpha1.NodePortAccess
	poolObject        = v1alpha1.NodePortPool
	reservationObject = v1alpha1.NodePortReservation
)

// services judges those whose numbers are all set first: so a number that is only chosen is never in the way of one that
// somebody asks for. Numbers that are set beside open ones are kept for their Service for the same reason, until it is
// judged itself.
func (l *linter) services(all []manifest.Of[*corev1.Service]) {
	var open []manifest.Of[*corev1.Service]
	for i, s := range all {
		if s.Value.Name == "" { // each would get a name of its own
			s.Value.Name = s.Value.GenerateName + strconv.Itoa(i)
		}
		switch {
		case !s.Readable() || l.malformed(s):
		case hasOpen(s.Value):
			open = append(open, s)
		default:
			l.service(s)
		}
	}
	kept := make([][]*v1alpha1.NodePortAllocation, len(open))
	for i, s := range open {
		kept[i] = l.keep(s.Object, nameOf(s.Value), "", decision.Numbered(serviceports.Requests(s.Value)))
	}
	for i, s := range open {
		l.Undo(kept[i])
		l.service(s)
	}
}

// malformed finds what the API server would refuse of a Service whatever its numbers are; it is not judged any further then.
// Where the API server is asked it says so itself.
func (l *linter) malformed(s manifest.Of[*corev1.Service]) bool {
	if l.Partial && (len(serviceports.Stored(s.Value)) > 0 || hasOpen(s.Value)) {
		return false
	}
	errs := wellformed.Errors(s.Value, l.Service(nameOf(s.Value)))
	for _, err := range errs {
		l.refuse(s.Object, RuleInvalidField, err)
	}
	return len(errs) > 0
}

func hasOpen(svc *corev1.Service) bool {
	return slices.ContainsFunc(serviceports.Requests(svc), func(r serviceports.Request) bool { return r.NodePort == 0 })
}

func nameOf(svc *corev1.Service) types.NamespacedName { return serviceOf(svc.Namespace, svc.Name) }

func serviceOf(namespace, name string) types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: name}
}

func (l *linter) service(s manifest.Of[*corev1.Service]) {
	q := rules.Question{Service: s.Value, Old: l.Service(nameOf(s.Value)), Namespace: s.Namespace, Now: l.Now}
	if len(serviceports.Stored(s.Value)) > 0 || hasOpen(s.Value) {
		if l.Partial {
			l.asked(s, q)
			return
		}
		if !l.knows(s.Object) {
			l.withoutPools(s, q)
			return
		}
	}
	q.NamespaceLabels, _ = l.Labels(s.Namespace)
	f := decision.Foretell(l.Ledger, q)
	l.breaches(s, f.Breaches)
	for _, text := range f.Warnings {
		if !isBreach(f.Breaches, text) {
			l.find(s.Object, Warning, RuleWarning, fieldOf(text), text)
		}
	}
	if len(f.Errors) > 0 {
		return
	}
	for _, text := range rules.Surprises(l.Ledger.Chart(), f.Question, f.Final(), l.Surroundings(f.Question, f.Final())) {
		l.find(s.Object, Warning, RuleSurprise, fieldOfSurprise(text, f), text)
	}
	l.filledIn(s, f)
	l.keep(s.Object, nameOf(s.Value), "", decision.Numbered(serviceports.Requests(f.Question.Service)))
}

// fieldOfSurprise is the field of a surprise: that of the first new number where it is about numbers.
func fieldOfSurprise(text string, f decision.Foretold) string {
	if fresh := f.Final().New; strings.HasPrefix(text, "node port") && len(fresh) > 0 {
		return fresh[0].Path().String()
	}
	return fieldOf(text)
}

// withoutPools judges what holds whatever the pools are: numbers of the cluster's range, each once.
func (l *linter) withoutPools(s manifest.Of[*corev1.Service], q rules.Question) {
	q.Service = q.Service.DeepCopy()
	delete(q.Service.Annotations, v1alpha1.PoolAnnotation)
	decision.FillOut(q.Service, q.Old)
	answer := rules.Judge(rules.NewChart(l.ClusterRange(), nil), rules.Quiet{Ledger: l.Ledger}, q)
	l.breaches(s, answer.Breaches)
	if len(answer.Errors) == 0 {
		l.keep(s.Object, nameOf(s.Value), "", decision.Numbered(serviceports.Requests(q.Service)))
	}
}

func (l *linter) breaches(s manifest.Of[*corev1.Service], breaches []rules.Breach) {
	for _, b := range breaches {
		severity := Warning
		if b.Enforced {
			severity = Error
		}
		f := l.find(s.Object, severity, string(b.Reason), b.Err.Field, b.Err.Error())
		if number, ok := b.Err.BadValue.(int32); ok && b.Reason == rules.ReasonTaken && l.givenTo[number] != nil {
			f.Related = new(placeOf(l.givenTo[number]))
		}
	}
}

// isBreach says whether a warning is that of a breach.
func isBreach(breaches []rules.Breach, text string) bool {
	return slices.ContainsFunc(breaches, func(b rules.Breach) bool { return b.Err.Error() == text })
}

// filledIn notes what the Service would get that its manifest leaves out.
func (l *linter) filledIn(s manifest.Of[*corev1.Service], f decision.Foretold) {
	for i, before := range s.Value.Spec.Ports {
		after, at := f.Question.Service.Spec.Ports[i], fmt.Sprintf("spec.ports[%d]", i)
		if before.Port != after.Port {
			l.find(s.Object, Note, RuleDefault, at, fmt.Sprintf("%s.port: left out, becomes %d as targetPort is", at, after.Port))
		}
		if before.Name != after.Name {
			l.find(s.Object, Note, RuleDefault, at, fmt.Sprintf("%s.name: left out, becomes %q", at, after.Name))
		}
	}
	for _, r := range f.Answer.New {
		if r.NodePort == 0 {
			at := r.Path().String()
			l.find(s.Object, Note, RuleDefault, at, at+": left out, "+l.source(f))
		}
	}
	name := f.Question.Service.Labels[v1alpha1.ServiceProxyNameLabel]
	if name != s.Value.Labels[v1alpha1.ServiceProxyNameLabel] {
		l.find(s.Object, Note, RuleDefault, "metadata.labels", fmt.Sprintf("metadata.labels: %s=%s is set: the pool gives its Services to that proxy",
			v1alpha1.ServiceProxyNameLabel, name))
	}
}

// source says where a number that is left out comes from.
func (l *linter) source(f decision.Foretold) string {
	var names []string
	for _, p := range f.Answer.Pools {
		if !p.Commons() {
			names = append(names, fmt.Sprintf("pool %q (%s)", p.Name, p.Numbers))
		}
	}
	switch {
	case f.NativePick:
		return "Kubernetes picks a number"
	case len(names) == 0:
		return "a number that is in no pool is chosen"
	}
	return "a number is chosen out of " + strings.Join(names, ", else ")
}
