package webhooks

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/decision"
	"github.com/portolan-dev/portolan/internal/metrics"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// serviceValidator judges the final object and claims the numbers that nobody has claimed for it yet.
type serviceValidator struct{ *desk }

// ValidateCreate implements admission.Validator.
func (v *serviceValidator) ValidateCreate(ctx context.Context, svc *corev1.Service) (admission.Warnings, error) {
	return v.judge(ctx, svc, nil)
}

// ValidateUpdate implements admission.Validator.
func (v *serviceValidator) ValidateUpdate(ctx context.Context, old, svc *corev1.Service) (admission.Warnings, error) {
	return v.judge(ctx, svc, old)
}

// ValidateDelete implements admission.Validator. It is not registered: to refuse a Service's deletion would keep
// its namespace from going.
func (v *serviceValidator) ValidateDelete(context.Context, *corev1.Service) (admission.Warnings, error) {
	return nil, nil
}

func (v *serviceValidator) judge(ctx context.Context, svc, old *corev1.Service) (admission.Warnings, error) {
	var warnings admission.Warnings
	err := counted(ctx, "validate", func(ctx context.Context) error {
		q, err := v.question(ctx, svc, old)
		if err != nil {
			return err
		}
		answer := rules.Judge(v.ledger.Chart(), v.ledger, q)
		warnings = answer.Warnings
		v.report(ctx, q, answer.Breaches...)
		if len(answer.Errors) > 0 {
			err = refusal(q, answer.Errors)
		} else {
			err = v.claim(ctx, q, answer)
		}
		if errors.As(err, new(verdict)) {
			v.takeBack(ctx, q)
		}
		if err == nil {
			warnings = append(warnings, v.surprises(ctx, q, answer)...)
		}
		return err
	})
	return warnings, err
}

// takeBack withdraws what the mutating webhook has claimed for a request that is refused after all: until it lapsed it
// would count for the namespace's limit.
func (v *serviceValidator) takeBack(ctx context.Context, q rules.Question) {
	if q.DryRun {
		return
	}
	var keep []int32
	if q.Old != nil {
		keep = serviceports.Numbers(serviceports.Stored(q.Old))
	}
	carried := serviceports.Numbers(serviceports.Stored(q.Service))
	abandoned := slices.DeleteFunc(v.ledger.Abandoned(decision.ServiceOf(q), keep), func(a *v1alpha1.NodePortAllocation) bool {
		n, _ := allocator.NumberOf(a)
		return !slices.Contains(carried, n) // of another request for the same name
	})
	if len(abandoned) == 0 {
		return
	}
	if exists, err := v.exists(ctx, q); err == nil && !exists {
		v.ledger.Withdraw(ctx, abandoned)
	}
}

// claim claims the numbers that are new. Those that the mutating webhook filled in are claimed already; claims of
// an earlier request that came to nothing are withdrawn.
func (v *serviceValidator) claim(ctx context.Context, q rules.Question, answer rules.Answer) error {
	who := decision.Claimant(q)
	open := v.ledger.Unclaimed(who, decision.WithOrigins(q.Service, answer.New))
	if q.DryRun {
		explicit, _ := byOrigin(open) // what Kubernetes picks on a dry-run is made up
		return v.preview(ctx, q, answer, explicit)
	}
	abandoned := v.ledger.Abandoned(who.Service, who.Uses)
	if len(open) == 0 && len(abandoned) == 0 {
		return nil
	}
	if exists, err := v.exists(ctx, q); exists || err != nil {
		return err
	}
	v.ledger.Withdraw(ctx, abandoned)
	if len(open) > rules.MaxClaims {
		return nil
	}
	explicit, picked := byOrigin(open)
	if err := v.claimAll(ctx, who, answer.Pools, explicit); err != nil {
		return v.refused(ctx, q, answer, err)
	}
	// What Kubernetes picked is claimed if it can be; else its Service is reported.
	for i := range picked {
		err := v.claimAll(ctx, who, answer.Pools, picked[i:i+1])
		if _, theirs := allocator.BreachOf(err, v.ledger.Chart(), v.ledger, q, answer.Pools); !theirs && err != nil {
			return fmt.Errorf("claim: %w", err)
		}
	}
	return nil
}

// preview refuses what claim would refuse, and claims nothing.
func (v *serviceValidator) preview(ctx context.Context, q rules.Question, answer rules.Answer, requests []allocator.Request) error {
	if len(requests) == 0 || len(requests) > rules.MaxClaims {
		return nil
	}
	if _, err := v.ledger.Preview(decision.Claimant(q), requests, answer.Pools, true); err != nil {
		return v.refused(ctx, q, answer, err)
	}
	return nil
}

func byOrigin(requests []allocator.Request) (explicit, picked []allocator.Request) {
	for _, r := range requests {
		if r.Origin == v1alpha1.OriginExplicit {
			explicit = append(explicit, r)
		} else {
			picked = append(picked, r)
		}
	}
	return explicit, picked
}

// claimAll claims all of the requests, or none.
func (v *serviceValidator) claimAll(ctx context.Context, who allocator.Claimant, pools []*rules.Pool, requests []allocator.Request) error {
	if len(requests) == 0 {
		return nil
	}
	claim, err := v.ledger.Claim(ctx, who, requests, pools)
	countClaim(claim, err)
	if err != nil {
		return err
	}
	claim.Commit()
	return nil
}

func countClaim(claim *allocator.Claim, err error) {
	if claim != nil {
		metrics.ClaimConflicts.Add(float64(claim.Conflicts))
		metrics.HoldsGivenUp.Add(float64(claim.GivenUp))
	}
	result := "claimed"
	var taken *allocator.TakenError
	var over *allocator.QuotaError
	switch {
	case errors.Is(err, allocator.ErrExhausted):
		result = "exhausted"
	case errors.As(err, &over):
		result = "over_quota"
	case errors.As(err, &taken):
		result = "taken"
	case err != nil:
		result = "failed"
	}
	metrics.Claims.WithLabelValues(result).Inc()
}
