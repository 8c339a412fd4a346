package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Role says what a number serves.
// +kubebuilder:validation:Enum=Traffic;HealthCheck
type Role string

const (
	// RoleTraffic is the nodePort of entries of spec.ports.
	RoleTraffic Role = "Traffic"
	// RoleHealthCheck is spec.healthCheckNodePort.
	RoleHealthCheck Role = "HealthCheck"
)

// Origin says how a number came to its Service.
// +kubebuilder:validation:Enum=Automatic;Explicit;Adopted
type Origin string

const (
	// OriginAutomatic is a number that was picked.
	OriginAutomatic Origin = "Automatic"
	// OriginExplicit is a number that the Service asked for.
	OriginExplicit Origin = "Explicit"
	// OriginAdopted is a number that the Service already had when Portolan first saw it.
	OriginAdopted Origin = "Adopted"
)

// ServiceReference names a Service.
type ServiceReference struct {
	// namespace of the Service.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`

	// name of the Service.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// AllocatedPort is an entry of a Service's spec.ports that carries the number.
type AllocatedPort struct {
	// name of the entry; absent where a Service's only port has none.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`

	// port is the entry's port on the Service's own addresses, 1 to 65535; absent where the number is reserved for an
	// entry that has not been seen yet.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`

	// protocol is TCP, UDP or SCTP; absent where port is.
	// +optional
	// +kubebuilder:validation:Enum=TCP;UDP;SCTP
	Protocol corev1.Protocol `json:"protocol,omitempty"`
}

// NodePortAllocationSpec holds all facts of the ledger about one number. They are in spec because status
// is dropped on create, and by most backups.
type NodePortAllocationSpec struct {
	// poolName is the pool that the number was taken from; absent: no pool had it.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	PoolName string `json:"poolName,omitempty"`

	// serviceRef is the Service that has the number, or had it last.
	// +required
	ServiceRef ServiceReference `json:"serviceRef"`

	// serviceUID is the UID of the Service that carries the number; absent: not, or no longer, seen.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=128
	ServiceUID types.UID `json:"serviceUID,omitempty"`

	// role is Traffic (the default: a nodePort of spec.ports) or HealthCheck (spec.healthCheckNodePort).
	// +optional
	// +kubebuilder:default=Traffic
	Role Role `json:"role,omitempty"`

	// origin says how the number came to the Service: Automatic (picked), Explicit (asked for) or Adopted (the Service
	// had it when Portolan first saw it).
	// +required
	Origin Origin `json:"origin"`

	// reservationName is the NodePortReservation, in the Service's namespace, that promises the number: it is kept for
	// the Service whether or not that exists.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ReservationName string `json:"reservationName,omitempty"`

	// ports are the entries of the Service that carry the number: several where protocols share it.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Ports []AllocatedPort `json:"ports,omitempty"`

	// claimTime is when the number was last claimed for the Service. A claim whose Service has not appeared 90 seconds
	// later is given up.
	// +optional
	ClaimTime *metav1.MicroTime `json:"claimTime,omitempty"`

	// holdUntil is set where the number is kept for the Service that had it last: until when.
	// +optional
	HoldUntil *metav1.Time `json:"holdUntil,omitempty"`
}

// Condition types and reasons of NodePortAllocation.
const (
	// AllocationBound is true where a Service carries the number.
	AllocationBound = "Bound"

	// AllocationReasonInUse is the reason of Bound=True.
	AllocationReasonInUse = "InUse"
	// AllocationReasonPending is the reason of Bound=False where the Service is just being created.
	AllocationReasonPending = "Pending"
	// AllocationReasonHeld is the reason of Bound=False where the number is kept for its last owner.
	AllocationReasonHeld = "Held"
	// AllocationReasonReserved is the reason of Bound=False where a reservation keeps the number for a Service that does
	// not exist, or does not carry it.
	AllocationReasonReserved = "Reserved"
	// AllocationReasonConflict is the reason of Bound=True where other Services carry the number too.
	AllocationReasonConflict = "Conflict"

	// AllocationProgrammed is true where every node whose node-proxy serves the Service has the number in force. It is
	// absent where none serves it, as where kube-proxy does, and where no Service carries the number.
	AllocationProgrammed = "Programmed"

	// AllocationReasonAllNodes is the reason of Programmed=True.
	AllocationReasonAllNodes = "AllNodes"
	// AllocationReasonProgramming is the reason of Programmed=False where nodes have not reported the number yet.
	AllocationReasonProgramming = "Programming"

	// AllocationIdle is true where a Service carries the number and nobody has used it for a while. It is absent where no
	// node counts, and where no Service carries the number.
	AllocationIdle = "Idle"

	// AllocationReasonNoTraffic is the reason of Idle=True.
	AllocationReasonNoTraffic = "NoTraffic"
	// AllocationReasonTraffic is the reason of Idle=False where the number has been used.
	AllocationReasonTraffic = "Traffic"
	// AllocationReasonTooEarly is the reason of Idle=False where the number has not been used yet, and nobody has counted
	// for long enough to call it idle.
	AllocationReasonTooEarly = "TooEarly"
)

// NodeCounts counts nodes.
type NodeCounts struct {
	// programmed is how many of them have it in force.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Programmed int32 `json:"programmed"`

	// total is how many there are.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Total int32 `json:"total"`
}

// NodePortAllocationStatus is what is seen of a number. It can be derived from spec and the Services.
type NodePortAllocationStatus struct {
	// conditions of the number: Bound (reasons InUse, Pending, Held, Reserved, Conflict); where node-proxies serve the
	// Service, Programmed (reasons AllNodes, Programming); where nodes count connections, Idle (reasons NoTraffic, Traffic,
	// TooEarly).
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// protocols that the number is used with, for example "TCP,UDP".
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Protocols string `json:"protocols,omitempty"`

	// conflictsWith are the other Services that carry the number: at most 16 are listed.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	ConflictsWith []ServiceReference `json:"conflictsWith,omitempty"`

	// boundTime is when the present Service was first seen with the number.
	// +optional
	BoundTime *metav1.Time `json:"boundTime,omitempty"`

	// nodes counts the nodes that report, in their NodePortNodeState, that they serve the Service, and those of them that
	// have the number in force; absent: none serves it, as where kube-proxy does, or no Service carries the number.
	// +optional
	Nodes *NodeCounts `json:"nodes,omitempty"`

	// lastTrafficTime is when a node last reported a connection to the number, new or open, whoever forwards it; nodes
	// report a number that is in constant use every ten minutes. Absent: never, or no node counts.
	// +optional
	LastTrafficTime *metav1.Time `json:"lastTrafficTime,omitempty"`
}

// NodePortAllocation is the ledger's entry for one node port, named by the number (quote it in YAML:
// "30080"). Its creation is what gives the number to a Service. Written by Portolan alone.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=npa,categories=portolan
// +kubebuilder:selectablefield:JSONPath=`.spec.poolName`
// +kubebuilder:selectablefield:JSONPath=`.spec.serviceRef.namespace`
// +kubebuilder:selectablefield:JSONPath=`.spec.serviceRef.name`
// +kubebuilder:printcolumn:name="Protocols",type=string,JSONPath=`.status.protocols`
// +kubebuilder:printcolumn:name="Namespace",type=string,JSONPath=`.spec.serviceRef.namespace`
// +kubebuilder:printcolumn:name="Service",type=string,JSONPath=`.spec.serviceRef.name`
// +kubebuilder:printcolumn:name="Pool",type=string,JSONPath=`.spec.poolName`
// +kubebuilder:printcolumn:name="Origin",type=string,JSONPath=`.spec.origin`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.conditions[?(@.type=="Bound")].reason`
// +kubebuilder:printcolumn:name="Last-Traffic",type=date,JSONPath=`.status.lastTrafficTime`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Role",type=string,priority=1,JSONPath=`.spec.role`
// +kubebuilder:printcolumn:name="Hold-Until",type=string,priority=1,JSONPath=`.spec.holdUntil`
// +kubebuilder:printcolumn:name="Programmed",type=integer,priority=1,JSONPath=`.status.nodes.programmed`
// +kubebuilder:printcolumn:name="Nodes",type=integer,priority=1,JSONPath=`.status.nodes.total`
// +kubebuilder:printcolumn:name="Idle",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Idle")].status`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[1-9][0-9]{0,4}$') && int(self.metadata.name) <= 65535",message="the name must be a port number, 1 to 65535"
type NodePortAllocation struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata; the name is the number.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec holds the facts of the ledger.
	// +required
	Spec NodePortAllocationSpec `json:"spec"`

	// status is what is seen of the number.
	// +optional
	Status NodePortAllocationStatus `json:"status,omitzero"`
}

// NodePortAllocationList is a list of NodePortAllocation.
//
// +kubebuilder:object:root=true
type NodePortAllocationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	Items []NodePortAllocation `json:"items"`
}
