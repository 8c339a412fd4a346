package rules

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// misplaced is the breach of a number that the namespace may not use; nil: it may.
func (j *judge) misplaced(r serviceports.Request) *Breach {
	pool := j.chart.PoolOf(r.NodePort)
	switch {
	case pool == nil:
		// The API server's own words; it would refuse next.
		return new(NewBreach(ReasonOutsideClusterRange, true, field.Invalid(r.Path(), r.NodePort, fmt.Sprintf(
			"provided port is not in the valid range. The range of valid ports is %s", Ranges{j.chart.clusterRange}.Join(",")))))
	case !slices.Contains(j.pools, pool):
		return new(j.notMine(r, pool))
	case j.named != nil && pool != j.named:
		return new(NewBreach(ReasonNotInNamedPool, pool.Enforces(), field.Invalid(r.Path(), r.NodePort, fmt.Sprintf(
			"in pool %q, but %s names pool %q", pool.Name, j.namedBy(), j.named.Name)), pool))
	}
	return nil
}

func (j *judge) namedBy() string {
	if j.Reservation != "" {
		return "spec.poolName"
	}
	return "the annotation " + v1alpha1.PoolAnnotation
}

// notMine is the breach of a number of a pool, or of none, that is not the namespace's.
func (j *judge) notMine(r serviceports.Request, pool *Pool) Breach {
	reason := ReasonForeignPool
	if pool.Commons() {
		reason = ReasonOutsideRanges
	}
	b := NewBreach(reason, false, field.Invalid(r.Path(), r.NodePort, j.notInRanges()), append(slices.Clip(j.pools), pool)...)
	b.Enforced = slices.ContainsFunc(b.Pools, (*Pool).Enforces)
	return b
}

// notInRanges tells which numbers the namespace may use. Those of no pool are not listed: the gaps between them
// would show every other team's.
func (j *judge) notInRanges() string {
	mine := numbersOf(j.pools)
	switch {
	case len(mine) == 0:
		return noNumbers(j.Namespace)
	case j.pools[0].Commons():
		return fmt.Sprintf("in a pool that does not serve namespace %q%s", j.Namespace, freeNow(j.ledger, j.Namespace, j.answer.Pools))
	}
	return fmt.Sprintf("not in the node port ranges of namespace %q: %s%s", j.Namespace, mine, freeNow(j.ledger, j.Namespace, j.answer.Pools))
}

func numbersOf(pools []*Pool) Ranges {
	var all []v1alpha1.PortRange
	for _, p := range pools {
		all = append(all, p.Numbers...)
	}
	return NewRanges(all)
}
