package root

import (
	"errors"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestAnAnswerOfTheAPIServerIsARefusalWhereItIsAboutTheService(t *testing.T) {
	svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	services := schema.GroupResource{Resource: "services"}
	path := field.NewPath("spec", "ports").Index(0).Child("nodePort")
	for _, tt := range []struct {
		name    string
		answer  error
		refusal string // "": it is none
	}{
		{"a number that is taken", apierrors.NewInvalid(schema.GroupKind{Kind: "Service"}, "web", field.ErrorList{field.Invalid(path, 30080, "provided port is already allocated")}),
			"spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated"},
		{"a webhook of somebody else", apierrors.NewForbidden(services, "web", errors.New("not on a Sunday")), "not on a Sunday"},
		{"a healthCheckNodePort that is taken", apierrors.NewInternalError(errors.New("failed to allocate requested HealthCheck NodePort 30081: provided port is already allocated")),
			"provided port is already allocated"},
		{"an API server in trouble", apierrors.NewInternalError(errors.New("etcdserver: request timed out")), ""},
		{"one that is busy", apierrors.NewTooManyRequests("later", 1), ""},
		{"none at all", errors.New("connection refused"), ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ruling, err := rulingOf(svc, tt.answer)
			if tt.refusal == "" {
				if err == nil {
					t.Errorf("it is taken for a ruling: %+v", ruling)
				}
				return
			}
			if err != nil || len(ruling.Errors) != 1 || !strings.Contains(ruling.Errors[0].Text, tt.refusal) {
				t.Errorf("got %+v, %v", ruling, err)
			}
		})
	}
}
