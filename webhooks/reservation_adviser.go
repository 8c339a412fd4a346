package webhooks

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/decision"
)

// reservationAdviser says at once what the reservation's condition is going to say. What is in its way today may be gone
// tomorrow.
func reservationAdviser(d *desk) adviser[*v1alpha1.NodePortReservation] {
	return adviser[*v1alpha1.NodePortReservation]{
		warn: func(ctx context.Context, r *v1alpha1.NodePortReservation) (admission.Warnings, error) {
			labels, err := d.namespaceLabels(ctx)
			if err != nil {
				return nil, err
			}
			return decision.ForetellReservation(d.ledger, r, labels, d.clock.Now()).Texts(), nil
		},
		specOf: func(r *v1alpha1.NodePortReservation) any { return r.Spec },
	}
}
