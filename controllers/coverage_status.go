package controllers

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/fleet"
)

// setNodes says in an allocation's status which nodes have the number, where any node serves its Service.
func setNodes(status *v1alpha1.NodePortAllocationStatus, o observed) {
	if o.nodes.Total == 0 {
		status.Nodes = nil
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.AllocationProgrammed)
		return
	}
	status.Nodes = new(o.nodes.NodeCounts)
	setCondition(&status.Conditions, programmed(o.nodes), o.allocation.Generation, o.now)
}

// programmed words the coverage of a number. While all nodes have it the text does not change with their count.
func programmed(c fleet.Covered) metav1.Condition {
	if c.Programmed == c.Total {
		return metav1.Condition{Type: v1alpha1.AllocationProgrammed, Status: metav1.ConditionTrue,
			Reason: v1alpha1.AllocationReasonAllNodes, Message: "every node whose node-proxy serves the Service has the number"}
	}
	names := strings.Join(c.Missing, ", ")
	if more := int(c.Total-c.Programmed) - len(c.Missing); more > 0 {
		names += fmt.Sprintf(" and %d more", more)
	}
	return metav1.Condition{Type: v1alpha1.AllocationProgrammed, Status: metav1.ConditionFalse,
		Reason: v1alpha1.AllocationReasonProgramming, Message: fmt.Sprintf("%d of %d nodes have the number; not yet: %s", c.Programmed, c.Total, names)}
}

// onlyNodesDiffer says whether two statuses are the same but for what nodes have reported.
func onlyNodesDiffer(a, b v1alpha1.NodePortAllocationStatus) bool {
	return equality.Semantic.DeepEqual(withoutNodes(a), withoutNodes(b))
}

func withoutNodes(status v1alpha1.NodePortAllocationStatus) v1alpha1.NodePortAllocationStatus {
	status.Nodes, status.LastTrafficTime = nil, nil
	status.Conditions = slices.DeleteFunc(slices.Clone(status.Conditions), func(c metav1.Condition) bool {
		return c.Type == v1alpha1.AllocationProgrammed || c.Type == v1alpha1.AllocationIdle
	})
	return status
}
