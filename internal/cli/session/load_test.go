package session

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/scheme"
)

// readable is a cluster in which lists go through may: nil lets one through, given the namespace ("": all).
func readable(may func(list client.ObjectList, namespace string) error) client.Reader {
	in := func(namespace string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: namespace, Name: "web"} }
	return fake.NewClientBuilder().WithScheme(scheme.New()).WithObjects(
		&corev1.Service{ObjectMeta: in("shop")}, &corev1.Service{ObjectMeta: in("other")},
		&v1alpha1.NodePortPool{ObjectMeta: metav1.ObjectMeta{Name: "team-a"}},
	).WithInterceptorFuncs(interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
		var o client.ListOptions
		o.ApplyOptions(options)
		if err := may(list, o.Namespace); err != nil {
			return err
		}
		return c.List(ctx, list, options...)
	}}).Build()
}

func forbidden() error {
	return apierrors.NewForbidden(schema.GroupResource{Resource: "things"}, "", errors.New("no right"))
}

func TestWhatMayNotBeListedOfAllNamespacesIsReadOfOnesOwn(t *testing.T) {
	everything := func(client.ObjectList, string) error { return nil }
	namespaceOnly := func(_ client.ObjectList, namespace string) error {
		if namespace != "shop" {
			return forbidden()
		}
		return nil
	}
	nothing := func(client.ObjectList, string) error { return forbidden() }
	for _, tt := range []struct {
		name            string
		may             func(client.ObjectList, string) error
		services, pools int
		gaps            []picture.Gap
	}{
		{"everything", everything, 2, 1, nil},
		{"a namespace", namespaceOnly, 1, 0, []picture.Gap{{Kind: picture.Services, Namespace: "shop"}, {Kind: picture.Pools}}},
		{"nothing", nothing, 0, 0, []picture.Gap{{Kind: picture.Services}, {Kind: picture.Pools}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			objects, err := load(t.Context(), readable(tt.may), "shop", []picture.Kind{picture.Services, picture.Pools})
			if err != nil || len(objects.Services) != tt.services || len(objects.Pools) != tt.pools {
				t.Errorf("got %d Services, %d pools, %v; want %d and %d", len(objects.Services), len(objects.Pools), err, tt.services, tt.pools)
			}
			if diff := cmp.Diff(tt.gaps, objects.Gaps); diff != "" {
				t.Errorf("gaps (-want +got)\n%s", diff)
			}
		})
	}
}

func TestTroubleOnTheWaySaysWhatToDoOnce(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"no Portolan", &meta.NoKindMatchError{GroupKind: schema.GroupKind{Group: "portolan.dev", Kind: "NodePortPool"}}, "install it"},
		{"unknown to the cluster", apierrors.NewUnauthorized("no"), "renew the credentials"},
		{"out of reach", &url.Error{Op: "Get", URL: "https://127.0.0.1:1", Err: errors.New("connection refused")}, "kubectl version"},
		{"something else", errors.New("teapot"), "teapot"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(t.Context(), readable(func(client.ObjectList, string) error { return tt.err }), "shop", []picture.Kind{picture.Services, picture.Pools})
			explained := Explained(err)
			if err == nil || strings.Count(explained.Error(), tt.want) != 1 || !errors.Is(explained, tt.err) {
				t.Errorf("got %v, want %q in it, once", explained, tt.want)
			}
			if again := Explained(explained); again.Error() != explained.Error() {
				t.Errorf("explained twice: %v", again)
			}
		})
	}
}

func TestACauseOfManyErrorsIsSaidOnce(t *testing.T) {
	unreachable := &url.Error{Op: "Get", URL: "https://127.0.0.1:1", Err: errors.New("connection refused")}
	_, err := load(t.Context(), readable(func(client.ObjectList, string) error { return unreachable }), "shop",
		[]picture.Kind{picture.Pools, picture.Services, picture.Nodes})
	if got := Explained(err).Error(); strings.Count(got, "connection refused") != 1 || strings.Contains(got, "\n") {
		t.Errorf("got %s", got)
	}
	several := errors.Join(errors.New("one"), errors.New("two"))
	if got := Explained(several); got.Error() != "one\ntwo" {
		t.Errorf("got %v", got)
	}
}
