package controllers

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

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

// refusals are what the rules have against a reservation.
func refusals(answer rules.Answer) []problem {
	var problems []problem
	for _, b := range answer.Breaches {
		reason := v1alpha1.ReservationReasonNotAllowed
		if b.Reason == rules.ReasonTaken {
			reason = v1alpha1.ReservationReasonNumberTaken
		}
		if b.Enforced {
			problems = append(problems, problem{reason, b.Err.Error()})
		}
	}
	return problems
}

// refusalOf is why a number could not be claimed, in the words that a Service would be refused with; false where it
// is an error of ours.
func refusalOf(l rules.Ledger, q rules.Question, answer rules.Answer, err error) (problem, bool) {
	var taken *allocator.TakenError
	var over *allocator.QuotaError
	var text *field.Error
	reason := v1alpha1.ReservationReasonNumberTaken
	switch {
	case errors.As(err, &taken):
		text = rules.Taken(l, q, answer.Pools, taken.Request, taken.Holder)
	case errors.Is(err, allocator.ErrExhausted):
		text = rules.Exhausted(l, q, answer.Pools)
	case errors.As(err, &over):
		reason, text = v1alpha1.ReservationReasonQuotaExceeded, over.Refusal(q.Namespace)
	default:
		return problem{}, false
	}
	return problem{reason, text.Error()}, true
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
	ready.ObservedGeneration = p.reservation.Generation
	ready.LastTransitionTime = metav1.NewTime(now).Rfc3339Copy()
	meta.SetStatusCondition(&status.Conditions, ready)
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
