package decision

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// ServiceOf is the name of the Service that a question is about.
func ServiceOf(q rules.Question) types.NamespacedName {
	return types.NamespacedName{Namespace: q.Namespace, Name: q.Service.Name}
}

// Claimant is that Service as it claims numbers.
func Claimant(q rules.Question) allocator.Claimant {
	c := allocator.Claimant{
		Service: ServiceOf(q),
		Uses:    serviceports.Numbers(serviceports.Stored(q.Service)),
	}
	if q.Old != nil {
		c.UID = q.Old.UID
		c.Uses = append(c.Uses, serviceports.Numbers(serviceports.Stored(q.Old))...)
	}
	return c
}

// Draft judges a Service that is filled out, with its numbers yet to be chosen. It fills in the numbers that reservations
// keep for it, unless a Service of the name exists: those are in use then, and Kubernetes would say so in place of
// AlreadyExists. Where nothing is refused an entry that shares a number gets it: on update the API server would pick it
// one of its own.
func Draft(l *allocator.Ledger, q rules.Question, exists bool) rules.Answer {
	if !exists {
		l.FillReserved(Claimant(q), q.Service)
	}
	answer := rules.Judge(l.Chart(), l, q)
	if len(answer.Errors) == 0 {
		serviceports.Set(q.Service, Numbered(serviceports.Requests(q.Service)))
	}
	return answer
}

// Numbered are the requests that have a number.
func Numbered(requests []serviceports.Request) []serviceports.Request {
	return slices.DeleteFunc(slices.Clone(requests), func(r serviceports.Request) bool { return r.NodePort == 0 })
}

// ToChoose are the requests, of an answer without errors, for which a number is chosen; none where Kubernetes picks them
// all, or is going to refuse the Service.
func ToChoose(q rules.Question, answer rules.Answer) []allocator.Request {
	open := withOrigin(v1alpha1.OriginAutomatic, slices.DeleteFunc(slices.Clone(answer.New), func(r serviceports.Request) bool {
		return r.NodePort != 0
	}))
	if len(open) > rules.MaxClaims || len(answer.Pools) == 0 || !wellFormed(q.Service) {
		return nil
	}
	return open
}

// wellFormed leaves out what the API server is going to refuse for its ports: nothing is claimed for it.
func wellFormed(svc *corev1.Service) bool {
	return !slices.ContainsFunc(svc.Spec.Ports, func(p corev1.ServicePort) bool {
		switch cmp.Or(p.Protocol, corev1.ProtocolTCP) {
		case corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP:
			return len(validation.IsValidPortNum(int(p.Port))) > 0
		}
		return true
	})
}

// withOrigin are requests as they are claimed.
func withOrigin(origin v1alpha1.Origin, requests []serviceports.Request) []allocator.Request {
	claims := make([]allocator.Request, len(requests))
	for i, r := range requests {
		claims[i] = allocator.Request{Request: r, Origin: origin}
	}
	return claims
}

// WithOrigins tells the user's own numbers from those that the API server picked.
func WithOrigins(svc *corev1.Service, requests []serviceports.Request) []allocator.Request {
	claims := withOrigin(v1alpha1.OriginAutomatic, requests)
	set := serviceports.UserSet(svc)
	for i := range claims {
		if set(claims[i].Request) {
			claims[i].Origin = v1alpha1.OriginExplicit
		}
	}
	return claims
}
