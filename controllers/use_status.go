package controllers

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/fleet"
)

// A number is idle when nobody has used it for so long, of which nodes counted all the time. That is known of a node as
// long as it reports; when it goes others have gone on. So what has been counted is kept in the allocation: its condition
// Idle is there for as long as somebody counts, and is False since when somebody did at the latest.

// setUse says in an allocation's status, in which the Service is settled, when its number was last used and whether it is
// idle. What another Service did with it is nothing to this one.
func setUse(status *v1alpha1.NodePortAllocationStatus, o observed) {
	if status.LastTrafficTime.Before(status.BoundTime) {
		status.LastTrafficTime = nil
	}
	before := meta.FindStatusCondition(status.Conditions, v1alpha1.AllocationIdle)
	wasIdle := before != nil && before.Status == metav1.ConditionTrue
	if at := o.traffic(status); at != nil && (wasIdle || o.trafficWait(status) <= 0) {
		status.LastTrafficTime = at
	}
	if status.BoundTime == nil || o.used.Since.IsZero() || o.idleAfter == 0 {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.AllocationIdle)
		return
	}
	setCondition(&status.Conditions, idleCondition(status, o), o.allocation.Generation, o.now)
}

// traffic is when the number was last used by the present Service's clients, where that is later than the status says.
func (o observed) traffic(status *v1alpha1.NodePortAllocationStatus) *metav1.Time {
	at := metav1.NewTime(o.used.Last).Rfc3339Copy()
	if at.IsZero() || at.Before(status.BoundTime) || status.LastTrafficTime != nil && !status.LastTrafficTime.Before(&at) {
		return nil
	}
	return &at
}

// trafficWait is how long it is until a use of the number may be written for itself.
func (o observed) trafficWait(status *v1alpha1.NodePortAllocationStatus) time.Duration {
	if status.LastTrafficTime == nil {
		return 0
	}
	return status.LastTrafficTime.Add(fleet.TrafficInterval).Sub(o.now)
}

// quiet is since when nobody has used the number, and of that since when nodes have counted.
func (o observed) quiet(status *v1alpha1.NodePortAllocationStatus) (unused, counted time.Time) {
	unused = status.BoundTime.Time
	for _, at := range []*metav1.Time{status.LastTrafficTime, o.traffic(status)} {
		if at != nil && at.After(unused) {
			unused = at.Time
		}
	}
	counted = o.used.Since
	c := meta.FindStatusCondition(status.Conditions, v1alpha1.AllocationIdle)
	if c != nil && c.Status == metav1.ConditionFalse && c.LastTransitionTime.Time.Before(counted) {
		counted = c.LastTransitionTime.Time
	}
	if counted.Before(unused) {
		counted = unused
	}
	return unused, counted
}

func idleCondition(status *v1alpha1.NodePortAllocationStatus, o observed) metav1.Condition {
	unused, counted := o.quiet(status)
	c := metav1.Condition{Type: v1alpha1.AllocationIdle, Status: metav1.ConditionFalse}
	before := meta.FindStatusCondition(status.Conditions, v1alpha1.AllocationIdle)
	switch {
	case before != nil && before.Status == metav1.ConditionTrue && !unused.After(before.LastTransitionTime.Time) && !o.now.Before(unused.Add(o.idleAfter)):
		c = *before // however long nodes have counted that are left
	case !o.now.Before(counted.Add(o.idleAfter)):
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.AllocationReasonNoTraffic
		c.Message = fmt.Sprintf("nobody has used the number since %s", counted.UTC().Format(time.RFC3339))
	case status.LastTrafficTime != nil:
		c.Reason, c.Message = v1alpha1.AllocationReasonTraffic, "the number has been used"
	default:
		c.Reason, c.Message = v1alpha1.AllocationReasonTooEarly, "nobody has used the number yet, and not for long enough to call it idle"
	}
	return c
}

// useAgain is when to look again at a number's use, of which this is the status; 0: when there is news.
func (o observed) useAgain(status *v1alpha1.NodePortAllocationStatus) time.Duration {
	var again time.Duration
	if o.traffic(status) != nil {
		again = o.trafficWait(status)
	}
	c := meta.FindStatusCondition(status.Conditions, v1alpha1.AllocationIdle)
	if c != nil && c.Status == metav1.ConditionFalse {
		_, counted := o.quiet(status)
		again = sooner(again, counted.Add(o.idleAfter).Sub(o.now))
	}
	return again
}
