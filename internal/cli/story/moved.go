package story

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/remedy"
	"github.com/portolan-dev/portolan/internal/cli/term"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// A number may be held for a Service that is still there: it has been given another.

// movedOn is the Service that a hold is for, if that is there without the number; nil: it has gone, or may not be read.
func movedOn(p *picture.Picture, n picture.Number) *corev1.Service {
	owner, owned := n.Owner()
	if n.State != picture.Held || !owned || n.Allocation == nil {
		return nil
	}
	return p.Service(owner)
}

// numbersNow is "another number now (30101)".
func numbersNow(svc *corev1.Service) string {
	var numbers []string
	for _, number := range serviceports.Numbers(serviceports.Requests(svc)) {
		if number != 0 {
			numbers = append(numbers, strconv.Itoa(int(number)))
		}
	}
	switch len(numbers) {
	case 0:
		return "no node port now"
	case 1:
		return "another number now (" + numbers[0] + ")"
	}
	return "other numbers now (" + strings.Join(numbers, ", ") + ")"
}

// keptBehind is what a hold does for a Service that is still there. Source: allocator, which gives a hold to its Service, to
// another of the namespace that names the number, and to any where the pool has nothing else left.
func (t teller) keptBehind() *Fact {
	svc := movedOn(t.Picture, t.Number)
	if svc == nil || t.Allocation.Spec.HoldUntil == nil || !t.Now.Before(t.Allocation.Spec.HoldUntil.Time) {
		return nil
	}
	until := t.Allocation.Spec.HoldUntil.Time
	return &Fact{About: "Kept", Says: []string{
		fmt.Sprintf("for another %s (until %s), then it is free", term.Until(until, t.Now), term.Stamp(until)),
		fmt.Sprintf("until then the Service can have it back, another of namespace %s has to ask for it by number, and others get it only where their pool has nothing else left", svc.Namespace),
	}}
}

// wayBack is how the Service gets its number back, and how it is given up.
func (t teller) wayBack() *Fact {
	svc := movedOn(t.Picture, t.Number)
	if svc == nil || t.keptBehind() == nil {
		return nil
	}
	says := []string{fmt.Sprintf("kubectl portolan release %d gives it up before that", t.Number.Number)}
	if of, ok := t.formerly(svc); ok {
		says = append([]string{remedy.Move(svc, of, t.Number.Number) + " gives it back to the Service"}, says...)
	}
	return &Fact{About: "Next", Says: says}
}

// formerly is what of the Service most likely had the number: the port of the name that the ledger knows, else its only one.
func (t teller) formerly(svc *corev1.Service) (serviceports.Request, bool) {
	var of []serviceports.Request
	for _, r := range serviceports.Requests(svc) {
		if r.Role == serviceports.Traffic && r.NodePort != 0 {
			of = append(of, r)
		}
	}
	if len(of) == 1 && len(svc.Spec.Selector) > 0 {
		return of[0], true
	}
	for _, r := range of {
		for _, had := range t.Allocation.Spec.Ports {
			if slices.ContainsFunc(r.Ports, func(p serviceports.Port) bool { return p.Name == had.Name && had.Name != "" }) && len(svc.Spec.Selector) > 0 {
				return r, true
			}
		}
	}
	return serviceports.Request{}, false
}
