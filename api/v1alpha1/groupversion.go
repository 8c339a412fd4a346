// Package v1alpha1 holds the kinds of portolan.dev/v1alpha1.
//
// +kubebuilder:object:generate=true
// +groupName=portolan.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is portolan.dev/v1alpha1.
var GroupVersion = schema.GroupVersion{Group: "portolan.dev", Version: "v1alpha1"}

// AddToScheme registers the kinds of this package.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&NodePortPool{}, &NodePortPoolList{},
		&NodePortAllocation{}, &NodePortAllocationList{},
		&NodePortReservation{}, &NodePortReservationList{},
		&NodePortUsage{}, &NodePortUsageList{},
		&NodePortNodeState{}, &NodePortNodeStateList{},
		&NodePortAccess{}, &NodePortAccessList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}

// PoolAnnotation on a Service chooses among the pools that select its namespace.
const PoolAnnotation = "portolan.dev/pool"
