package webhooks

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
)

// accessAdviser tells of an object that is about no node port yet, as a slip in its selector makes it. Services may come
// after what says who reaches them.
func accessAdviser(cached client.Reader) adviser[*v1alpha1.NodePortAccess] {
	return adviser[*v1alpha1.NodePortAccess]{
		warn: func(ctx context.Context, object *v1alpha1.NodePortAccess) (admission.Warnings, error) {
			return aboutNothing(ctx, cached, object)
		},
		specOf: func(object *v1alpha1.NodePortAccess) any { return object.Spec },
	}
}

func aboutNothing(ctx context.Context, cached client.Reader, object *v1alpha1.NodePortAccess) (admission.Warnings, error) {
	selection, services := access.NewSelection(object), &corev1.ServiceList{}
	if err := cached.List(ctx, services, client.InNamespace(object.Namespace),
		client.MatchingLabelsSelector{Selector: selection.Services()}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list Services: %w", err)
	}
	selected := func(port corev1.ServicePort) bool { return port.NodePort != 0 && selection.SelectsPort(port.Name) }
	if slices.ContainsFunc(services.Items, func(svc corev1.Service) bool { return slices.ContainsFunc(svc.Spec.Ports, selected) }) {
		return nil, nil
	}
	return admission.Warnings{fmt.Sprintf("it selects no node port of a Service in namespace %q yet: see spec.serviceSelector and spec.ports (kubectl get services -n %[1]s --show-labels)",
		object.Namespace)}, nil
}
