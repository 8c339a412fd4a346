package rules

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/portolan-dev/portolan/internal/serviceports"
)

const (
	storedNotAllocated = "Kubernetes stores the number without allocating it, so two Services can end up on one port"

	// NewOnExternalName is what is wrong with a number that is new on an ExternalName Service, after the name of its field.
	NewOnExternalName = "may not be set when `type` is 'ExternalName': " + storedNotAllocated
	// LeavesWithNumber is that of one that is kept on leaving the type.
	LeavesWithNumber = "may not be kept when `type` was 'ExternalName', remove it to get a number allocated: " + storedNotAllocated
)

// externalNameHoles refuses the two ways in which a number gets onto a Service past the API server's own
// allocator: one that is new on an ExternalName Service, and one that is kept on leaving that type.
// NodePort -> ExternalName arrives with its numbers and is legal: the API server wipes them afterwards.
func externalNameHoles(svc, old *corev1.Service) field.ErrorList {
	var before []int32
	if old != nil {
		before = serviceports.Numbers(slices.DeleteFunc(serviceports.Stored(old), isHealthCheck))
	}
	is := svc.Spec.Type == corev1.ServiceTypeExternalName
	was := old != nil && old.Spec.Type == corev1.ServiceTypeExternalName

	var errs field.ErrorList
	for _, r := range serviceports.Stored(svc) {
		if isHealthCheck(r) {
			continue
		}
		kept := slices.Contains(before, r.NodePort)
		switch {
		case is && !kept:
			errs = append(errs, field.Forbidden(r.Path(), NewOnExternalName))
		case was && !is && kept:
			errs = append(errs, field.Forbidden(r.Path(), LeavesWithNumber))
		}
	}
	return errs
}

func isHealthCheck(r serviceports.Request) bool { return r.Role == serviceports.HealthCheck }
