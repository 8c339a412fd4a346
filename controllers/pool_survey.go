package controllers

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// finding is a live Service that breaks rules of a pool.
type finding struct {
	service types.NamespacedName
	what    []string // numbers, or the reason where it is not about a number
	// remedies are how it gets others in the place of the numbers.
	remedies []remedy
}

// String is "shop/web (31000, 31001)".
func (f finding) String() string {
	return fmt.Sprintf("%s (%s)", f.service, strings.Join(f.what, ", "))
}

// survey is the live Services that break rules, by the pool whose rules they are; sorted.
type survey map[string][]finding

// take adds what a Service, of a namespace with these labels, breaks.
func (s survey) take(svc *corev1.Service, labels map[string]string, breaches []rules.Breach) {
	for _, b := range breaches {
		what, remedies := string(b.Reason), []remedy(nil)
		if number, ok := b.Err.BadValue.(int32); ok {
			what, remedies = fmt.Sprint(number), remediesFor(nameOf(svc), labels, serviceports.Requests(svc), number)
		}
		for _, p := range b.Pools {
			found := s[p.Name]
			if last := len(found) - 1; last < 0 || found[last].service != nameOf(svc) {
				found = append(found, finding{service: nameOf(svc)})
			}
			of := &found[len(found)-1]
			of.what, of.remedies = append(of.what, what), append(of.remedies, remedies...)
			s[p.Name] = found
		}
	}
}

func (s survey) sort() {
	for _, findings := range s {
		slices.SortFunc(findings, func(a, b finding) int { return strings.Compare(a.service.String(), b.service.String()) })
	}
}

func (r *poolReconciler) survey(ctx context.Context, chart *rules.Chart) (survey, error) {
	namespaces, services := &corev1.NamespaceList{}, &corev1.ServiceList{}
	for list, which := range map[client.ObjectList][]client.ListOption{namespaces: nil, services: {client.MatchingFields{servicesByNumber: anyNumber}}} {
		if err := r.List(ctx, list, append(which, client.UnsafeDisableDeepCopy)...); err != nil {
			return nil, fmt.Errorf("list %T: %w", list, err)
		}
	}
	labels := map[string]map[string]string{}
	for _, ns := range namespaces.Items {
		labels[ns.Name] = ns.Labels
	}
	found := survey{}
	for i := range services.Items {
		svc := &services.Items[i]
		of, known := labels[svc.Namespace]
		if !known || svc.DeletionTimestamp != nil || len(numbersOf(svc)) == 0 {
			continue
		}
		found.take(svc, of, rules.LiveBreaches(chart, rules.Question{Service: svc, Namespace: svc.Namespace, NamespaceLabels: of}))
	}
	found.sort()
	return found, nil
}

// maxListed is how many Services a condition lists.
const maxListed = 10

func poolConforming(breaches []finding, free freeNumbers) metav1.Condition {
	if len(breaches) == 0 {
		return metav1.Condition{Type: v1alpha1.PoolConforming, Status: metav1.ConditionTrue,
			Reason: v1alpha1.PoolReasonNoBreach, Message: "every live Service keeps to the pool's rules"}
	}
	return metav1.Condition{Type: v1alpha1.PoolConforming, Status: metav1.ConditionFalse, Reason: v1alpha1.PoolReasonLiveServices,
		Message: fmt.Sprintf("live Services that break the pool's rules, and keep their numbers: %d: %s", len(breaches), list(breaches, len(breaches), free))}
}

// list is the first of so many findings, and how to mend them.
func list(findings []finding, of int, free freeNumbers) string {
	var listed []string
	var remedies []remedy
	for _, f := range findings[:min(len(findings), maxListed)] {
		listed = append(listed, f.String())
		remedies = append(remedies, f.remedies...)
	}
	if more := of - len(listed); more > 0 {
		listed = append(listed, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(listed, ", ") + advice(remedies, free)
}
