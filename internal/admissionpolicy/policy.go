// Package admissionpolicy compiles the pools into one ValidatingAdmissionPolicy: the rules that hold while Portolan
// is away. The API server evaluates them itself.
//
// The policy:
//   - It decides what rules.Judge decides, as far as the Service, its namespace's labels and the pools tell: ranges,
//     pools that are draining, the pool that a Service names, ports of a Service, numbers on ExternalName Services.
//     Who has a number is not known to it, nor is it needed: the API server gives no number twice.
//   - Only what is new is judged, as by the rules. A Service of type ClusterIP and an update that leaves spec alone never get
//     past matchConditions.
//   - Numbers that nobody set get through: those that Kubernetes picks while Portolan is away are adopted later.
//   - One policy, not one a pool: policies add up, so that none could say "and the numbers of no other pool".
//   - No parameters: the pools stand in the expressions. An API server that starts, and has not read the parameters
//     yet, would refuse every Service.
//   - What is said of pools stands in variables alone: an error of an expression may quote it, but no variable.
//   - The same pools give the same text, byte for byte: applied again it changes nothing.
//
// What limits the text: an expression may have 100,000 characters, an evaluation of one may cost 1,000,000 and all of
// them together 10,000,000 (k8s.io/apiserver/pkg/apis/cel), else the Service is refused. A cost is about a step, so
// that nothing here takes a step for each port and each range, or for each port and each port that it had.
package admissionpolicy

import (
	"cmp"
	"slices"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	admissionac "k8s.io/client-go/applyconfigurations/admissionregistration/v1"
	metaac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
)

// Name is that of the policy and of its binding.
const Name = "nodeports.portolan.dev"

// Options change what is judged.
type Options struct {
	// Strict judges every number, also one that nobody set.
	Strict bool
}

var (
	ours  = map[string]string{"app.kubernetes.io/name": "portolan", "app.kubernetes.io/managed-by": "portolan"}
	about = map[string]string{"kubernetes.io/description": "What Services may have of which node ports, also while Portolan is away. " +
		"Compiled by Portolan from all NodePortPools; any other change of it is undone."}
)

// Compile makes the policy and its binding. Both belong to the pools, so that they go with the last one. Without a
// pool there is neither: nil.
func Compile(chart *rules.Chart, pools []v1alpha1.NodePortPool, o Options) (
	*admissionac.ValidatingAdmissionPolicyApplyConfiguration, *admissionac.ValidatingAdmissionPolicyBindingApplyConfiguration) {
	if len(pools) == 0 {
		return nil, nil
	}
	owners := ownersOf(pools)
	policy := admissionac.ValidatingAdmissionPolicy(Name).WithLabels(ours).WithAnnotations(about).WithOwnerReferences(owners...).WithSpec(
		admissionac.ValidatingAdmissionPolicySpec().
			WithFailurePolicy(admissionv1.Fail).
			WithMatchConstraints(services()).
			WithMatchConditions(mayBringNumbers).
			WithVariables(slices.Concat(aboutPools(chart), aboutService(chart, o))...).
			WithValidations(validations()...))
	binding := admissionac.ValidatingAdmissionPolicyBinding(Name).WithLabels(ours).WithAnnotations(about).WithOwnerReferences(owners...).WithSpec(
		admissionac.ValidatingAdmissionPolicyBindingSpec().
			WithPolicyName(Name).
			WithValidationActions(admissionv1.Deny))
	return policy, binding
}

// ownersOf are references that keep nobody from deleting a pool.
func ownersOf(pools []v1alpha1.NodePortPool) []*metaac.OwnerReferenceApplyConfiguration {
	byName := slices.Clone(pools)
	slices.SortFunc(byName, func(a, b v1alpha1.NodePortPool) int { return cmp.Compare(a.Name, b.Name) })
	var owners []*metaac.OwnerReferenceApplyConfiguration
	for _, p := range byName {
		owners = append(owners, metaac.OwnerReference().
			WithAPIVersion(v1alpha1.GroupVersion.String()).WithKind("NodePortPool").WithName(p.Name).WithUID(p.UID))
	}
	return owners
}

// services has the API server's defaults in it: what it stores is then just what was applied.
func services() *admissionac.MatchResourcesApplyConfiguration {
	return admissionac.MatchResources().
		WithMatchPolicy(admissionv1.Equivalent).
		WithNamespaceSelector(metaac.LabelSelector()).
		WithObjectSelector(metaac.LabelSelector()).
		WithResourceRules(admissionac.NamedRuleWithOperations().
			WithAPIGroups(corev1.GroupName).WithAPIVersions("v1").WithResources("services").WithScope(admissionv1.AllScopes).
			WithOperations(admissionv1.Create, admissionv1.Update))
}

// mayBringNumbers leaves out what cannot bring a number: Services of type ClusterIP, of which the API server takes none, and
// updates that leave spec alone: whatever else is wrong, a Service takes a label and loses a finalizer.
var mayBringNumbers = admissionac.MatchCondition().
	WithName("may-bring-numbers").
	WithExpression(`object.spec.?type.orValue("") != "ClusterIP" && (oldObject == null || object.spec != oldObject.spec)`)
