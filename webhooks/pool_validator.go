package webhooks

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
)

// poolValidator refuses what a pool's schema cannot: ranges of another pool or outside the cluster's range, and a
// selector that cannot be read. Only what is new is judged. What a change means for live Services it warns of.
type poolValidator struct {
	ledger *allocator.Ledger
	cached client.Reader
	clock  clock.PassiveClock
}

// ValidateCreate implements admission.Validator.
func (v *poolValidator) ValidateCreate(ctx context.Context, pool *v1alpha1.NodePortPool) (admission.Warnings, error) {
	return v.judge(ctx, nil, pool)
}

// ValidateUpdate implements admission.Validator.
func (v *poolValidator) ValidateUpdate(ctx context.Context, old, pool *v1alpha1.NodePortPool) (admission.Warnings, error) {
	return v.judge(ctx, old, pool)
}

// ValidateDelete implements admission.Validator. It only warns.
func (v *poolValidator) ValidateDelete(ctx context.Context, pool *v1alpha1.NodePortPool) (admission.Warnings, error) {
	return v.judge(ctx, pool, nil)
}

// judge decides about a pool that is made (old is nil), changed or deleted (pool is nil).
func (v *poolValidator) judge(ctx context.Context, old, pool *v1alpha1.NodePortPool) (admission.Warnings, error) {
	if !v.ledger.Ready() {
		fail(ctx, allocator.ErrNotReady)
		return nil, allocator.ErrNotReady
	}
	pools := &v1alpha1.NodePortPoolList{}
	if err := v.cached.List(ctx, pools); err != nil {
		fail(ctx, err)
		return nil, fmt.Errorf("list pools: %w", err)
	}
	others := slices.DeleteFunc(pools.Items, func(p v1alpha1.NodePortPool) bool {
		return old != nil && p.Name == old.Name || pool != nil && p.Name == pool.Name
	})
	if errs := rules.PoolErrors(v.ledger.Chart().ClusterRange(), old, pool, others); len(errs) > 0 {
		return nil, apierrors.NewInvalid(v1alpha1.GroupVersion.WithKind("NodePortPool").GroupKind(), pool.Name, errs)
	}
	warnings, err := v.warnings(ctx, old, pool, others)
	if err != nil {
		fail(ctx, err)
	}
	return warnings, err
}
