package admissionpolicy

import (
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"pgregory.net/rapid"

	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// Each selector is a validation of one policy, which refuses where it selects nothing.
func TestACompiledSelectorSelectsWhatTheSelectorDoes(t *testing.T) {
	met := tally{}
	rapid.Check(t, func(rt *rapid.T) {
		selectors := rapid.SliceOfN(selector, 20, 20).Draw(rt, "selectors")
		policy := &admissionv1.ValidatingAdmissionPolicy{}
		policy.Spec.Variables = []admissionv1.Variable{{Name: "labels", Expression: namespaceLabels}}
		for _, s := range selectors {
			policy.Spec.Validations = append(policy.Spec.Validations, admissionv1.Validation{Expression: selects(s)})
		}
		loaded := load(t, policy)
		for range 5 {
			r := request{namespace: namespace.Draw(rt, "namespace"), svc: MakeService("shop/web").Obj()}
			for i, d := range loaded.decisions(t, r) {
				want := matched(selectors[i], r.namespace.Labels)
				met.count(everything)
				met.countIf("selected", want)
				if selected := d.Evaluation == validating.EvalAdmit; selected != want || d.Evaluation == validating.EvalError {
					rt.Fatalf("%s: selects %v is %t, want %t: %s", selects(selectors[i]), r.namespace.Labels, selected, want, d.Message)
				}
			}
		}
	})
	met.atLeast(t, map[string]int{"selected": 200})
}

func matched(s metav1.LabelSelector, of map[string]string) bool {
	selector, err := metav1.LabelSelectorAsSelector(&s)
	return err == nil && selector.Matches(labels.Set(of))
}
