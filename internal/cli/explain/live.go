package explain

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/remedy"
	"github.com/portolan-dev/portolan/internal/cli/world"
	"github.com/portolan-dev/portolan/internal/decision"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// Live explains why a live Service has the numbers that it has, and which rules it breaks with them.
func Live(w *world.World, svc *corev1.Service) Account {
	t := &teller{World: w, Account: Account{Subject: subjectOf(svc), Unknown: w.Unknown}}
	requests := serviceports.Requests(svc)
	if len(requests) == 0 {
		t.Answer = Answer{Verdict: Conforming, Text: fmt.Sprintf("a Service of type %s has no node ports", svc.Spec.Type)}
		return t.Account
	}
	labels, known := t.namespace(svc.Namespace)
	if !known {
		return t.Account
	}
	q := rules.Question{Service: svc, Old: svc, Namespace: svc.Namespace, NamespaceLabels: labels, Now: w.Now}
	t.pools(q)
	for _, r := range requests {
		t.liveNumber(q, r)
	}
	t.liveAnswer(q)
	return t.Account
}

// liveNumber tells how a Service came to a number.
func (t *teller) liveNumber(q rules.Question, r serviceports.Request) {
	if r.NodePort == 0 {
		return
	}
	f := decision.Foretold{Question: q}
	lines := []string{t.place(f, t.Ledger.Chart().PoolOf(r.NodePort)), t.origin(q, r.NodePort)}
	if with := t.sharedWith(q, r.NodePort); with != "" {
		lines = append(lines, with+" has it too")
	}
	if with := rules.ClashesWith(t.Ledger.Clashes(r.NodePort), r); with != "" {
		lines = append(lines, "it clashes with "+with+": one of the two gets no traffic there")
	}
	t.step(fmt.Sprintf("%s: %d", r.Path(), r.NodePort), lines...)
}

var origins = map[v1alpha1.Origin]string{
	v1alpha1.OriginAutomatic: "it was chosen for the Service",
	v1alpha1.OriginExplicit:  "it was asked for",
	v1alpha1.OriginAdopted:   "Kubernetes gave it to the Service without Portolan, which found it there",
}

// origin tells from the ledger how the Service came to its number.
func (t *teller) origin(q rules.Question, number int32) string {
	claim := t.Claim(number)
	if claim == nil || claim.Spec.ServiceRef.Namespace != q.Namespace || claim.Spec.ServiceRef.Name != q.Service.Name {
		return "the ledger has no allocation of it for this Service"
	}
	text := origins[claim.Spec.Origin]
	if text == "" {
		text = "it is the Service's"
	}
	if claim.Spec.ClaimTime != nil {
		text += fmt.Sprintf(", %s ago", duration.HumanDuration(t.Now.Sub(claim.Spec.ClaimTime.Time)))
	}
	if claim.Spec.ReservationName != "" {
		text += fmt.Sprintf("; NodePortReservation %q keeps it for the Service", claim.Spec.ReservationName)
	}
	return text
}

// sharedWith is who else has a number; "" for nobody.
func (t *teller) sharedWith(q rules.Question, number int32) string {
	for _, h := range t.Ledger.Holders(number) {
		switch {
		case h.Service == decision.ServiceOf(q):
		case h.Service.Namespace == q.Namespace:
			return fmt.Sprintf("Service %q of this namespace%s", h.Service.Name, state(h, t.Now))
		default:
			return "another namespace"
		}
	}
	return ""
}

func (t *teller) liveAnswer(q rules.Question) {
	t.Answer = Answer{Verdict: Conforming, Text: "it keeps to the rules of its namespace"}
	for _, r := range serviceports.Requests(q.Service) {
		if with := t.sharedWith(q, r.NodePort); with != "" {
			t.Answer.Verdict, t.Answer.Text = Breaking, "it keeps its numbers, and:"
			t.Answer.Errors = append(t.Answer.Errors, fmt.Sprintf("%s: %d: %s has it too, and it can serve only one", r.Path(), r.NodePort, with))
		}
	}
	t.drained(q)
	for _, b := range rules.LiveBreaches(t.Ledger.Chart(), q) {
		t.Answer.Verdict, t.Answer.Text = Breaking, "it keeps its numbers, and:"
		if b.Enforced {
			t.Answer.Errors = append(t.Answer.Errors, "were it created now it would be refused: "+b.Err.Error())
		} else {
			t.Answer.Warnings = append(t.Answer.Warnings, b.Err.Error())
		}
		if number, ok := b.Err.BadValue.(int32); ok {
			t.Answer.Commands = append(t.Answer.Commands, t.remedies(q, number)...)
		}
	}
}

// drained warns of numbers that the Service keeps and, created anew with them, would not get again, or with a warning.
func (t *teller) drained(q rules.Question) {
	q.Old, q.Service = nil, q.Service.DeepCopy()
	q.Service.ManagedFields = nil // whoever creates it sets all of its numbers
	for _, b := range rules.Judge(t.Ledger.Chart(), t.Ledger, q).Breaches {
		if b.Reason != rules.ReasonDraining {
			continue
		}
		text := b.Err.Error()
		if b.Enforced {
			text = notAgain + text
		}
		t.Answer.Warnings = append(t.Answer.Warnings, text)
	}
}

// notAgain comes before what is said of a number whose pool is drained.
const notAgain = "it keeps its number as long as it is not deleted: created anew it would not get it. "

// remedies are the commands of which each gives the Service a number that keeps to the rules in the place of one.
func (t *teller) remedies(q rules.Question, number int32) []string {
	return remedy.Renumber(t.Ledger, t.Ledger.Chart().PoolsFor(q.NamespaceLabels), q.Service, number)
}
