package webhooks

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
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
	if errs := v.errors(old, pool, others); len(errs) > 0 {
		return nil, apierrors.NewInvalid(v1alpha1.GroupVersion.WithKind("NodePortPool").GroupKind(), pool.Name, errs)
	}
	warnings, err := v.warnings(ctx, old, pool, others)
	if err != nil {
		fail(ctx, err)
	}
	return warnings, err
}

func (v *poolValidator) errors(old, pool *v1alpha1.NodePortPool, others []v1alpha1.NodePortPool) field.ErrorList {
	if pool == nil {
		return nil
	}
	spec := field.NewPath("spec")
	errs := metav1validation.ValidateLabelSelector(&pool.Spec.NamespaceSelector,
		metav1validation.LabelSelectorValidationOptions{}, spec.Child("namespaceSelector"))
	for i, r := range pool.Spec.Ranges {
		if old == nil || !slices.Contains(old.Spec.Ranges, r) {
			errs = append(errs, v.rangeErrors(r, others, spec.Child("ranges").Index(i))...)
		}
	}
	return errs
}

func (v *poolValidator) rangeErrors(r v1alpha1.PortRange, others []v1alpha1.NodePortPool, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	own := rules.Ranges{r}
	cluster := rules.Ranges{v.ledger.Chart().ClusterRange()}
	if outside := own.Subtract(cluster); len(outside) > 0 {
		errs = append(errs, field.Invalid(path, own.String(),
			fmt.Sprintf("%s is outside the cluster's node port range %s", outside, cluster)))
	}
	for _, other := range others {
		if common := own.Intersect(rules.NewRanges(other.Spec.Ranges)); len(common) > 0 {
			errs = append(errs, field.Invalid(path, own.String(), fmt.Sprintf("overlaps pool %q in %s", other.Name, common)))
		}
	}
	return errs
}
