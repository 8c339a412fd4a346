package controllers

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
)

func checked(warnings ...admissionv1.ExpressionWarning) *admissionv1.ValidatingAdmissionPolicy {
	policy := &admissionv1.ValidatingAdmissionPolicy{}
	policy.Status.TypeChecking = &admissionv1.TypeChecking{ExpressionWarnings: warnings}
	return policy
}

func TestWhatIsWrongWithThePolicy(t *testing.T) {
	warning := admissionv1.ExpressionWarning{FieldRef: "spec.validations[0].expression", Warning: "Service: undefined field 'kind'\n"}
	for _, c := range []struct {
		name, refusal string
		policy        *admissionv1.ValidatingAdmissionPolicy
		want          string
	}{
		{name: "there is none"},
		{name: "it is yet to be checked", policy: &admissionv1.ValidatingAdmissionPolicy{}},
		{name: "nothing", policy: checked()},
		{name: "a warning", policy: checked(warning), want: "spec.validations[0].expression: Service: undefined field 'kind'"},
		{
			name: "two warnings", policy: checked(warning, admissionv1.ExpressionWarning{FieldRef: "spec.validations[1].expression", Warning: "no"}),
			want: "spec.validations[0].expression: Service: undefined field 'kind'; spec.validations[1].expression: no",
		},
		{name: "it was refused, whatever the check said of an earlier one", refusal: "too long", policy: checked(warning), want: "too long"},
	} {
		t.Run(c.name, func(t *testing.T) {
			report := &policyReport{}
			report.set(c.refusal)
			if diff := cmp.Diff(c.want, report.troubleWith(c.policy)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestALongAnswerKeepsItsBeginningAndItsEnd(t *testing.T) {
	text := "Invalid value: " + strings.Repeat("ä", answerLimit) + ": too long"
	got := shortened(text)
	if !strings.HasPrefix(got, "Invalid value: ä") || !strings.HasSuffix(got, "ä: too long") || len(got) > answerLimit+5 || strings.ToValidUTF8(got, "") != got {
		t.Errorf("got %q", got)
	}
	if short := "Invalid value: x"; shortened(short) != short {
		t.Errorf("got %q", shortened(short))
	}
}

func TestOnlyNewsOfThePolicyRingTheBell(t *testing.T) {
	report := &policyReport{}
	report.changed.source(onceSettled)
	rung := report.changed.listeners[0]
	for _, step := range []struct {
		answer string
		rings  int
	}{{"", 0}, {"no", 1}, {"no", 0}, {"no, again", 1}, {"", 1}} {
		report.set(step.answer)
		if got := len(rung); got != step.rings {
			t.Errorf("after %q it rang %d times, want %d", step.answer, got, step.rings)
		}
		for len(rung) > 0 {
			<-rung
		}
	}
}

func TestABellNeverWaitsForItsListeners(t *testing.T) {
	bell := &Bell{}
	for range 2 {
		bell.source(onceSettled)
	}
	for range 3 {
		bell.Ring()
	}
	for i, l := range bell.listeners {
		if len(l) != 1 {
			t.Errorf("listener %d has %d rings, want 1", i, len(l))
		}
	}
}

// What is wrong with the pool itself is said first.
func TestAPoolThatEnforcesIsNotReadyWithoutItsPolicy(t *testing.T) {
	warns := poolOn("mine", 0, v1alpha1.PortRange{From: 30000, To: 30009})
	warns.Spec.Enforcement = v1alpha1.EnforcementWarn
	for _, c := range []struct {
		name string
		pool v1alpha1.NodePortPool
		want string
	}{
		{"it enforces", poolOn("mine", 0, v1alpha1.PortRange{From: 30000, To: 30009}),
			"PolicyNotCompiled: while Portolan is away, the rules of the pools as they are now do not hold: too long"},
		{"it only warns", warns, "Available: all numbers of the pool can be handed out"},
		{"it overlaps an older one", poolOn("mine", 0, v1alpha1.PortRange{From: 30000, To: 30100}),
			`Overlap: pool "older" is older and has some of the numbers: this pool hands out nothing until its ranges are changed`},
	} {
		t.Run(c.name, func(t *testing.T) {
			chart := rules.NewChart(v1alpha1.PortRange{From: 30000, To: 32767}, []v1alpha1.NodePortPool{
				c.pool, poolOn("older", time.Hour, v1alpha1.PortRange{From: 30100, To: 30199})})
			status := poolStatus(&c.pool, chart.Pool("mine"), surveyed{counts: allocator.Counts{Total: 10, Free: 10}, policyTrouble: "too long"}, noon)
			ready := meta.FindStatusCondition(status.Conditions, v1alpha1.PoolReady)
			if got := ready.Reason + ": " + ready.Message; got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
