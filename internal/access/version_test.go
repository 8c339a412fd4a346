package access

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

func version(uid types.UID, generation int64, resourceVersion, ofSpec string) *v1alpha1.NodePortAccess {
	return &v1alpha1.NodePortAccess{
		ObjectMeta: metav1.ObjectMeta{UID: uid, Generation: generation, ResourceVersion: resourceVersion},
		Status:     v1alpha1.NodePortAccessStatus{SpecResourceVersion: ofSpec},
	}
}

func TestTheLatestVersionIsThatOfTheLastChangeOfASpec(t *testing.T) {
	var v Versions
	if v.Latest() != "0" {
		t.Errorf("at the beginning: %s", v.Latest())
	}
	for _, step := range []struct {
		name   string
		object *v1alpha1.NodePortAccess
		want   string
	}{
		{"a new one", version("a", 1, "90", ""), "90"},
		{"its status", version("a", 1, "95", "90"), "90"},
		{"another one, changed before", version("b", 1, "80", ""), "90"},
		{"a change", version("a", 2, "101", "90"), "101"},
		{"a status by one who saw the change later", version("a", 2, "110", "105"), "105"},
		{"a version that is yet to come", version("a", 2, "111", "999"), "105"},
		{"something that is no version", version("a", 3, "", ""), "105"},
	} {
		v.See(step.object)
		if v.Latest() != step.want {
			t.Errorf("%s: %s, want %s", step.name, v.Latest(), step.want)
		}
	}
	v.Forget(version("a", 3, "120", ""))
	if v.Latest() != "120" {
		t.Errorf("the end of one: %s", v.Latest())
	}
}

func TestAVersionIsReachedByItselfAndLaterOnes(t *testing.T) {
	for _, test := range []struct {
		known, wanted string
		want          bool
	}{
		{"99", "99", true}, {"100", "99", true}, {"99", "100", false}, {"0", "1", false}, {"", "1", false}, {"1", "", false},
	} {
		if got := Reached(test.known, test.wanted); got != test.want {
			t.Errorf("%q, where %q is wanted: %t", test.known, test.wanted, got)
		}
	}
}
