package root

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/premises"
	"github.com/portolan-dev/portolan/internal/cli/session"
)

// Ask implements premises.Cluster.
func (j judge) Ask(ctx context.Context, svc *corev1.Service, anew bool) (premises.Ruling, error) {
	said := &warnings{}
	c, err := j.listening(said)
	if err != nil {
		return premises.Ruling{}, err
	}
	verb, ask := "create", func(svc *corev1.Service) error { return c.Create(ctx, svc, client.DryRunAll) }
	var old *corev1.Service
	if !anew {
		old, err = live(ctx, c, svc)
	}
	if old != nil {
		verb, ask = "update", func(svc *corev1.Service) error { return c.Update(ctx, svc, client.DryRunAll) }
	}
	may := false
	if err == nil {
		may, _, err = session.May(ctx, c, authorizationv1.ResourceAttributes{Namespace: svc.Namespace, Verb: verb, Resource: "services"})
	}
	if err != nil || !may {
		return premises.Ruling{Unasked: fmt.Sprintf("you may not %s Services in namespace %q, so the API server cannot be asked", verb, svc.Namespace)}, err
	}
	asked := &corev1.Service{Spec: *svc.Spec.DeepCopy()}
	asked.ObjectMeta = metav1.ObjectMeta{Namespace: svc.Namespace, Name: svc.Name, GenerateName: svc.GenerateName, Labels: svc.Labels, Annotations: svc.Annotations}
	ruling, err := rulingOf(asked, ask(asked))
	ruling.Old, ruling.Warnings = old, said.texts
	return ruling, err
}

// live is the Service of that name; nil: there is none, or it may not be read.
func live(ctx context.Context, c client.Client, svc *corev1.Service) (*corev1.Service, error) {
	found := &corev1.Service{}
	if svc.Name == "" {
		return nil, nil
	}
	switch err := c.Get(ctx, client.ObjectKeyFromObject(svc), found); {
	case apierrors.IsNotFound(err), apierrors.IsForbidden(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("get Service %q: %w", svc.Namespace+"/"+svc.Name, err)
	}
	return found, nil
}

// Usages implements premises.Cluster.
func (j judge) Usages(ctx context.Context, namespace string) ([]v1alpha1.NodePortUsage, error) {
	c, err := j.Client()
	if err != nil {
		return nil, err
	}
	var list v1alpha1.NodePortUsageList
	if err := c.List(ctx, &list, client.InNamespace(namespace)); err != nil && !apierrors.IsForbidden(err) {
		return nil, fmt.Errorf("list nodeportusages: %w", err)
	}
	return slices.DeleteFunc(list.Items, func(u v1alpha1.NodePortUsage) bool { return u.Status.Ranges == "" }), nil // those of pools that do not serve it any more
}

// listening is a client whose API server's warnings are kept.
func (j judge) listening(said *warnings) (client.Client, error) {
	base, err := j.Client()
	if err != nil {
		return nil, err
	}
	config, err := j.Config()
	if err != nil {
		return nil, err
	}
	config.WarningHandler = said
	return client.New(config, client.Options{Scheme: base.Scheme(), Mapper: base.RESTMapper()})
}

// rulingOf is what an answer of the API server means: that it does not admit the Service is no error.
func rulingOf(svc *corev1.Service, err error) (premises.Ruling, error) {
	if err == nil {
		return premises.Ruling{Service: svc}, nil
	}
	var status apierrors.APIStatus
	if !errors.As(err, &status) || !refuses(status.Status()) {
		return premises.Ruling{}, fmt.Errorf("ask the API server about Service %q: %w", svc.Namespace+"/"+svc.Name, err)
	}
	var r premises.Ruling
	if details := status.Status().Details; apierrors.IsInvalid(err) && details != nil {
		for _, cause := range details.Causes {
			text := cause.Message
			if cause.Field != "" {
				text = cause.Field + ": " + text
			}
			r.Errors = append(r.Errors, premises.Refusal{Field: cause.Field, Text: text})
		}
	}
	if len(r.Errors) == 0 {
		r.Errors = []premises.Refusal{{Text: status.Status().Message}}
	}
	return r, nil
}

// refuses says whether a status is about what was asked, and not about who asked, or when. That a healthCheckNodePort is in
// use comes as an internal error. Source: allocHealthCheckNodePort, k8s.io/kubernetes/pkg/registry/core/service/storage/alloc.go.
func refuses(status metav1.Status) bool {
	code := status.Code
	if code == http.StatusInternalServerError {
		return strings.Contains(status.Message, "HealthCheck NodePort")
	}
	return code >= 400 && code < 500 && !slices.Contains([]int32{http.StatusUnauthorized, http.StatusRequestTimeout, http.StatusTooManyRequests}, code)
}

// warnings are what the API server says beside its answer, each once.
type warnings struct{ texts []string }

// HandleWarningHeader implements rest.WarningHandler.
func (w *warnings) HandleWarningHeader(code int, _, text string) {
	if code == 299 && text != "" && !slices.Contains(w.texts, text) {
		w.texts = append(w.texts, text)
	}
}
