package admissionpolicy

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission"
	plugincel "k8s.io/apiserver/pkg/admission/plugin/cel"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/cel/environment"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// read reads an object of config/.
func read(t testing.TB, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../config", file))
	if err == nil {
		err = yaml.UnmarshalStrict(text, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

const (
	theManager   = "system:serviceaccount:portolan-system:portolan-controller-manager"
	theNodeProxy = "system:serviceaccount:portolan-node:portolan-node-proxy"
	nodeOfToken  = "authentication.kubernetes.io/node-name"

	allocatedCondition = "portolan.dev/Allocated"
)

// matcher is the matchConditions of the first webhook of a patch, as an API server holds them: see GetCompiledMatcher
// (k8s.io/apiserver/pkg/admission/plugin/webhook/accessors.go).
func matcher(t testing.TB, conditions []admissionv1.MatchCondition) matchconditions.Matcher {
	env := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion())
	declared := plugincel.OptionalVariableDeclarations{HasAuthorizer: true}
	var expressions []plugincel.ExpressionAccessor
	for i := range conditions {
		expression := (*matchconditions.MatchCondition)(&conditions[i])
		if result := plugincel.NewCompiler(env).CompileCELExpression(expression, declared, environment.NewExpressions); result.Error != nil {
			t.Fatalf("%s: %v", conditions[i].Expression, result.Error)
		}
		expressions = append(expressions, expression)
	}
	evaluator := plugincel.NewConditionCompiler(env).CompileCondition(expressions, declared, environment.StoredExpressions)
	return matchconditions.NewMatcher(evaluator, new(admissionv1.Fail), "webhook", "admit", "mservice.portolan.dev")
}

// A webhook is asked about the Services that it may have to say something about, and about no other.
func TestTheWebhooksAreAskedAboutEveryServiceThatUsesNodePorts(t *testing.T) {
	var mutating admissionv1.MutatingWebhookConfiguration
	var checking admissionv1.ValidatingWebhookConfiguration
	read(t, "webhook/match_conditions_mutating_patch.yaml", &mutating)
	read(t, "webhook/match_conditions_validating_patch.yaml", &checking)
	conditions := mutating.Webhooks[0].MatchConditions
	if diff := cmp.Diff(conditions, checking.Webhooks[0].MatchConditions); diff != "" {
		t.Errorf("mutating and validating (-mutating +validating):\n%s", diff)
	}
	asked, met := matcher(t, conditions), tally{}
	rapid.Check(t, func(rt *rapid.T) {
		for range 15 {
			r := drawRequest(rt)
			r.user = rapid.SampledFrom([]string{"somebody", "somebody", "somebody", theManager, "system:serviceaccount:shop:portolan-controller-manager"}).Draw(rt, "user")
			result := asked.Match(context.Background(), r.attributes(t), nil, nil)
			if result.Error != nil {
				rt.Fatal(result.Error)
			}
			left := r.old != nil && equality.Semantic.DeepEqual(r.old.Spec, r.svc.Spec)
			want := r.user != theManager && !left && (concerns(r.svc) || r.old != nil && concerns(r.old))
			met.count(everything)
			met.countIf("asked", want)
			met.countIf("only for what was", want && !concerns(r.svc))
			met.countIf("with numbers, and a spec that is left alone", left && concerns(r.svc))
			met.countIf("a load balancer without node ports", r.svc.Spec.Type == corev1.ServiceTypeLoadBalancer && !concerns(r.svc))
			met.countIf("an ExternalName without numbers", r.svc.Spec.Type == corev1.ServiceTypeExternalName && !concerns(r.svc))
			if result.Matches != want {
				rt.Fatalf("asked: %t, want %t", result.Matches, want)
			}
		}
	})
	met.atLeast(t, map[string]int{"asked": 400, "only for what was": 15, "with numbers, and a spec that is left alone": 15, "a load balancer without node ports": 0, "an ExternalName without numbers": 5})
}

// concerns says whether the API server keeps numbers allocated for a Service, or stores one without.
func concerns(svc *corev1.Service) bool {
	if svc.Spec.Type != corev1.ServiceTypeExternalName {
		return len(serviceports.Requests(svc)) > 0
	}
	for _, p := range svc.Spec.Ports {
		if p.NodePort > 0 {
			return true
		}
	}
	return false
}

// write is one of an object.
type write struct {
	kind                  schema.GroupVersionKind
	resource, subresource string
	dryRun                bool
	user                  *user.DefaultInfo
	object, old           *unstructured.Unstructured
}

func (w write) admitted(t *rapid.T, policy compiled) bool {
	operation, old := admission.Create, runtime.Object(nil)
	if w.old != nil {
		operation, old = admission.Update, w.old
	}
	gvr := w.kind.GroupVersion().WithResource(w.resource)
	attributes := admission.NewAttributesRecord(w.object, old, w.kind, "", w.object.GetName(), gvr, w.subresource, operation, nil, w.dryRun, w.user)
	versioned, err := admission.NewVersionedAttributes(attributes, w.kind, admission.NewObjectInterfacesFromScheme(clientgoscheme.Scheme))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range policy.Validate(context.Background(), gvr, versioned, nil, nil, celconfig.RuntimeCELCostBudget, nil).Decisions {
		if d.Evaluation == validating.EvalError {
			t.Fatalf("the policy failed: %q", d.Message)
		}
		if d.Evaluation == validating.EvalDeny {
			return false
		}
	}
	return true
}

// drawObject draws one of few, so that old and new are often alike in spec or in status.
func drawObject(t *rapid.T, kind schema.GroupVersionKind, name string) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{}}
	u.SetGroupVersionKind(kind)
	u.SetName(name)
	for _, part := range []string{"spec", "status"} {
		switch rapid.IntRange(0, 2).Draw(t, part) {
		case 1:
			u.Object[part] = map[string]any{}
		case 2:
			u.Object[part] = map[string]any{"serviceUID": "a"}
		}
	}
	if rapid.Bool().Draw(t, "labelled") {
		u.SetLabels(map[string]string{"tier": "front"})
	}
	return u
}

func drawWrite(t *rapid.T, kind schema.GroupVersionKind, resource string) write {
	w := write{kind: kind, resource: resource, subresource: rapid.SampledFrom([]string{"", "status"}).Draw(t, "subresource")}
	w.dryRun = rapid.IntRange(0, 3).Draw(t, "dry run") == 0
	name := rapid.SampledFrom([]string{"node-a", "node-b"}).Draw(t, "name")
	w.user = &user.DefaultInfo{Name: rapid.SampledFrom([]string{theManager, theNodeProxy, "system:admin",
		"system:serviceaccount:kube-system:generic-garbage-collector", "x" + theManager, theNodeProxy + "-2"}).Draw(t, "user")}
	if nodes := rapid.SliceOfN(rapid.SampledFrom([]string{"node-a", "node-b"}), 0, 2).Draw(t, "nodes of the token"); len(nodes) > 0 {
		w.user.Extra = map[string][]string{nodeOfToken: nodes}
	}
	w.object = drawObject(t, kind, name)
	if rapid.IntRange(0, 2).Draw(t, "update") > 0 {
		w.old = drawObject(t, kind, name)
		if rapid.Bool().Draw(t, "deleting") {
			w.old.SetDeletionTimestamp(new(metav1.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)))
		}
	}
	return w
}

// leaves says whether a write leaves a part of the object as it was.
func (w write) leaves(part string) bool {
	return w.old != nil && cmp.Equal(w.object.Object[part], w.old.Object[part])
}

// wantWritesJudged holds a policy that is shipped against what is wanted of writes that are drawn: wanted says whether one is to be
// admitted, and counts what it met, which has to be so many at least.
func wantWritesJudged(t *testing.T, file string, kind schema.GroupVersionKind, resource string, wanted func(w write, met tally) bool, atLeast map[string]int) {
	t.Helper()
	var shipped admissionv1.ValidatingAdmissionPolicy
	read(t, file, &shipped)
	policy, met := load(t, &shipped), tally{}
	rapid.Check(t, func(rt *rapid.T) {
		for range 25 {
			w := drawWrite(rt, kind, resource)
			if kind.Kind == "Service" {
				w.drawService(rt)
			}
			met.count(everything)
			if want := wanted(w, met); w.admitted(rt, policy) != want {
				rt.Fatalf("admitted: %t, want %t", !want, want)
			}
		}
	})
	met.atLeast(t, atLeast)
}

func TestOnlyTheManagerWritesTheLedger(t *testing.T) {
	wantWritesJudged(t, "policy/ledger_policy.yaml", v1alpha1.GroupVersion.WithKind("NodePortAllocation"), "nodeportallocations", func(w write, met tally) bool {
		deleting, same := w.old != nil && w.old.GetDeletionTimestamp() != nil, w.leaves("spec") && w.leaves("status")
		want := w.user.Name == theManager || deleting && same
		met.countIf("admitted, of somebody else", want && w.user.Name != theManager)
		met.countIf("refused, of a change that leaves all as it was", !want && same)
		met.countIf("refused, of a change to what is being deleted", !want && deleting)
		return want
	}, map[string]int{"admitted, of somebody else": 8, "refused, of a change that leaves all as it was": 8,
		"refused, of a change to what is being deleted": 40})
}

func TestANodeWritesNothingButItsOwnState(t *testing.T) {
	wantWritesJudged(t, "node-proxy/node_state_policy.yaml", v1alpha1.GroupVersion.WithKind("NodePortNodeState"), "nodeportnodestates", func(w write, met tally) bool {
		nodes := w.user.Extra[nodeOfToken]
		own := w.user.Name == theNodeProxy && len(nodes) == 1 && nodes[0] == w.object.GetName()
		want := own || w.user.Name != theNodeProxy && w.leaves("status")
		met.countIf("own", own)
		met.countIf("refused, of the node-proxy of another node", !want && w.user.Name == theNodeProxy && len(nodes) == 1)
		met.countIf("refused, without a node in the token", !want && w.user.Name == theNodeProxy && len(nodes) == 0)
		met.countIf("admitted, of somebody else", want && !own)
		return want
	}, map[string]int{"own": 5, "refused, of the node-proxy of another node": 5,
		"refused, without a node in the token": 5, "admitted, of somebody else": 40})
}

// drawService makes it a write of a Service, of which little is changed.
func (w *write) drawService(t *rapid.T) {
	if w.user.Name = "system:admin"; rapid.IntRange(0, 4).Draw(t, "the manager's") > 0 {
		w.user.Name = theManager
	}
	for range 4 {
		drawPart(t, w.object)
	}
	if w.old == nil {
		return
	}
	w.old = w.object.DeepCopy()
	for range rapid.IntRange(0, 2).Draw(t, "changes") {
		drawPart(t, w.old)
	}
}

// drawPart draws something of a Service anew: what the manager may write, or may not.
func drawPart(t *rapid.T, u *unstructured.Unstructured) {
	part := rapid.SampledFrom([][]string{
		{"spec"}, {"status", "loadBalancer"}, {"status", "conditions"}, {"status", "conditions"}, {"status", "conditions"},
		{"metadata", "labels"}, {"metadata", "annotations"}, {"metadata", "finalizers"}, {"metadata", "ownerReferences"},
	}).Draw(t, "part")
	one, another := rapid.Bool().Draw(t, "one"), rapid.Bool().Draw(t, "another")
	var value any = map[string]any{"a": "b"}
	switch part[len(part)-1] {
	case "finalizers":
		value = []any{"a"}
	case "ownerReferences":
		value = []any{map[string]any{"name": "a"}}
	case "conditions":
		var conditions []any
		for _, kind := range []string{"Other", allocatedCondition} {
			if rapid.Bool().Draw(t, kind) {
				conditions = append(conditions, map[string]any{"type": kind, "status": strconv.FormatBool(another)})
			}
		}
		value = conditions
	}
	if _, is := u.Object["status"].(map[string]any); !is {
		u.Object["status"] = map[string]any{}
	}
	if unstructured.RemoveNestedField(u.Object, part...); one {
		if err := unstructured.SetNestedField(u.Object, value, part...); err != nil {
			t.Fatal(err)
		}
	}
}

// othersConditions are those of a Service that are not the manager's.
func othersConditions(u *unstructured.Unstructured) (others []any) {
	conditions, _, _ := unstructured.NestedSlice(u.Object, "status", "conditions")
	for _, c := range conditions {
		if c.(map[string]any)["type"] != allocatedCondition {
			others = append(others, c)
		}
	}
	return others
}

func TestOfAServiceTheManagerWritesOneCondition(t *testing.T) {
	wantWritesJudged(t, "policy/services_policy.yaml", corev1.SchemeGroupVersion.WithKind("Service"), "services", func(w write, met tally) bool {
		if w.user.Name != theManager {
			return true
		}
		if w.old == nil {
			met.countIf("made in a dry run", w.dryRun)
			return w.dryRun
		}
		want := cmp.Equal(othersConditions(w.object), othersConditions(w.old))
		for _, part := range [][]string{{"status", "loadBalancer"}, {"metadata", "labels"}, {"metadata", "annotations"},
			{"metadata", "finalizers"}, {"metadata", "ownerReferences"}} {
			is, _, _ := unstructured.NestedFieldNoCopy(w.object.Object, part...)
			was, _, _ := unstructured.NestedFieldNoCopy(w.old.Object, part...)
			same := cmp.Equal(is, was)
			want = want && same
			met.countIf(part[1]+" changed", !same)
		}
		met.countIf("admitted, of a changed status", want && !w.leaves("status"))
		met.countIf("refused, of a condition", !want && !cmp.Equal(othersConditions(w.object), othersConditions(w.old)))
		return want
	}, map[string]int{"made in a dry run": 15, "loadBalancer changed": 5, "labels changed": 5, "annotations changed": 5, "finalizers changed": 5,
		"ownerReferences changed": 5, "admitted, of a changed status": 8, "refused, of a condition": 10})
}
