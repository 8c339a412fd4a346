package rules

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// misplaced is the error of a number that the namespace may not use, and whether it is enforced.
func (j *judge) misplaced(r serviceports.Request) (err *field.Error, enforced bool) {
	pool := j.chart.PoolOf(r.NodePort)
	mine := pool != nil && slices.Contains(j.pools, pool)
	switch {
	case pool == nil:
		// The API server's own words; it would refuse next.
		return field.Invalid(r.Path(), r.NodePort, fmt.Sprintf(
			"provided port is not in the valid range. The range of valid ports is %s", Ranges{j.chart.clusterRange}.Join(","))), true
	case !mine:
		return field.Invalid(r.Path(), r.NodePort, j.notInRanges()), j.confined() || !pool.Commons() && pool.enforces()
	case j.named != nil && pool != j.named:
		return field.Invalid(r.Path(), r.NodePort, fmt.Sprintf(
			"in pool %q, but the annotation %s names pool %q", pool.Name, v1alpha1.PoolAnnotation, j.named.Name)), pool.enforces()
	}
	return nil, false
}

// Misplaced are the numbers of a live Service that its namespace would not be given today: it had them before
// Portolan or the pool came, or before a selector, a label or a range changed. It keeps them.
func Misplaced(c *Chart, q Question) field.ErrorList {
	j := judge{chart: c, ledger: nothingFree{}, Question: q, pools: c.PoolsFor(q.NamespaceLabels)}
	j.answer.Pools = j.pools
	var errs field.ErrorList
	for _, r := range serviceports.Requests(q.Service) {
		if r.NodePort == 0 {
			continue
		}
		if err, _ := j.misplaced(r); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// notInRanges tells which numbers the namespace may use. Those of no pool are not listed: the gaps between them
// would show every other team's.
func (j *judge) notInRanges() string {
	mine := numbersOf(j.pools)
	switch {
	case len(mine) == 0:
		return noNumbers(j.Namespace)
	case j.pools[0].Commons():
		return fmt.Sprintf("in a pool that does not serve namespace %q%s", j.Namespace, freeNow(j.ledger, j.answer.Pools))
	}
	return fmt.Sprintf("not in the node port ranges of namespace %q: %s%s", j.Namespace, mine, freeNow(j.ledger, j.answer.Pools))
}

func numbersOf(pools []*Pool) Ranges {
	var all []v1alpha1.PortRange
	for _, p := range pools {
		all = append(all, p.Numbers...)
	}
	return NewRanges(all)
}

// nothingFree is a ledger that suggests nothing: a report does not change with what is free.
type nothingFree struct{ Ledger }

func (nothingFree) FreeNumbers(*Pool, int) []int32 { return nil }
