package webhooks

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

// adviser is a validator that refuses nothing: it warns of an object that is made, and of one whose spec changes.
type adviser[T runtime.Object] struct {
	warn   func(context.Context, T) (admission.Warnings, error)
	specOf func(T) any
}

// ValidateCreate implements admission.Validator.
func (a adviser[T]) ValidateCreate(ctx context.Context, object T) (admission.Warnings, error) {
	warnings, err := a.warn(ctx, object)
	if err != nil {
		fail(ctx, err)
	}
	return warnings, err
}

// ValidateUpdate implements admission.Validator.
func (a adviser[T]) ValidateUpdate(ctx context.Context, old, object T) (admission.Warnings, error) {
	if equality.Semantic.DeepEqual(a.specOf(old), a.specOf(object)) {
		return nil, nil
	}
	return a.ValidateCreate(ctx, object)
}

// ValidateDelete implements admission.Validator; it is not registered.
func (a adviser[T]) ValidateDelete(context.Context, T) (admission.Warnings, error) {
	return nil, nil
}
