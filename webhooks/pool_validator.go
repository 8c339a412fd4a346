package webhooks

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
)

// poolValidator refuses what a pool's schema cannot: ranges of another pool or outside the cluster's range, and a
// selector that cannot be read. Only what is new is judged.
type poolValidator struct {
	ledger *allocator.Ledger
	cached client.Reader
}

// ValidateCreate implements admission.Validator.
func (v *poolValidator) ValidateCreate(ctx context.Context, pool *v1alpha1.NodePortPool) (admission.Warnings, error) {
	return v.judge(ctx, pool, &v1alpha1.NodePortPool{})
}

// ValidateUpdate implements admission.Validator.
func (v *poolValidator) ValidateUpdate(ctx context.Context, old, pool *v1alpha1.NodePortPool) (admission.Warnings, error) {
	return v.judge(ctx, pool, old)
}

// ValidateDelete implements admission.Validator; it is not registered.
func (v *poolValidator) ValidateDelete(context.Context, *v1alpha1.NodePortPool) (admission.Warnings, error) {
	return nil, nil
}

func (v *poolValidator) judge(ctx context.Context, pool, old *v1alpha1.NodePortPool) (admission.Warnings, error) {
	if !v.ledger.Ready() {
		fail(ctx, allocator.ErrNotReady)
		return nil, allocator.ErrNotReady
	}
	others := &v1alpha1.NodePortPoolList{}
	if err := v.cached.List(ctx, others); err != nil {
		fail(ctx, err)
		return nil, fmt.Errorf("list pools: %w", err)
	}
	spec := field.NewPath("spec")
	errs := metav1validation.ValidateLabelSelector(&pool.Spec.NamespaceSelector,
		metav1validation.LabelSelectorValidationOptions{}, spec.Child("namespaceSelector"))
	for i, r := range pool.Spec.Ranges {
		if !slices.Contains(old.Spec.Ranges, r) {
			errs = append(errs, v.rangeErrors(pool, r, others.Items, spec.Child("ranges").Index(i))...)
		}
	}
	if len(errs) == 0 {
		return nil, nil
	}
	return nil, apierrors.NewInvalid(v1alpha1.GroupVersion.WithKind("NodePortPool").GroupKind(), pool.Name, errs)
}

func (v *poolValidator) rangeErrors(pool *v1alpha1.NodePortPool, r v1alpha1.PortRange, others []v1alpha1.NodePortPool, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	own := rules.Ranges{r}
	cluster := rules.Ranges{v.ledger.Chart().ClusterRange()}
	if outside := own.Subtract(cluster); len(outside) > 0 {
		errs = append(errs, field.Invalid(path, own.String(),
			fmt.Sprintf("%s is outside the cluster's node port range %s", outside, cluster)))
	}
	for _, other := range others {
		if common := own.Intersect(rules.NewRanges(other.Spec.Ranges)); other.Name != pool.Name && len(common) > 0 {
			errs = append(errs, field.Invalid(path, own.String(), fmt.Sprintf("overlaps pool %q in %s", other.Name, common)))
		}
	}
	return errs
}
