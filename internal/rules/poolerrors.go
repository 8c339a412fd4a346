package rules

import (
	"fmt"
	"slices"

	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// PoolErrors refuse what a pool's schema cannot: ranges of another pool or outside the cluster's range, and a selector
// that cannot be read. Only what is new is judged. Old is nil where the pool is made, pool where it is deleted; others are
// all other pools.
func PoolErrors(clusterRange v1alpha1.PortRange, old, pool *v1alpha1.NodePortPool, others []v1alpha1.NodePortPool) field.ErrorList {
	if pool == nil {
		return nil
	}
	spec := field.NewPath("spec")
	errs := metav1validation.ValidateLabelSelector(&pool.Spec.NamespaceSelector,
		metav1validation.LabelSelectorValidationOptions{}, spec.Child("namespaceSelector"))
	for i, r := range pool.Spec.Ranges {
		if old == nil || !slices.Contains(old.Spec.Ranges, r) {
			errs = append(errs, rangeErrors(clusterRange, r, others, spec.Child("ranges").Index(i))...)
		}
	}
	return errs
}

func rangeErrors(clusterRange v1alpha1.PortRange, r v1alpha1.PortRange, others []v1alpha1.NodePortPool, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	own := Ranges{r}
	cluster := Ranges{clusterRange}
	if outside := own.Subtract(cluster); len(outside) > 0 {
		errs = append(errs, field.Invalid(path, own.String(),
			fmt.Sprintf("%s is outside the cluster's node port range %s", outside, cluster)))
	}
	for _, other := range others {
		if common := own.Intersect(NewRanges(other.Spec.Ranges)); len(common) > 0 {
			errs = append(errs, field.Invalid(path, own.String(), fmt.Sprintf("overlaps pool %q in %s", other.Name, common)))
		}
	}
	return errs
}
