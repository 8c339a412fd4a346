package session

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// explanation is an error on the way to the cluster, with what to do about it.
type explanation struct {
	text  string
	cause error
}

// Error says it.
func (e *explanation) Error() string { return e.text }

// Unwrap is the error that is explained.
func (e *explanation) Unwrap() error { return e.cause }

// Explained says what to do about an error on the way to the cluster; of several with a cause like that it says the first
// only, for the others have the same. Any other error, and one that is explained already, stays as it is.
func Explained(err error) error {
	var already *explanation
	var unreachable *url.Error
	if several, ok := err.(interface{ Unwrap() []error }); ok && strings.Contains(err.Error(), "\n") {
		for _, one := range several.Unwrap() {
			if one = Explained(one); errors.As(one, &already) {
				return one
			}
		}
		return err
	}
	switch {
	case err == nil, errors.As(err, &already):
		return err
	case meta.IsNoMatchError(err), kindIsGone(err):
		return &explanation{"this cluster does not have Portolan's kinds: install it (docs/install.md), or choose another cluster by --context", err}
	case apierrors.IsUnauthorized(err):
		return &explanation{fmt.Sprintf("the cluster does not know you: %v; renew the credentials of your kubeconfig, or choose others by --context or --user", err), err}
	case errors.As(err, &unreachable):
		return &explanation{fmt.Sprintf("the cluster cannot be reached: %v; see whether `kubectl version` reaches it, or choose another by --context", unreachable), err}
	}
	return err
}

// kindIsGone says whether the API server does not know one of Portolan's kinds: not an object is missing, but all of them.
func kindIsGone(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Reason != metav1.StatusReasonNotFound {
		return false
	}
	of := status.Status().Details
	return of != nil && of.Group == v1alpha1.GroupVersion.Group && of.Name == ""
}
