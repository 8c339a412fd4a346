package explain

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/portolan-dev/portolan/internal/cli/wellformed"
	"github.com/portolan-dev/portolan/internal/cli/world"
	"github.com/portolan-dev/portolan/internal/decision"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// Manifest explains what would become of a Service if it were applied now. Its API server's defaults are filled in.
func Manifest(w *world.World, svc *corev1.Service) Account {
	old := w.Service(types.NamespacedName{Namespace: svc.Namespace, Name: svc.Name})
	t := tellerOf(w, svc, old)
	if errs := wellformed.Errors(svc, old); len(errs) > 0 {
		t.refuse(svc.Name, errs)
		return t.Account
	}
	q := rules.Question{Service: svc, Old: old, Namespace: svc.Namespace, Now: w.Now}
	if !numbered(svc) {
		t.Answer = Answer{Verdict: Admitted, Text: fmt.Sprintf("admitted: a Service of type %s has no node ports", svc.Spec.Type)}
		return t.Account
	}
	labels, known := t.namespace(svc.Namespace)
	if !known {
		return t.Account
	}
	q.NamespaceLabels = labels
	f := decision.Foretell(w.Ledger, q)
	t.pools(q)
	t.filledIn(svc, f)
	var open []serviceports.Request
	for _, r := range requestsOf(f) {
		if r.NodePort == 0 || chosen(f, r.NodePort) {
			open = append(open, r)
		} else {
			t.request(svc, f, r)
		}
	}
	t.choice(f, open)
	t.answer(f)
	return t.Account
}

// teller is an account on its way.
type teller struct {
	*world.World
	Account
}

// tellerOf begins an account of a manifest. old is the live Service of its name; nil: there is none.
func tellerOf(w *world.World, svc, old *corev1.Service) *teller {
	t := &teller{World: w, Account: Account{Subject: subjectOf(svc), Operation: "create", Unknown: w.Unknown}}
	if old != nil {
		t.Operation = "update"
	}
	return t
}

// numbered says whether a Service has or asks for numbers.
func numbered(svc *corev1.Service) bool {
	return len(serviceports.Stored(svc)) > 0 || len(serviceports.Requests(svc)) > 0
}

func subjectOf(svc *corev1.Service) string {
	name := svc.Name
	if name == "" {
		name = svc.GenerateName
	}
	return fmt.Sprintf("Service %q", svc.Namespace+"/"+name)
}

// requestsOf are the numbers of a Service: those that it would have, or would have asked for.
func requestsOf(f decision.Foretold) []serviceports.Request {
	svc := f.Question.Service
	if svc.Spec.Type == corev1.ServiceTypeExternalName {
		return serviceports.Stored(svc)
	}
	return serviceports.Requests(svc)
}

// namespace tells the namespace's labels; known is false where it cannot be said which pools they get.
func (t *teller) namespace(name string) (labels map[string]string, known bool) {
	labels, unknown := t.Labels(name)
	t.step(fmt.Sprintf("The namespace is %q", name), "labels: "+world.LabelsText(labels))
	if len(unknown) == 0 {
		return labels, true
	}
	t.Answer = Answer{Verdict: NotJudged, Text: fmt.Sprintf(
		"not known: which pools the namespace has goes by its label %s, which is not known here", strings.Join(unknown, ", "))}
	return labels, false
}

// filledIn tells what admission fills in beside numbers.
func (t *teller) filledIn(before *corev1.Service, f decision.Foretold) {
	var lines []string
	for i, p := range before.Spec.Ports {
		after := f.Question.Service.Spec.Ports[i]
		if p.Port != after.Port {
			lines = append(lines, fmt.Sprintf("spec.ports[%d].port: %d, as targetPort is", i, after.Port))
		}
		if p.Name != after.Name {
			lines = append(lines, fmt.Sprintf("spec.ports[%d].name: %q", i, after.Name))
		}
		if n := kept(f.Question.Old, p.NodePort, after.NodePort); n != 0 {
			lines = append(lines, fmt.Sprintf("spec.ports[%d].nodePort: %d, which the live Service has", i, n))
		}
	}
	if len(lines) > 0 {
		t.step("What the manifest leaves out is filled in", lines...)
	}
}

// kept is a number that an entry gets because the live Service has it; 0: it does not.
func kept(old *corev1.Service, before, after int32) int32 {
	if before == 0 && has(old, after) {
		return after
	}
	return 0
}

func has(old *corev1.Service, number int32) bool {
	return old != nil && number != 0 && slices.Contains(serviceports.Numbers(serviceports.Stored(old)), number)
}

func (t *teller) answer(f decision.Foretold) {
	a := Answer{Verdict: Admitted, Text: "admitted", Warnings: f.Warnings}
	if numbers := serviceports.Numbers(requestsOf(f)); len(numbers) > 0 {
		a.Text = "admitted with " + numbersText(numbers)
	}
	if f.NativePick {
		a.Text = "admitted; Kubernetes picks the numbers that are left out"
	}
	if len(f.Errors) > 0 {
		t.refuse(f.Question.Service.Name, f.Errors)
		t.Answer.Warnings = a.Warnings
		return
	}
	a.Warnings = append(a.Warnings, rules.Surprises(t.Ledger.Chart(), f.Question, f.Final(), t.Surroundings(f.Question, f.Final()))...)
	t.Answer = a
}

func (t *teller) refuse(name string, errs field.ErrorList) {
	t.Answer = Answer{Verdict: Refused, Text: fmt.Sprintf("refused: The Service %q is invalid:", name)}
	for _, err := range errs {
		t.Answer.Errors = append(t.Answer.Errors, err.Error())
	}
}

func numbersText(numbers []int32) string {
	texts := make([]string, len(numbers))
	for i, n := range numbers {
		texts[i] = fmt.Sprint(n)
	}
	return strings.Join(texts, ", ")
}
