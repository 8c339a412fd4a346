package controllers

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// problem is why a reservation is not ready: a reason of its condition, and what is the matter.
type problem struct{ reason, text string }

// worstFirst is which reason the condition has where there are several.
var worstFirst = []string{
	v1alpha1.ReservationReasonNotAllowed, v1alpha1.ReservationReasonNumberTaken,
	v1alpha1.ReservationReasonQuotaExceeded, v1alpha1.ReservationReasonPoolMissing,
}

// reasons of the condition by the rule that is broken; any other means that the number is not allowed.
var reasons = map[rules.Reason]string{
	rules.ReasonTaken:         v1alpha1.ReservationReasonNumberTaken,
	rules.ReasonExhausted:     v1alpha1.ReservationReasonNumberTaken,
	rules.ReasonQuotaExceeded: v1alpha1.ReservationReasonQuotaExceeded,
}

// problemsOf are what the rules have against a reservation, in the words that its Service would be refused with.
func problemsOf(breaches ...rules.Breach) []problem {
	var problems []problem
	for _, b := range breaches {
		if b.Enforced {
			problems = append(problems, problem{cmp.Or(reasons[b.Reason], v1alpha1.ReservationReasonNotAllowed), b.Err.Error()})
		}
	}
	return problems
}

// poolsMissing are the numbers that are kept though their pool has been deleted, and no other of the namespace's has
// them.
func (o reserving) poolsMissing(p *promise) []problem {
	var problems []problem
	for _, n := range p.kept {
		claim := o.claims[n]
		if claim == nil || claim.Spec.PoolName == "" || o.chart.Pool(claim.Spec.PoolName) != nil {
			continue
		}
		if now := o.chart.PoolOf(n); now != nil && !now.Commons() && slices.Contains(o.chart.PoolsFor(o.namespace.Labels), now) {
			continue
		}
		problems = append(problems, problem{v1alpha1.ReservationReasonPoolMissing,
			fmt.Sprintf("%d is kept, but its pool %q has been deleted", n, claim.Spec.PoolName)})
	}
	return problems
}

// reservationStatus is what is kept, and what is in the way of the rest.
func reservationStatus(p *promise, problems []problem, now time.Time) v1alpha1.NodePortReservationStatus {
	spec := &p.reservation.Spec
	status := v1alpha1.NodePortReservationStatus{Conditions: slices.Clone(p.reservation.Status.Conditions)}
	for _, port := range spec.Ports {
		if slices.Contains(p.kept, port.NodePort) {
			status.Ports = append(status.Ports, v1alpha1.ReservedPortStatus(port))
		}
	}
	if slices.Contains(p.kept, spec.HealthCheckNodePort) {
		status.HealthCheckNodePort = spec.HealthCheckNodePort
	}
	var kept []string
	for _, n := range serviceports.Numbers(p.requests()) {
		if slices.Contains(p.kept, n) {
			kept = append(kept, allocator.NameOf(n))
		}
	}
	status.NodePorts = strings.Join(kept, ",")
	ready := reservationReady(problems, fmt.Sprintf("kept for Service %q: %s", spec.ServiceName, strings.Join(kept, ", ")))
	setCondition(&status.Conditions, ready, p.reservation.Generation, now)
	return status
}

func reservationReady(problems []problem, kept string) metav1.Condition {
	ready := metav1.Condition{Type: v1alpha1.ReservationReady, Status: metav1.ConditionTrue,
		Reason: v1alpha1.ReservationReasonReserved, Message: kept}
	if len(problems) == 0 {
		return ready
	}
	worst := slices.MinFunc(problems, func(a, b problem) int {
		return cmp.Compare(slices.Index(worstFirst, a.reason), slices.Index(worstFirst, b.reason))
	})
	var texts []string
	for _, p := range problems {
		if !slices.Contains(texts, p.text) {
			texts = append(texts, p.text)
		}
	}
	ready.Status, ready.Reason, ready.Message = metav1.ConditionFalse, worst.reason, strings.Join(texts, "; ")
	return ready
}
