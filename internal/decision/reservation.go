package decision

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// Promise is what becomes of a reservation. It is never refused: what is in its way today may be gone tomorrow.
type Promise struct {
	// Errors say why it does not get all of its numbers now; their fields are the reservation's.
	Errors field.ErrorList
	// Warnings are for its user beside them.
	Warnings []string
	// Numbers are those that it would get, beside those that it has.
	Numbers []serviceports.Request
}

// Texts are the warnings of admission about it.
func (p Promise) Texts() []string {
	texts := p.Warnings
	for _, err := range p.Errors {
		texts = append(texts, rules.NotReserved+err.Error())
	}
	return texts
}

// ForetellReservation says what becomes of a reservation in a namespace with these labels.
func ForetellReservation(l *allocator.Ledger, r *v1alpha1.NodePortReservation, labels map[string]string, now time.Time) Promise {
	kept := l.Reserved(types.NamespacedName{Namespace: r.Namespace, Name: r.Name})
	q := rules.ReservationQuestion(withChosen(r, kept), kept, labels, now)
	answer := rules.Judge(l.Chart(), l, q)
	p := Promise{Errors: answer.Errors, Warnings: answer.Warnings}
	open := withOrigin(v1alpha1.OriginAutomatic, rules.Promises(answer.Claimable()))
	if len(open) == 0 {
		return p
	}
	claimant := allocator.Claimant{Service: ServiceOf(q), Reservation: q.Reservation}
	var err error
	p.Numbers, err = l.Preview(claimant, open, answer.Pools, true)
	if b, theirs := allocator.BreachOf(err, l.Chart(), l, q, answer.Pools); theirs {
		p.Errors = append(p.Errors, b.Err)
	}
	return p
}

// withChosen is a reservation with the numbers that were chosen for it, as its status has them, and that it still has.
func withChosen(r *v1alpha1.NodePortReservation, kept []int32) *v1alpha1.NodePortReservation {
	r = r.DeepCopy()
	for _, chosen := range r.Status.Ports {
		for i := range r.Spec.Ports {
			if p := &r.Spec.Ports[i]; p.NodePort == 0 && p.Name == chosen.Name && slices.Contains(kept, chosen.NodePort) {
				p.NodePort = chosen.NodePort
			}
		}
	}
	return r
}
