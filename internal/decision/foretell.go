package decision

import (
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// Foretold is what admission would answer to a Service.
type Foretold struct {
	// Question is what was judged: its Service is filled out, and has the numbers that it would get.
	Question rules.Question
	// Answer is that of the rules; New are its requests before numbers were chosen.
	Answer rules.Answer
	// Errors refuse it, in the order in which the user reads them.
	Errors field.ErrorList
	// Breaches are all rules that it breaks, those of Errors and those that are only warned about.
	Breaches []rules.Breach
	// Warnings are those of the rules. What is around the Service is not looked at: see rules.Surprises.
	Warnings []string
	// Chosen are the requests whose number is chosen, with it. A strategy may draw others the next time.
	Chosen []serviceports.Request
	// NativePick: Kubernetes picks the numbers that are left open.
	NativePick bool
}

// Foretell decides about a Service as both webhooks would one after the other, and writes nothing. q.Service is as the API
// server's own defaults leave it, and all numbers in it were set by its user. It is not changed.
func Foretell(l *allocator.Ledger, q rules.Question) Foretold {
	q.Service = q.Service.DeepCopy()
	FillOut(q.Service, q.Old)
	set := Numbered(serviceports.Requests(q.Service))
	f := Foretold{Question: q, Answer: Draft(l, q, false)}
	if len(f.Answer.Errors) > 0 {
		f.Errors, f.Warnings, f.Breaches = f.Answer.Errors, f.Answer.Warnings, f.Answer.Breaches
		return f
	}
	f.choose(l)
	if len(f.Errors) == 0 {
		f.review(l, set)
	}
	if len(f.Errors) == 0 {
		f.claim(l)
	}
	if len(f.Errors) == 0 && q.Old == nil {
		GiveToProxy(l.Chart(), q.Service)
	}
	return f
}

// choose is what the mutating webhook does once nothing is refused.
func (f *Foretold) choose(l *allocator.Ledger) {
	open := ToChoose(f.Question, f.Answer)
	if len(open) == 0 {
		f.NativePick = slices.ContainsFunc(f.Answer.New, func(r serviceports.Request) bool { return r.NodePort == 0 })
		return
	}
	chosen, err := l.Preview(Claimant(f.Question), open, f.Answer.Pools, true)
	if errors.Is(err, allocator.ErrExhausted) && !f.Answer.Enforced {
		f.NativePick = true
		b := rules.NewBreach(rules.ReasonExhausted, false, rules.Exhausted(l, f.Question, f.Answer.Pools), f.Answer.Pools...)
		f.Breaches = append(f.Breaches, b)
		f.Warnings = append(f.Warnings, b.Err.Error())
		return
	}
	f.refuse(l, err)
	f.Chosen = chosen
	serviceports.Set(f.Question.Service, chosen)
}

// review judges the final object, as the validating webhook does. What was chosen nobody has set, and is not claimed yet: it
// is judged as on a dry-run.
func (f *Foretold) review(l *allocator.Ledger, set []serviceports.Request) {
	q := f.Question
	q.DryRun = true
	q.Service = q.Service.DeepCopy()
	q.Service.ManagedFields = serviceports.SetBy(set)
	answer := rules.Judge(l.Chart(), l, q)
	f.Errors = answer.Errors
	f.Warnings = append(answer.Warnings, f.Warnings...)
	f.Breaches = append(answer.Breaches, f.Breaches...)
}

// claim is what the validating webhook does with the numbers that the user set.
func (f *Foretold) claim(l *allocator.Ledger) {
	who := Claimant(f.Question)
	explicit := l.Unclaimed(who, withOrigin(v1alpha1.OriginExplicit, Numbered(f.Answer.New)))
	if len(explicit) == 0 || len(explicit) > rules.MaxClaims {
		return
	}
	_, err := l.Preview(who, explicit, f.Answer.Pools, true)
	f.refuse(l, err)
}

func (f *Foretold) refuse(l *allocator.Ledger, err error) {
	if b, theirs := allocator.BreachOf(err, l.Chart(), l, f.Question, f.Answer.Pools); theirs {
		f.Errors = append(f.Errors, b.Err)
		f.Breaches = append(f.Breaches, b)
	}
}

// Final is the answer about the Service with the numbers that were chosen, for rules.Surprises.
func (f *Foretold) Final() rules.Answer {
	final := f.Answer
	final.New = slices.DeleteFunc(serviceports.Requests(f.Question.Service), func(r serviceports.Request) bool {
		return r.NodePort != 0 && had(f.Question.Old, r.NodePort)
	})
	return final
}

func had(old *corev1.Service, number int32) bool {
	return old != nil && slices.Contains(serviceports.Numbers(serviceports.Stored(old)), number)
}
