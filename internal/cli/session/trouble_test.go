package session

import (
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

func TestAClusterWithoutOurKindsIsSaidToBeThat(t *testing.T) {
	kind := func(verb, group, resource, name string) error {
		return fmt.Errorf("list them: %w", apierrors.NewGenericServerResponse(404, verb, schema.GroupResource{Group: group, Resource: resource}, name, "404 page not found", 0, true))
	}
	for _, tt := range []struct {
		name string
		err  error
		want bool
	}{
		{"a list of a kind that is not there", kind("get", v1alpha1.GroupVersion.Group, "nodeportallocations", ""), true},
		{"an object to be made of such a kind", kind("post", v1alpha1.GroupVersion.Group, "nodeportreservations", ""), true},
		{"an object that is missing", apierrors.NewNotFound(schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: "nodeportpools"}, "team-a"), false},
		{"another's kind", kind("get", "example.com", "things", ""), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Explained(tt.err); strings.Contains(got.Error(), "does not have Portolan's kinds") != tt.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
