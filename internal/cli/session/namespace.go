package session

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/internal/cli/term"
)

// ExistingNamespace is Namespace, and an error where the caller may look and there is none of that name: a slip of the pen is
// not to pass for a namespace without node ports.
func (s *Session) ExistingNamespace(ctx context.Context) (string, error) {
	namespace, given, err := s.Namespace()
	if err != nil {
		return "", err
	}
	c, err := s.Client()
	if err != nil {
		return "", Explained(err)
	}
	defer term.Progress(s.ErrOut, "Looking for the namespace")()
	err = c.Get(ctx, client.ObjectKey{Name: namespace}, &corev1.Namespace{})
	switch {
	case apierrors.IsNotFound(err) && given:
		return "", fmt.Errorf("there is no namespace %q: `kubectl get namespaces` lists them", namespace)
	case apierrors.IsNotFound(err):
		return "", fmt.Errorf("there is no namespace %q, which the context of your kubeconfig names: choose another by -n, or all by -A", namespace)
	case apierrors.IsForbidden(err):
		return namespace, nil
	}
	return namespace, Explained(err)
}
