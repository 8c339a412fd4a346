package export

import (
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// trim keeps of an object what an inventory reads: a node's heartbeats and the traffic of an allocation are no changes then.
// It is as of toolscache.TransformFunc.
func trim(object any) (any, error) {
	switch o := object.(type) {
	case *corev1.Node:
		o.ObjectMeta = identity(o.ObjectMeta)
		o.Spec = corev1.NodeSpec{Unschedulable: o.Spec.Unschedulable, Taints: o.Spec.Taints}
		o.Status = corev1.NodeStatus{Addresses: o.Status.Addresses, Conditions: readiness(o.Status.Conditions)}
	case *corev1.Service:
		o.ObjectMeta = identity(o.ObjectMeta)
		o.Status = corev1.ServiceStatus{}
	case *discoveryv1.EndpointSlice:
		o.ObjectMeta = identity(o.ObjectMeta)
		for i, e := range o.Endpoints {
			o.Endpoints[i] = discoveryv1.Endpoint{NodeName: e.NodeName, Conditions: e.Conditions}
		}
	case *v1alpha1.NodePortAllocation:
		o.ObjectMeta = identity(o.ObjectMeta)
		o.Spec = v1alpha1.NodePortAllocationSpec{PoolName: o.Spec.PoolName}
		o.Status = v1alpha1.NodePortAllocationStatus{}
	case *v1alpha1.NodePortAccess:
		o.ObjectMeta = identity(o.ObjectMeta)
		o.Status = v1alpha1.NodePortAccessStatus{}
	case *v1alpha1.NodePortPool:
		o.ObjectMeta = identity(o.ObjectMeta)
		o.Status = v1alpha1.NodePortPoolStatus{}
	}
	return object, nil
}

func identity(m metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: m.Namespace, Name: m.Name, UID: m.UID, ResourceVersion: m.ResourceVersion, Labels: m.Labels,
		CreationTimestamp: m.CreationTimestamp, DeletionTimestamp: m.DeletionTimestamp,
	}
}

func readiness(conditions []corev1.NodeCondition) []corev1.NodeCondition {
	for _, c := range conditions {
		if c.Type == corev1.NodeReady {
			return []corev1.NodeCondition{{Type: c.Type, Status: c.Status}}
		}
	}
	return nil
}

// same says whether two trimmed objects are the same but for their version.
func same(a, b client.Object) bool {
	a, b = a.DeepCopyObject().(client.Object), b.DeepCopyObject().(client.Object)
	a.SetResourceVersion("")
	b.SetResourceVersion("")
	return equality.Semantic.DeepEqual(a, b)
}
