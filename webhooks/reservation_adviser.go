package webhooks

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/decision"
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
	return decision.ForetellReservation(v.ledger, r, labels, v.clock.Now()).Texts(), nil
}
