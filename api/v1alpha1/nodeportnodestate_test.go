package v1alpha1_test

import (
	"regexp"
	"testing"

	"github.com/portolan-dev/portolan/internal/bitmap"
)

func TestANodeStateHoldsTheLongestListOfNumbers(t *testing.T) {
	crd := readCRD(t, "../../config/crd/bases/portolan.dev_nodeportnodestates.yaml")
	field := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["status"].Properties["nodePorts"]
	allowed := regexp.MustCompile(field.Pattern)
	for more := range int32(4) {
		numbers := bitmap.New(1, 65535)
		for n := int32(65535); n > more+1; n -= more + 2 { // runs of more+1, as many as there can be
			numbers.TakeRun(n-more, n)
		}
		text := numbers.Text()
		if int64(len(text)) > *field.MaxLength {
			t.Errorf("runs of %d: %d characters, the limit is %d", more+1, len(text), *field.MaxLength)
		}
		if !allowed.MatchString(text) {
			t.Errorf("runs of %d: %s... does not match %s", more+1, text[:40], field.Pattern)
		}
	}
	if !allowed.MatchString(bitmap.New(1, 2).Text()) {
		t.Error("a node without numbers is refused")
	}
}
