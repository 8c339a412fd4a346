package session

import (
	"context"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/portolan-dev/portolan/internal/scheme"
)

func TestANamespaceThatIsNotThereIsNoticedByWhoMayLook(t *testing.T) {
	t.Setenv("KUBECONFIG", "/dev/null")
	refuse := func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
		return forbidden()
	}
	for _, tt := range []struct {
		name, namespace string
		get             func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error
		want            string // is in the error; "": there is none
	}{
		{"there", "shop", nil, ""},
		{"not there", "nosuch", nil, `there is no namespace "nosuch": `},
		{"of the kubeconfig, and not there", "", nil, `there is no namespace "default", which the context of your kubeconfig names`},
		{"not to be read", "nosuch", refuse, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := New(genericiooptions.NewTestIOStreamsDiscard(), clock.RealClock{}, func(string) string { return "" })
			*s.ConfigFlags.Namespace = tt.namespace
			s.client = fake.NewClientBuilder().WithScheme(scheme.New()).
				WithObjects(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}).
				WithInterceptorFuncs(interceptor.Funcs{Get: tt.get}).Build()
			got, err := s.ExistingNamespace(t.Context())
			switch {
			case tt.want == "" && (err != nil || got != tt.namespace):
				t.Errorf("got %q, %v", got, err)
			case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}
