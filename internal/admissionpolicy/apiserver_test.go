package admissionpolicy

import (
	"cmp"
	"context"
	"encoding/json"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/version"
	"k8s.io/apiserver/pkg/admission"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/cel/environment"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
)

// compiled is a policy as an API server holds it: its own compiler and evaluator, put together as in compilePolicy
// (k8s.io/apiserver/pkg/admission/plugin/policy/validating/plugin.go).
type compiled struct {
	validating.Validator
	expressions, messages plugincel.ConditionEvaluator
}

// policyOf compiles pools to what an API server stores.
func policyOf(t testing.TB, chart *rules.Chart, pools []v1alpha1.NodePortPool, o Options) *admissionv1.ValidatingAdmissionPolicy {
	applied, _ := Compile(chart, pools, o)
	policy := &admissionv1.ValidatingAdmissionPolicy{}
	encoded, err := json.Marshal(applied)
	if err == nil {
		err = json.Unmarshal(encoded, policy)
	}
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

// load fails the test where an API server would refuse the policy.
func load(t testing.TB, policy *admissionv1.ValidatingAdmissionPolicy) compiled {
	t.Helper()
	return loadOn(t, environment.DefaultCompatibilityVersion(), policy)
}

// loadOn is load on an API server that knows nothing newer than a version of Kubernetes.
func loadOn(t testing.TB, kubernetes *version.Version, policy *admissionv1.ValidatingAdmissionPolicy) compiled {
	t.Helper()
	compiler, err := plugincel.NewCompositedCompiler(environment.MustBaseEnvSet(kubernetes))
	if err != nil {
		t.Fatal(err)
	}
	declared := plugincel.OptionalVariableDeclarations{HasAuthorizer: true}
	for _, v := range policy.Spec.Variables {
		result := compiler.CompileAndStoreVariable(&validating.Variable{Name: v.Name, Expression: v.Expression}, declared, environment.NewExpressions)
		if result.Error != nil {
			t.Fatalf("variable %s: %v", v.Name, result.Error)
		}
	}
	var conditions, expressions, messages []plugincel.ExpressionAccessor
	check := func(accessor plugincel.ExpressionAccessor, o plugincel.OptionalVariableDeclarations) plugincel.ExpressionAccessor {
		if result := compiler.CompileCELExpression(accessor, o, environment.NewExpressions); result.Error != nil {
			t.Fatalf("%s: %v", accessor.GetExpression(), result.Error)
		}
		return accessor
	}
	for i := range policy.Spec.MatchConditions {
		conditions = append(conditions, check((*matchconditions.MatchCondition)(&policy.Spec.MatchConditions[i]), declared))
	}
	for _, v := range policy.Spec.Validations {
		expressions = append(expressions, check(&validating.ValidationCondition{Expression: v.Expression, Message: v.Message}, declared))
		var message plugincel.ExpressionAccessor
		if v.MessageExpression != "" {
			message = check(&validating.MessageExpressionCondition{MessageExpression: v.MessageExpression}, plugincel.OptionalVariableDeclarations{})
		}
		messages = append(messages, message)
	}
	c := compiled{
		expressions: compiler.CompileCondition(expressions, declared, environment.StoredExpressions),
		messages:    compiler.CompileCondition(messages, plugincel.OptionalVariableDeclarations{}, environment.StoredExpressions),
	}
	matcher := matchconditions.NewMatcher(compiler.CompileCondition(conditions, declared, environment.StoredExpressions),
		policy.Spec.FailurePolicy, "policy", "validate", policy.Name)
	none := compiler.CompileCondition(nil, declared, environment.StoredExpressions)
	c.Validator = validating.NewValidator(c.expressions, matcher, none, c.messages, policy.Spec.FailurePolicy, nil)
	return c
}

// request is a Service that is created, or updated where old is there.
type request struct {
	namespace *corev1.Namespace
	svc, old  *corev1.Service
	dryRun    bool
	user      string // "": somebody
}

func (r request) attributes(t testing.TB) *admission.VersionedAttributes {
	var old runtime.Object
	operation := admission.Create
	if r.old != nil {
		old, operation = r.old, admission.Update
	}
	kind := corev1.SchemeGroupVersion.WithKind("Service")
	attributes := admission.NewAttributesRecord(r.svc, old, kind, r.namespace.Name, r.svc.Name,
		corev1.SchemeGroupVersion.WithResource("services"), "", operation, nil, r.dryRun, &user.DefaultInfo{Name: cmp.Or(r.user, "somebody")})
	versioned, err := admission.NewVersionedAttributes(attributes, kind, admission.NewObjectInterfacesFromScheme(clientgoscheme.Scheme))
	if err != nil {
		t.Fatal(err)
	}
	return versioned
}

// decisions are one a validation, or none where the matchConditions leave the request out.
func (c compiled) decisions(t testing.TB, r request) []validating.PolicyDecision {
	return c.Validate(context.Background(), corev1.SchemeGroupVersion.WithResource("services"), r.attributes(t), nil,
		r.namespace, celconfig.RuntimeCELCostBudget, nil).Decisions
}

// decide is what the API server says to a request: what it is refused with, and what went wrong with the policy.
func (c compiled) decide(t testing.TB, r request) (refusals, failures []string) {
	for _, d := range c.decisions(t, r) {
		switch d.Evaluation {
		case validating.EvalDeny:
			refusals = append(refusals, d.Message)
		case validating.EvalError:
			failures = append(failures, d.Message)
		}
	}
	return refusals, failures
}

// cost is what an API server reckons that a request takes: to decide, and to find the words.
func (c compiled) cost(t testing.TB, r request) int64 {
	left := int64(celconfig.RuntimeCELCostBudget)
	attributes := r.attributes(t)
	gvr, gvk := corev1.SchemeGroupVersion.WithResource("services"), corev1.SchemeGroupVersion.WithKind("Service")
	asked := plugincel.CreateAdmissionRequest(attributes.Attributes, metav1.GroupVersionResource(gvr), metav1.GroupVersionKind(gvk))
	for _, evaluator := range []plugincel.ConditionEvaluator{c.expressions, c.messages} {
		results, rest, err := evaluator.ForInput(context.Background(), attributes, asked, plugincel.OptionalVariableBindings{},
			plugincel.CreateNamespaceObject(r.namespace), left)
		if err != nil {
			t.Fatal(err)
		}
		for _, result := range results {
			if result.Error != nil {
				t.Fatal(result.Error)
			}
		}
		left = rest
	}
	return celconfig.RuntimeCELCostBudget - left
}
