package picture

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// UnusedSince is since when nobody has used the number, as far as nodes have counted; false: a Service has not got it, or no
// node counts. Source: condition Idle of NodePortAllocation.
func (n Number) UnusedSince() (since time.Time, known bool) {
	a := n.Allocation
	if a == nil || a.Status.BoundTime == nil {
		return since, false
	}
	idle := meta.FindStatusCondition(a.Status.Conditions, v1alpha1.AllocationIdle)
	switch {
	case idle == nil:
		return since, false
	case idle.Status == metav1.ConditionTrue:
		return idleSince(idle), true
	case a.Status.LastTrafficTime != nil:
		return a.Status.LastTrafficTime.Time, true
	}
	return idle.LastTransitionTime.Time, true
}

// idleSince is the time in which the condition's message ends; that it has been true since is the least.
func idleSince(idle *metav1.Condition) time.Time {
	if words := strings.Fields(idle.Message); len(words) > 0 {
		if at, err := time.Parse(time.RFC3339, words[len(words)-1]); err == nil {
			return at
		}
	}
	return idle.LastTransitionTime.Time
}
