package controllers

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
)

// maxConflicts is how many Services conflictsWith lists.
const maxConflicts = 16

// statusFor derives an allocation's status from it and from the Services that carry its number.
func statusFor(o observed) v1alpha1.NodePortAllocationStatus {
	status := *o.allocation.Status.DeepCopy()
	conflicts := o.conflictsWith()
	bound := boundCondition(o, len(conflicts))
	before := meta.FindStatusCondition(status.Conditions, v1alpha1.AllocationBound)
	switch {
	case bound.Status == metav1.ConditionFalse:
		status.BoundTime = nil
	case before == nil || before.Status != metav1.ConditionTrue || status.BoundTime == nil || o.changedHands():
		status.BoundTime = &bound.LastTransitionTime
	}
	status.Protocols = protocols(o.allocation.Spec.Ports)
	status.ConflictsWith = conflicts[:min(len(conflicts), maxConflicts)]
	meta.SetStatusCondition(&status.Conditions, bound)
	setNodes(&status, o)
	setUse(&status, o)
	return status
}

// conflictsWith are the other Services that carry the number, the oldest first.
func (o observed) conflictsWith() []v1alpha1.ServiceReference {
	var others []v1alpha1.ServiceReference
	for _, svc := range o.carriers {
		if nameOf(svc) != allocator.OwnerOf(o.allocation) {
			others = append(others, v1alpha1.ServiceReference{Namespace: svc.Namespace, Name: svc.Name})
		}
	}
	return others
}

// changedHands says whether another Service, or another life of it, has the number than when the status was written.
func (o observed) changedHands() bool {
	owner, status := o.owner(), &o.allocation.Status
	return slices.Contains(status.ConflictsWith, o.allocation.Spec.ServiceRef) ||
		owner != nil && status.BoundTime.Before(&owner.CreationTimestamp)
}

func boundCondition(o observed, conflicts int) metav1.Condition {
	a := o.allocation
	c := metav1.Condition{
		Type:               v1alpha1.AllocationBound,
		Status:             metav1.ConditionFalse,
		ObservedGeneration: a.Generation,
		LastTransitionTime: metav1.NewTime(o.now).Rfc3339Copy(),
	}
	service := allocator.OwnerOf(a)
	switch state := allocator.StateOf(a, o.now); {
	case state == allocator.Bound && conflicts > 0:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.AllocationReasonConflict
		c.Message = fmt.Sprintf("Service %s has the number; Services that carry it too: %d%s", service, conflicts, o.advice)
	case state == allocator.Bound:
		c.Status, c.Reason = metav1.ConditionTrue, v1alpha1.AllocationReasonInUse
		c.Message = fmt.Sprintf("Service %s has the number", service)
	case state == allocator.Held:
		c.Reason = v1alpha1.AllocationReasonHeld
		c.Message = fmt.Sprintf("kept for Service %s until %s", service, a.Spec.HoldUntil.UTC().Format("2006-01-02T15:04:05Z"))
	case state == allocator.Reserved:
		c.Reason = v1alpha1.AllocationReasonReserved
		c.Message = fmt.Sprintf("reserved for Service %s by NodePortReservation %q", service, a.Spec.ReservationName)
	default:
		c.Reason = v1alpha1.AllocationReasonPending
		c.Message = fmt.Sprintf("claimed for Service %s, which has not appeared yet", service)
	}
	return c
}

// protocols is "TCP,UDP".
func protocols(ports []v1alpha1.AllocatedPort) string {
	var names []string
	for _, p := range ports {
		if p.Protocol != "" { // else it is reserved for an entry that has not been seen yet
			names = append(names, string(p.Protocol))
		}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ",")
}
