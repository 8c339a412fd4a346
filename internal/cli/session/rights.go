package session

import (
	"context"
	"fmt"

	authorizationv1 "k8s.io/api/authorization/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// May asks whether the caller may do something, which everybody may ask. reason is the API server's, of a refusal, and often
// "".
func May(ctx context.Context, c client.Client, what authorizationv1.ResourceAttributes) (allowed bool, reason string, err error) {
	review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &what}}
	if err := c.Create(ctx, review); err != nil {
		return false, "", fmt.Errorf("ask whether you may %s %s: %w", what.Verb, what.Resource, err)
	}
	return review.Status.Allowed, review.Status.Reason, nil
}
