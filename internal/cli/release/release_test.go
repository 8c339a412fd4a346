package release

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/picture/picturetest"
	"github.com/portolan-dev/portolan/internal/scheme"
)

func TestANumberIsGivenUpOnceHoweverOftenItIsNamed(t *testing.T) {
	got, err := parse([]string{"32100", "32101", "32100"})
	if diff := cmp.Diff([]int32{32100, 32101}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

func TestWhatBecomesOfEachNumberIsSaidWhateverBecomesOfTheOthers(t *testing.T) {
	resource := schema.GroupResource{Group: "portolan.dev", Resource: "nodeportallocations"}
	answers := map[string]error{
		"30100": apierrors.NewConflict(resource, "30100", errors.New("it is another")),
		"30101": nil,
		"30102": apierrors.NewNotFound(resource, "30102"),
		"30103": apierrors.NewForbidden(resource, "30103", errors.New("no right")),
		"30104": nil,
	}
	c := fake.NewClientBuilder().WithScheme(scheme.New()).WithInterceptorFuncs(interceptor.Funcs{
		Delete: func(_ context.Context, _ client.WithWatch, object client.Object, options ...client.DeleteOption) error {
			var o client.DeleteOptions
			o.ApplyOptions(options)
			if p := o.Preconditions; p == nil || *p.UID != object.GetUID() || *p.ResourceVersion != object.GetResourceVersion() {
				t.Errorf("%s is deleted whatever it is by now: %+v", object.GetName(), p)
			}
			return answers[object.GetName()]
		}}).Build()
	cluster := picturetest.New()
	var numbers []picture.Number
	for n := int32(30100); n < 30105; n++ {
		cluster.Held(n, "shop/old").ChangeAllocation(func(a *v1alpha1.NodePortAllocation) {
			a.UID, a.ResourceVersion = types.UID("uid-of-"+a.Name), "7"
		})
		numbers = append(numbers, cluster.Picture().Number(n))
	}
	var out strings.Builder
	err := giveUp(t.Context(), c, &out, numbers)
	if want := "30101 released\n30102 was free already\n30104 released\n"; out.String() != want {
		t.Errorf("got %s, want %s", out.String(), want)
	}
	for _, want := range []string{"30100 has changed meanwhile and stays", "30103 stays: ", "cluster-admin"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
}

func TestWhatIsAboutToGoIsSaidAsItIs(t *testing.T) {
	p := picturetest.New().Held(30100, "shop/a").Held(30101, "shop/b").Pending(30102, "shop/c").Picture()
	p.Allocations[1].Spec.HoldUntil = new(picturetest.Ago(5 * time.Minute))
	p.Allocations[2].Spec.ClaimTime = new(metav1.NewMicroTime(picturetest.Now.Add(-time.Hour)))
	for n, want := range map[int32]string{
		30100: "30100 is held for Service shop/a for another 7m.",
		30101: "30101 was held for Service shop/b until 5m ago.",
		30102: "30102 was claimed for Service shop/c, which never came.",
	} {
		if got := about(p.Number(n), p.Now); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
