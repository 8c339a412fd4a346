package controllers

import (
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/portolan-dev/portolan/internal/admissionpolicy"
	"github.com/portolan-dev/portolan/internal/metrics"
)

func TestThePolicyIsOutOfStepWhileItIsNotTakenAsItIs(t *testing.T) {
	for _, tc := range []struct {
		name    string
		policy  *admissionv1.ValidatingAdmissionPolicy
		refusal string
		failure error
		want    float64
	}{
		{name: "there is none, and no pool"},
		{name: "it is taken", policy: checked()},
		{name: "it is refused", policy: checked(), refusal: "too long", want: 1},
		{name: "it is warned of", policy: checked(admissionv1.ExpressionWarning{FieldRef: "spec", Warning: "no"}), want: 1},
		{name: "it cannot be written", policy: checked(), failure: errors.New("the API server is away"), want: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := fake.NewClientBuilder().WithScheme(clientgoscheme.Scheme)
			if tc.policy != nil {
				tc.policy.Name = admissionpolicy.Name
				c = c.WithObjects(tc.policy)
			}
			r := &policyReconciler{Client: c.Build(), report: &policyReport{}}
			r.report.set(tc.refusal)
			r.observe(t.Context(), tc.failure)
			if got := testutil.ToFloat64(metrics.PolicyOutOfStep); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}
