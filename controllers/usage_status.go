package controllers

import (
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
)

// maxNumbers is how many numbers nodePorts lists.
const maxNumbers = 1024

// using is what a namespace has of a pool.
type using struct {
	pool     *rules.Pool // nil: there is none of that name
	selected bool        // the pool selects the namespace
	numbers  []int32     // of the pool, ascending
	held     int         // how many of them are held
	reserved int         // how many of them are reserved, and no Service has them
}

// usingOf counts as the quota does: all claims for the namespace in the numbers that the pool has.
func usingOf(chart *rules.Chart, pool string, labels map[string]string, claims []v1alpha1.NodePortAllocation, now time.Time) using {
	u := using{pool: chart.Pool(pool)}
	if u.pool == nil {
		return u
	}
	u.selected = slices.Contains(chart.PoolsFor(labels), u.pool)
	for i := range claims {
		n, ok := allocator.NumberOf(&claims[i])
		if !ok || !u.pool.Numbers.Contains(n) {
			continue
		}
		u.numbers = append(u.numbers, n)
		switch allocator.StateOf(&claims[i], now) {
		case allocator.Held:
			u.held++
		case allocator.Reserved:
			u.reserved++
		}
	}
	slices.Sort(u.numbers)
	return u
}

// wanted says whether there is anything to report.
func (u using) wanted() bool { return u.pool != nil && (u.selected || len(u.numbers) > 0) }

// usageStatus is the report. Of a pool that is not the namespace's it has no more than the namespace has itself.
func usageStatus(usage *v1alpha1.NodePortUsage, u using, now time.Time) v1alpha1.NodePortUsageStatus {
	status := v1alpha1.NodePortUsageStatus{
		Conditions: slices.Clone(usage.Status.Conditions),
		Used:       int32(len(u.numbers)), //nolint:gosec // a count of ports
		NodePorts:  u.numbers[:min(len(u.numbers), maxNumbers)],
	}
	if u.selected {
		status.Ranges = rules.NewRanges(u.pool.Spec.Ranges).Join(",")
		status.Limit = u.pool.Spec.MaxPortsPerNamespace
	}
	setCondition(&status.Conditions, u.ready(), usage.Generation, now)
	return status
}

func (u using) ready() metav1.Condition {
	ready := metav1.Condition{Type: v1alpha1.UsageReady, Status: metav1.ConditionFalse}
	full, message := u.limit()
	switch {
	case !u.selected:
		ready.Reason, ready.Message = v1alpha1.UsageReasonNothingNew, "the pool does not serve this namespace: what is in use stays"
	case u.pool.Spec.Allocation == v1alpha1.AllocationNone || u.pool.Overlaps != "" || len(u.pool.Numbers) == 0:
		ready.Reason, ready.Message = v1alpha1.UsageReasonNothingNew, "the pool hands out nothing new: what is in use stays"
	case full:
		ready.Reason, ready.Message = v1alpha1.UsageReasonLimitReached, message
	default:
		ready.Status, ready.Reason, ready.Message = metav1.ConditionTrue, v1alpha1.UsageReasonWithinLimit, message
	}
	return ready
}

// limit says whether the namespace may have no more: its holds make room.
func (u using) limit() (full bool, message string) {
	used := len(u.numbers)
	limit := u.pool.Spec.MaxPortsPerNamespace
	switch promises, unbound := u.pool.Allowance(); {
	case limit != nil:
		full, message = used-u.held >= int(*limit), fmt.Sprintf("used are %d of %d", used, *limit)
	case unbound && u.reserved >= promises:
		return true, fmt.Sprintf("%d are reserved that no Service carries: there may be no more of these", u.reserved)
	default:
		message = fmt.Sprintf("used are %d, there is no limit", used)
	}
	if u.held > 0 {
		message += fmt.Sprintf("; %d of them are held for Services that have gone, and make room for others", u.held)
	}
	return full, message
}
