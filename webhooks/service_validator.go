package webhooks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/metrics"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// serviceValidator judges the final object and claims the numbers that nobody has claimed for it yet.
type serviceValidator struct{ *desk }

// ValidateCreate implements admission.Validator.
func (v *serviceValidator) ValidateCreate(ctx context.Context, svc *corev1.Service) (admission.Warnings, error) {
	return v.decide(ctx, svc, nil)
}

// ValidateUpdate implements admission.Validator.
func (v *serviceValidator) ValidateUpdate(ctx context.Context, old, svc *corev1.Service) (admission.Warnings, error) {
	return v.decide(ctx, svc, old)
}

// ValidateDelete implements admission.Validator. It is not registered: to refuse a Service's deletion would keep
// its namespace from going.
func (v *serviceValidator) ValidateDelete(context.Context, *corev1.Service) (admission.Warnings, error) {
	return nil, nil
}

func (v *serviceValidator) decide(ctx context.Context, svc, old *corev1.Service) (admission.Warnings, error) {
	var warnings admission.Warnings
	err := decide(ctx, "validate", func(ctx context.Context) error {
		q, err := v.question(ctx, svc, old)
		if err != nil {
			return err
		}
		answer := rules.Judge(v.ledger.Chart(), v.ledger, q)
		warnings = answer.Warnings
		errs := answer.Errors
		if isDryRun(ctx) {
			errs, warnings = withoutDummies(q, errs, warnings)
		} else if len(errs) == 0 {
			errs, err = v.claim(ctx, q, answer)
		}
		if err == nil && len(errs) > 0 {
			err = refusal(q, errs)
		}
		return err
	})
	return warnings, err
}

// withoutDummies leaves out what is wrong with numbers that the API server has made up for a dry-run: it picks
// none then, and answers with the ones above the highest explicit number, or from 32769.
func withoutDummies(q rules.Question, errs field.ErrorList, warnings admission.Warnings) (field.ErrorList, admission.Warnings) {
	set := serviceports.UserSet(q.Service)
	dummies := map[string]bool{}
	for _, r := range serviceports.Requests(q.Service) {
		dummies[r.Path().String()] = !set(r)
	}
	errs = slices.DeleteFunc(errs, func(err *field.Error) bool { return dummies[err.Field] })
	warnings = slices.DeleteFunc(warnings, func(warning string) bool {
		path, _, _ := strings.Cut(warning, ": ")
		return dummies[path]
	})
	return errs, warnings
}

// claim claims the numbers that are new. Those that the mutating webhook filled in are claimed already; claims of
// an earlier request that came to nothing are withdrawn.
func (v *serviceValidator) claim(ctx context.Context, q rules.Question, answer rules.Answer) (field.ErrorList, error) {
	who := claimant(q)
	v.ledger.Withdraw(ctx, who.Service, who.Uses)
	open := v.ledger.Unclaimed(who, withOrigins(q.Service, answer.New))
	if len(open) == 0 || len(open) > maxClaims {
		return nil, nil
	}
	if exists, err := v.exists(ctx, q); exists || err != nil {
		return nil, err
	}
	claim, err := v.ledger.Claim(ctx, who, open, answer.Pools)
	countClaim(err)
	var taken *allocator.TakenError
	switch {
	case errors.As(err, &taken):
		return field.ErrorList{rules.Taken(v.ledger, q, answer.Pools, taken.Request, taken.Holder)}, nil
	case err != nil:
		return nil, fmt.Errorf("claim: %w", err)
	}
	claim.Commit()
	return nil, nil
}

// withOrigins tells the user's own numbers from those that the API server picked.
func withOrigins(svc *corev1.Service, requests []serviceports.Request) []allocator.Request {
	claims := withOrigin(v1alpha1.OriginAutomatic, requests)
	set := serviceports.UserSet(svc)
	for i := range claims {
		if set(claims[i].Request) {
			claims[i].Origin = v1alpha1.OriginExplicit
		}
	}
	return claims
}

func countClaim(err error) {
	result := "claimed"
	var taken *allocator.TakenError
	switch {
	case errors.Is(err, allocator.ErrExhausted):
		result = "exhausted"
	case errors.As(err, &taken):
		result = "taken"
	case err != nil:
		result = "failed"
	}
	metrics.Claims.WithLabelValues(result).Inc()
}
