package controllers

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// Who reads a NodePortAccess is a tenant: nodes are counted and not named, and of other namespaces nothing is said.

// guarding is what a NodePortAccess is about.
type guarding struct {
	policy *access.Policy
	// services is how many Services with node ports it selects, numbers those of their ports that it is about.
	services int
	numbers  rules.Ranges
}

// guardingOf finds what a policy is about among Services, which are all that it selects.
func guardingOf(policy *access.Policy, services []corev1.Service) guarding {
	g := guarding{policy: policy}
	var runs []v1alpha1.PortRange
	for i := range services {
		requests := slices.DeleteFunc(serviceports.Requests(&services[i]), func(r serviceports.Request) bool {
			return r.Role == serviceports.HealthCheck || r.NodePort == 0
		})
		if len(requests) > 0 {
			g.services++
		}
		for _, r := range requests {
			if slices.ContainsFunc(r.Ports, func(p serviceports.Port) bool { return policy.SelectsPort(p.Name) }) {
				runs = append(runs, v1alpha1.PortRange{From: r.NodePort, To: r.NodePort})
			}
		}
	}
	g.numbers = rules.NewRanges(runs)
	return g
}

// specVersion is the version from which on a node enforces an object as it is: that at which it was first seen so.
func specVersion(object *v1alpha1.NodePortAccess) string {
	ready := meta.FindStatusCondition(object.Status.Conditions, v1alpha1.AccessReady)
	if ready == nil || ready.ObservedGeneration != object.Generation {
		return object.ResourceVersion
	}
	return cmp.Or(object.Status.SpecResourceVersion, object.ResourceVersion)
}

// accessStatus is what becomes of an object, which nodes of a number enforce as it is.
func accessStatus(object *v1alpha1.NodePortAccess, g guarding, nodes v1alpha1.NodeCounts, now time.Time) v1alpha1.NodePortAccessStatus {
	status := v1alpha1.NodePortAccessStatus{
		Conditions:          slices.Clone(object.Status.Conditions),
		SpecResourceVersion: specVersion(object),
		NodePorts:           g.numbers.Join(","),
		Sources:             access.SourcesText(object.Spec.From),
		Nodes:               &nodes,
	}
	for _, condition := range []metav1.Condition{g.ready(), enforced(nodes)} {
		setCondition(&status.Conditions, condition, object.Generation, now)
	}
	return status
}

func (g guarding) ready() metav1.Condition {
	ready := metav1.Condition{Type: v1alpha1.AccessReady, Status: metav1.ConditionFalse, Reason: v1alpha1.AccessReasonSelectsNothing}
	switch {
	case len(g.policy.Problems) > 0:
		ready.Reason = v1alpha1.AccessReasonInvalid
		ready.Message = shortened("it lets nobody in, and closes what it selects all the same: " + g.policy.Problems.ToAggregate().Error())
	case len(g.numbers) > 0:
		ready.Status, ready.Reason = metav1.ConditionTrue, v1alpha1.AccessReasonSelects
		ready.Message = "status.nodePorts take what this or another NodePortAccess allows, and nothing else"
	case g.services > 0:
		ready.Message = fmt.Sprintf("no selected Service has a node port of a name in spec.ports: %q", g.policy.Ports)
	default:
		ready.Message = "no Service of the namespace that has a node port is selected"
	}
	return ready
}

// enforced words how many nodes enforce an object. While all do the text does not change with their count.
func enforced(nodes v1alpha1.NodeCounts) metav1.Condition {
	condition := metav1.Condition{Type: v1alpha1.AccessProgrammed, Status: metav1.ConditionFalse}
	switch {
	case nodes.Total == 0:
		condition.Reason, condition.Message = v1alpha1.AccessReasonNoGuard, "no node reports that it has a guard: nothing of this is enforced"
	case nodes.Programmed < nodes.Total:
		condition.Reason = v1alpha1.AccessReasonProgramming
		condition.Message = fmt.Sprintf("%d of %d nodes enforce it as it is", nodes.Programmed, nodes.Total)
	default:
		condition.Status, condition.Reason = metav1.ConditionTrue, v1alpha1.AccessReasonAllNodes
		condition.Message = "every node that has a guard enforces it as it is"
	}
	return condition
}

// onlyGuardsDiffer says whether two statuses are the same but for what nodes have reported.
func onlyGuardsDiffer(a, b v1alpha1.NodePortAccessStatus) bool {
	return equality.Semantic.DeepEqual(withoutGuards(a), withoutGuards(b))
}

func withoutGuards(status v1alpha1.NodePortAccessStatus) v1alpha1.NodePortAccessStatus {
	status.Nodes = nil
	status.Conditions = slices.DeleteFunc(slices.Clone(status.Conditions), func(c metav1.Condition) bool {
		return c.Type == v1alpha1.AccessProgrammed
	})
	return status
}
