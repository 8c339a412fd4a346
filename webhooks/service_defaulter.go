package webhooks

import (
	"context"
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/decision"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// serviceDefaulter fills in what a Service leaves to be chosen: node ports, a few fields that follow from others, and
// on create the proxy that its pools name. It never rewrites what the user has set.
type serviceDefaulter struct{ *desk }

// Default implements admission.Defaulter.
func (d *serviceDefaulter) Default(ctx context.Context, svc *corev1.Service) error {
	return counted(ctx, "default", func(ctx context.Context) error { return d.fill(ctx, svc) })
}

func (d *serviceDefaulter) fill(ctx context.Context, svc *corev1.Service) error {
	old, err := d.oldService(ctx)
	if err != nil {
		return err
	}
	decision.FillOut(svc, old)
	q, err := d.question(ctx, svc, old)
	if err != nil {
		return err
	}
	exists, err := d.exists(ctx, q)
	if err != nil {
		return err
	}
	answer := decision.Draft(d.ledger, q, exists)
	if len(answer.Errors) > 0 {
		d.report(ctx, q, enforced(answer)...)
		return refusal(q, answer.Errors)
	}
	chosen, err := d.choose(ctx, q, answer, exists)
	switch {
	case errors.Is(err, allocator.ErrExhausted) && !answer.Enforced: // only warned about: Kubernetes picks a number
		d.report(ctx, q, rules.NewBreach(rules.ReasonExhausted, false, rules.Exhausted(d.ledger, q, answer.Pools), answer.Pools...))
		return nil
	case err != nil:
		return d.refused(ctx, q, answer, err)
	}
	serviceports.Set(svc, chosen)
	if old == nil {
		decision.GiveToProxy(d.ledger.Chart(), svc)
	}
	return nil
}

// enforced are the breaches that refuse a Service. What is only warned about the validating webhook reports, if it comes
// as far as that.
func enforced(answer rules.Answer) []rules.Breach {
	return slices.DeleteFunc(slices.Clone(answer.Breaches), func(b rules.Breach) bool { return !b.Enforced })
}

// oldService is the live Service on update, else nil.
func (d *serviceDefaulter) oldService(ctx context.Context) (*corev1.Service, error) {
	raw := requestFrom(ctx).OldObject
	if len(raw.Raw) == 0 {
		return nil, nil
	}
	old := &corev1.Service{}
	return old, d.decoder.DecodeRaw(raw, old)
}

// choose gives numbers to the requests that have none. They are claimed, but on dry-run, and where the Service
// exists: there a number is only needed for the API server to get as far as its AlreadyExists, and it must not be
// one that the live Service has.
func (d *serviceDefaulter) choose(ctx context.Context, q rules.Question, answer rules.Answer, exists bool) ([]serviceports.Request, error) {
	open := decision.ToChoose(q, answer)
	if len(open) == 0 {
		return nil, nil
	}
	if exists || isDryRun(ctx) {
		preview, err := d.ledger.Preview(decision.Claimant(q), open, answer.Pools, !exists)
		if exists && err != nil {
			return nil, nil // one of Kubernetes' own will do
		}
		return preview, err
	}
	claim, err := d.ledger.Claim(ctx, decision.Claimant(q), open, answer.Pools)
	countClaim(claim, err)
	if err != nil {
		return nil, err
	}
	claim.Commit()
	return claim.Requests, nil
}
