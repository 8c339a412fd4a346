package webhooks

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
)

// accessValidator refuses nothing: Services may come after what says who reaches them. It warns of an object that is about
// no node port yet, as a slip in its selector makes it.
type accessValidator struct {
	cached client.Reader
}

// ValidateCreate implements admission.Validator.
func (v *accessValidator) ValidateCreate(ctx context.Context, object *v1alpha1.NodePortAccess) (admission.Warnings, error) {
	return v.aboutNothing(ctx, object)
}

// ValidateUpdate implements admission.Validator.
func (v *accessValidator) ValidateUpdate(ctx context.Context, old, object *v1alpha1.NodePortAccess) (admission.Warnings, error) {
	if equality.Semantic.DeepEqual(old.Spec, object.Spec) {
		return nil, nil
	}
	return v.aboutNothing(ctx, object)
}

// ValidateDelete implements admission.Validator; it is not registered.
func (v *accessValidator) ValidateDelete(context.Context, *v1alpha1.NodePortAccess) (admission.Warnings, error) {
	return nil, nil
}

func (v *accessValidator) aboutNothing(ctx context.Context, object *v1alpha1.NodePortAccess) (admission.Warnings, error) {
	selection, services := access.NewSelection(object), &corev1.ServiceList{}
	if err := v.cached.List(ctx, services, client.InNamespace(object.Namespace),
		client.MatchingLabelsSelector{Selector: selection.Services()}, client.UnsafeDisableDeepCopy); err != nil {
		fail(ctx, err)
		return nil, fmt.Errorf("list Services: %w", err)
	}
	selected := func(port corev1.ServicePort) bool { return port.NodePort != 0 && selection.SelectsPort(port.Name) }
	if slices.ContainsFunc(services.Items, func(svc corev1.Service) bool { return slices.ContainsFunc(svc.Spec.Ports, selected) }) {
		return nil, nil
	}
	return admission.Warnings{fmt.Sprintf("it selects no node port of a Service in namespace %q yet: see spec.serviceSelector and spec.ports (kubectl get services -n %[1]s --show-labels)",
		object.Namespace)}, nil
}
