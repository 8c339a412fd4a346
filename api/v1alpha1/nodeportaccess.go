package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// CIDR is a range of addresses, IPv4 or IPv6.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=43
// +kubebuilder:validation:XValidation:rule="isCIDR(self) && cidr(self) == cidr(self).masked()",message="must be a range of addresses with no bit set after its prefix, such as 203.0.113.0/24, 203.0.113.7/32 or 2001:db8::/32"
type CIDR string

// IPBlock is a range of addresses without parts of it.
// +kubebuilder:validation:XValidation:rule="!has(self.except) || !isCIDR(self.cidr) || self.except.all(e, !isCIDR(e) || cidr(self.cidr).containsCIDR(e))",message="every range of except must lie in cidr",fieldPath=".except"
type IPBlock struct {
	// cidr is the range, for example "203.0.113.0/24" or "2001:db8::/32"; for a single address "203.0.113.7/32".
	// +required
	CIDR CIDR `json:"cidr"`

	// except are parts of it that do not belong to it.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Except []CIDR `json:"except,omitempty"`
}

// AccessPeer is a source of connections.
type AccessPeer struct {
	// ipBlock is its addresses, as they are when the packet comes to the node: behind a load balancer or a router that
	// translates addresses, that one's.
	// +required
	IPBlock IPBlock `json:"ipBlock"`
}

// ConnectionRate is a rate of new connections.
type ConnectionRate struct {
	// perSecond is how many new connections a second each source address may make to each node port of each node, once
	// burst is used up: 1 to 1,000,000. UDP counts flows.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	PerSecond int32 `json:"perSecond"`

	// burst is how many it may make at once: 1 to 1,000,000, by default 5.
	// +optional
	// +kubebuilder:default=5
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000000
	Burst int32 `json:"burst,omitempty"`
}

// NodePortAccessSpec says who may reach node ports, and where.
type NodePortAccessSpec struct {
	// serviceSelector selects Services of the namespace by their labels; {} is all.
	// +required
	// +kubebuilder:validation:XValidation:rule="!has(self.matchExpressions) || self.matchExpressions.all(e, e.operator in ['In', 'NotIn'] ? has(e.values) && e.values.size() > 0 : e.operator in ['Exists', 'DoesNotExist'] && (!has(e.values) || e.values.size() == 0))",message="operator must be In or NotIn with values, or Exists or DoesNotExist without"
	ServiceSelector metav1.LabelSelector `json:"serviceSelector"`

	// ports are names of entries of spec.ports of these Services; absent: all their ports. A healthCheckNodePort is not
	// among them: it stays open to load balancers.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=63
	Ports []string `json:"ports,omitempty"`

	// from are the sources that may reach them; absent: every source.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	From []AccessPeer `json:"from,omitempty"`

	// nodeSelector selects the nodes on which they may, by their labels; absent: every node.
	// +optional
	// +kubebuilder:validation:XValidation:rule="!has(self.matchExpressions) || self.matchExpressions.all(e, e.operator in ['In', 'NotIn'] ? has(e.values) && e.values.size() > 0 : e.operator in ['Exists', 'DoesNotExist'] && (!has(e.values) || e.values.size() == 0))",message="operator must be In or NotIn with values, or Exists or DoesNotExist without"
	NodeSelector *metav1.LabelSelector `json:"nodeSelector,omitempty"`

	// interfaces are the names of the nodes' network interfaces by which they may, for example "eth1"; absent: every one. A
	// name is 1 to 15 characters of ASCII, none of them a space, a slash or a colon.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=15
	// +kubebuilder:validation:items:Pattern=`^[!-.0-9;-~]+$`
	Interfaces []string `json:"interfaces,omitempty"`

	// addresses are ranges of the nodes' own addresses at which they may, for example "198.51.100.0/24"; absent: every one.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Addresses []CIDR `json:"addresses,omitempty"`

	// newConnections limits how many new connections each source may make; absent: no limit. Where several NodePortAccess
	// allow a source, the one that allows it most counts: no limit, else the highest perSecond, then the highest burst.
	// +optional
	NewConnections *ConnectionRate `json:"newConnections,omitempty"`
}

// Condition types and reasons of NodePortAccess.
const (
	// AccessReady is true where the object says what can be enforced, and selects something.
	AccessReady = "Ready"
	// AccessReasonSelects is the reason of Ready=True.
	AccessReasonSelects = "Selects"
	// AccessReasonSelectsNothing is the reason of Ready=False where no Service with a node port is selected, or none has a
	// port of these names.
	AccessReasonSelectsNothing = "SelectsNothing"
	// AccessReasonInvalid is the reason of Ready=False where the object cannot be enforced as it is; what it selects is
	// closed by it all the same.
	AccessReasonInvalid = "Invalid"

	// AccessProgrammed is true where every node that has a guard enforces the object as it is.
	AccessProgrammed = "Programmed"
	// AccessReasonAllNodes is the reason of Programmed=True.
	AccessReasonAllNodes = "AllNodes"
	// AccessReasonProgramming is the reason of Programmed=False where nodes have not reported it yet.
	AccessReasonProgramming = "Programming"
	// AccessReasonNoGuard is the reason of Programmed=False where no node has a guard: nothing is enforced.
	AccessReasonNoGuard = "NoGuard"
)

// NodePortAccessStatus is what becomes of a NodePortAccess.
type NodePortAccessStatus struct {
	// conditions: Ready (reasons Selects, SelectsNothing, Invalid) and Programmed (reasons AllNodes, Programming, NoGuard).
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// specResourceVersion is the resourceVersion with which the spec was first seen as it is: a node that enforces this one
	// or a later one enforces it.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	SpecResourceVersion string `json:"specResourceVersion,omitempty"`

	// nodePorts are the numbers that it is about, ascending, for example "30007-30008,30721".
	// +optional
	// +kubebuilder:validation:MaxLength=262144
	// +kubebuilder:validation:Pattern=`^([0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*)?$`
	NodePorts string `json:"nodePorts,omitempty"`

	// sources are the ranges of from, in words, for example "203.0.113.0/24 and 3 more", or "anywhere".
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Sources string `json:"sources,omitempty"`

	// nodes counts the nodes with a guard, and those of them that enforce it.
	// +optional
	Nodes *NodeCounts `json:"nodes,omitempty"`
}

// NodePortAccess says who may reach the node ports of Services, and where: from which sources, on which nodes, interfaces
// and addresses, at which rate. It is enforced on every node that has a node-proxy, before any proxy forwards.
//
// Several add up, as NetworkPolicies do. A port that none selects is open; one that any selects takes what one of them
// lists, and nothing else.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Namespaced,shortName=npacc,categories=portolan
// +kubebuilder:printcolumn:name="Node-Ports",type=string,JSONPath=`.status.nodePorts`
// +kubebuilder:printcolumn:name="From",type=string,JSONPath=`.status.sources`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Programmed",type=integer,JSONPath=`.status.nodes.programmed`
// +kubebuilder:printcolumn:name="Nodes",type=integer,JSONPath=`.status.nodes.total`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Interfaces",type=string,priority=1,JSONPath=`.spec.interfaces`
// +kubebuilder:printcolumn:name="Addresses",type=string,priority=1,JSONPath=`.spec.addresses`
// +kubebuilder:printcolumn:name="New-Per-Second",type=integer,priority=1,JSONPath=`.spec.newConnections.perSecond`
type NodePortAccess struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is who may reach what.
	// +required
	Spec NodePortAccessSpec `json:"spec"`

	// status is what becomes of it.
	// +optional
	Status NodePortAccessStatus `json:"status,omitzero"`
}

// NodePortAccessList is a list of NodePortAccess.
//
// +kubebuilder:object:root=true
type NodePortAccessList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	Items []NodePortAccess `json:"items"`
}
