package webhooks

import (
	"context"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
)

// reservationValidator refuses nothing: what is in a reservation's way today may be gone tomorrow. It says at once what
// the reservation's condition is going to say.
type reservationValidator struct{ *desk }

// ValidateCreate implements admission.Validator.
func (v *reservationValidator) ValidateCreate(ctx context.Context, r *v1alpha1.NodePortReservation) (admission.Warnings, error) {
	return v.foretell(ctx, r)
}

// ValidateUpdate implements admission.Validator.
func (v *reservationValidator) ValidateUpdate(ctx context.Context, old, r *v1alpha1.NodePortReservation) (admission.Warnings, error) {
	if equality.Semantic.DeepEqual(old.Spec, r.Spec) {
		return nil, nil
	}
	return v.foretell(ctx, r)
}

// ValidateDelete implements admission.Validator; it is not registered.
func (v *reservationValidator) ValidateDelete(context.Context, *v1alpha1.NodePortReservation) (admission.Warnings, error) {
	return nil, nil
}

func (v *reservationValidator) foretell(ctx context.Context, r *v1alpha1.NodePortReservation) (admission.Warnings, error) {
	labels, err := v.namespaceLabels(ctx)
	if err != nil {
		fail(ctx, err)
		return nil, err
	}
	kept := v.ledger.Reserved(client.ObjectKeyFromObject(r))
	q := rules.ReservationQuestion(withChosen(r, kept), kept, labels, v.clock.Now())
	answer := rules.Judge(v.ledger.Chart(), v.ledger, q)
	warnings := admission.Warnings(answer.Warnings)
	for _, err := range append(answer.Errors, v.refusals(q, answer)...) {
		warnings = append(warnings, "not reserved: "+err.Error())
	}
	return warnings, nil
}

// refusals are why what the rules allow could not be claimed now.
func (v *reservationValidator) refusals(q rules.Question, answer rules.Answer) field.ErrorList {
	open := withOrigin(v1alpha1.OriginAutomatic, rules.Promises(answer.Claimable()))
	if len(open) == 0 {
		return nil
	}
	claimant := allocator.Claimant{Service: serviceOf(q), Reservation: q.Reservation}
	_, err := v.ledger.Preview(claimant, open, answer.Pools, true)
	if b, theirs := allocator.BreachOf(err, v.ledger.Chart(), v.ledger, q, answer.Pools); theirs {
		return field.ErrorList{b.Err}
	}
	return nil
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
