package controllers

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/fleet"
)

func coveredBy(programmed, total int32, missing ...string) fleet.Covered {
	return fleet.Covered{NodeCounts: v1alpha1.NodeCounts{Programmed: programmed, Total: total}, Missing: missing}
}

func TestAnAllocationSaysWhichNodesHaveItsNumber(t *testing.T) {
	at := func(minute int) metav1.Time {
		return metav1.NewTime(noon.Add(time.Duration(minute) * time.Minute)).Rfc3339Copy()
	}
	condition := func(status metav1.ConditionStatus, reason, message string, minute int) *metav1.Condition {
		return &metav1.Condition{Type: v1alpha1.AllocationProgrammed, Status: status, Reason: reason, Message: message,
			ObservedGeneration: 3, LastTransitionTime: at(minute)}
	}
	const everyNode = "every node whose node-proxy serves the Service has the number"
	a := &v1alpha1.NodePortAllocation{Spec: specOf("web", withUID("1"))}
	a.Generation = 3
	for minute, step := range []struct {
		name  string
		nodes fleet.Covered
		want  *metav1.Condition
	}{
		{"kube-proxy serves it", fleet.Covered{}, nil},
		{"no node has it yet", coveredBy(0, 2, "a", "b"), condition("False", "Programming", "0 of 2 nodes have the number; not yet: a, b", 1)},
		{"one has it", coveredBy(1, 2, "b"), condition("False", "Programming", "1 of 2 nodes have the number; not yet: b", 1)},
		{"all have it", coveredBy(2, 2), condition("True", "AllNodes", everyNode, 3)},
		{"a third one has it too", coveredBy(3, 3), condition("True", "AllNodes", everyNode, 3)},
		{"a hundred come without it", coveredBy(3, 103, "d", "e", "f"),
			condition("False", "Programming", "3 of 103 nodes have the number; not yet: d, e, f and 97 more", 5)},
		{"it is given to kube-proxy", fleet.Covered{}, nil},
	} {
		o := observed{number: 30080, allocation: a, carriers: []*corev1.Service{carrier("shop/web", "1", 0)}, nodes: step.nodes, now: at(minute).Time}
		a.Status = statusFor(o)
		if diff := cmp.Diff(step.want, meta.FindStatusCondition(a.Status.Conditions, v1alpha1.AllocationProgrammed)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
		counts := &step.nodes.NodeCounts
		if step.nodes.Total == 0 {
			counts = nil
		}
		if diff := cmp.Diff(counts, a.Status.Nodes); diff != "" {
			t.Errorf("%s: nodes (-want +got):\n%s", step.name, diff)
		}
	}
}

func TestWhatNodesReportWaitsForItsTurnUnlessMoreHasChanged(t *testing.T) {
	a := &v1alpha1.NodePortAllocation{Spec: specOf("web", withUID("1"))}
	o := observed{number: 30080, allocation: a, carriers: []*corev1.Service{carrier("shop/web", "1", 0)}, now: noon}
	before := statusFor(o)
	a.Status = before
	o.nodes = coveredBy(1, 2, "b")
	reported := statusFor(o)
	if !onlyNodesDiffer(before, reported) || !onlyNodesDiffer(reported, before) {
		t.Error("a report of a node counts as more than that")
	}
	o.carriers = append(o.carriers, carrier("bank/core", "2", 1))
	if onlyNodesDiffer(before, statusFor(o)) {
		t.Error("a conflict counts as a report of a node")
	}
	if len(reported.Conditions) != 2 {
		t.Errorf("the comparison took conditions away: %v", reported.Conditions)
	}
}
