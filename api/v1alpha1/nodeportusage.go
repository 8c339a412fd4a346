package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Condition type and reasons of NodePortUsage.
const (
	// UsageReady is true where the namespace may have more numbers of the pool.
	UsageReady = "Ready"

	// UsageReasonWithinLimit is the reason of Ready=True.
	UsageReasonWithinLimit = "WithinLimit"
	// UsageReasonLimitReached is the reason of Ready=False where the namespace has as many numbers as it may.
	UsageReasonLimitReached = "LimitReached"
	// UsageReasonNothingNew is the reason of Ready=False where the pool hands out nothing new.
	UsageReasonNothingNew = "NothingNew"
)

// NodePortUsageStatus is what the namespace has of a pool.
type NodePortUsageStatus struct {
	// conditions of the namespace's use of the pool: Ready (reasons WithinLimit, LimitReached, NothingNew).
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// ranges are the pool's numbers in short, for example "30100-30199,30500"; empty where the pool does not serve the
	// namespace any more.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Ranges string `json:"ranges,omitempty"`

	// used is how many numbers of the pool the namespace has: those in use, claimed, kept after their Service has gone,
	// and reserved.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Used int32 `json:"used"`

	// limit is how many it may have; absent: there is no limit.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Limit *int32 `json:"limit,omitempty"`

	// nodePorts are the numbers, ascending; at most 1024 are listed.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1024
	NodePorts []int32 `json:"nodePorts,omitempty"`
}

// NodePortUsage tells a namespace what it has of a pool and how much more it may have. It is a report, named as the
// pool, and written by Portolan alone.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=npu,categories=portolan
// +kubebuilder:printcolumn:name="Ranges",type=string,JSONPath=`.status.ranges`
// +kubebuilder:printcolumn:name="Used",type=integer,JSONPath=`.status.used`
// +kubebuilder:printcolumn:name="Limit",type=integer,JSONPath=`.status.limit`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
type NodePortUsage struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata; the name is the pool's.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// status is what the namespace has of the pool.
	// +optional
	Status NodePortUsageStatus `json:"status,omitzero"`
}

// NodePortUsageList is a list of NodePortUsage.
//
// +kubebuilder:object:root=true
type NodePortUsageList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	Items []NodePortUsage `json:"items"`
}
