package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AllocationMode says who gets numbers out of a pool.
// +kubebuilder:validation:Enum=Automatic;Explicit;None
type AllocationMode string

const (
	// AllocationAutomatic serves every Service of the selected namespaces.
	AllocationAutomatic AllocationMode = "Automatic"
	// AllocationExplicit serves explicit numbers, and Services that name the pool.
	AllocationExplicit AllocationMode = "Explicit"
	// AllocationNone hands out nothing new: the pool is draining.
	AllocationNone AllocationMode = "None"
)

// Strategy says which of the free numbers is picked.
// +kubebuilder:validation:Enum=Random;Stable
type Strategy string

const (
	// StrategyRandom picks the first free number from a random start.
	StrategyRandom Strategy = "Random"
	// StrategyStable picks by a hash of namespace, name and port name: the same wish gets the same number in every
	// cluster, as long as it is free.
	StrategyStable Strategy = "Stable"
)

// Enforcement says what happens to a Service outside of its namespace's ranges.
// +kubebuilder:validation:Enum=Enforce;Warn
type Enforcement string

const (
	// EnforcementEnforce refuses it.
	EnforcementEnforce Enforcement = "Enforce"
	// EnforcementWarn admits it with a warning.
	EnforcementWarn Enforcement = "Warn"
)

// PortRange is a run of port numbers, both ends included.
// +kubebuilder:validation:XValidation:rule="self.from <= self.to",message="from must not be greater than to"
type PortRange struct {
	// from is the first number of the range, 1 to 65535.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	From int32 `json:"from"`

	// to is the last number of the range, 1 to 65535; the range includes it.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	To int32 `json:"to"`
}

// PoolAccess is who may reach the node ports of a pool.
type PoolAccess struct {
	// from are the sources: what comes from elsewhere is refused.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	From []AccessPeer `json:"from"`
}

// NodePortPoolSpec is what the operator wants of a pool.
type NodePortPoolSpec struct {
	// ranges are the numbers of the pool: up to 64 disjoint ranges, for example [{from: 30100, to: 30199},
	// {from: 30500, to: 30500}]. An empty list is a pool without numbers: if it selects a namespace that no
	// other pool selects, that namespace gets no node port. Numbers outside the cluster's node port range
	// (30000-32767 by default) are not handed out.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:XValidation:rule="self.all(a, a.from > a.to || self.exists_one(b, a.from <= b.to && b.from <= a.to))",message="ranges must not overlap"
	Ranges []PortRange `json:"ranges"`

	// namespaceSelector chooses the namespaces that use this pool by their labels; {} (the default) is every
	// namespace. A namespace that any pool selects may use only its pools. Prefer the label
	// kubernetes.io/metadata.name, which the API server sets: tenants may be able to set others.
	// +optional
	// +kubebuilder:default={}
	NamespaceSelector metav1.LabelSelector `json:"namespaceSelector,omitzero"`

	// priority orders the pools that select one namespace: the higher is asked first, then the lower name; a full pool
	// passes on to the next. -1000000 to 1000000, 0 by default.
	// +optional
	// +kubebuilder:default=0
	// +kubebuilder:validation:Minimum=-1000000
	// +kubebuilder:validation:Maximum=1000000
	Priority int32 `json:"priority,omitempty"`

	// allocation says who gets numbers. Automatic (the default): every Service of the selected
	// namespaces. Explicit: only explicit numbers, and Services that name the pool in the annotation
	// portolan.dev/pool. None: nothing new; what is in use stays.
	// +optional
	// +kubebuilder:default=Automatic
	Allocation AllocationMode `json:"allocation,omitempty"`

	// strategy says which free number is picked. Random (the default), or Stable: chosen by a hash of namespace, name
	// and port name, so that the same Service gets the same number in every cluster.
	// +optional
	// +kubebuilder:default=Random
	Strategy Strategy `json:"strategy,omitempty"`

	// holdSeconds is how long a released number stays with its last owner, in seconds: 0 (no hold) to 31536000 (a
	// year), 600 by default. A Service that is deleted and created again within that time gets its number back.
	// +optional
	// +kubebuilder:default=600
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=31536000
	HoldSeconds *int32 `json:"holdSeconds,omitempty"`

	// enforcement is Enforce (the default: a Service outside the ranges is refused) or Warn (it is admitted with a
	// warning, to roll a pool out on a live cluster).
	// +optional
	// +kubebuilder:default=Enforce
	Enforcement Enforcement `json:"enforcement,omitempty"`

	// maxPortsPerNamespace is how many numbers of the pool one namespace may have, 0 to 65535; absent: no limit.
	// Numbers in use, pending, held and reserved count, healthCheckNodePort too; the namespace's oldest holds are given up
	// first. Without a limit a namespace may have no more than 8 numbers, or a tenth of the pool if that is more, that no
	// Service of it carries.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	MaxPortsPerNamespace *int32 `json:"maxPortsPerNamespace,omitempty"`

	// maxPortsPerService is how many node ports one Service may have, 1 to 100, 32 by default.
	// +optional
	// +kubebuilder:default=32
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	MaxPortsPerService int32 `json:"maxPortsPerService,omitempty"`

	// serviceProxyName, for example "portolan", gives new Services of this pool to the proxy of that name: one that is
	// created with all of its numbers out of pools of one serviceProxyName, and without the label
	// service.kubernetes.io/service-proxy-name, gets that label with this value. kube-proxy leaves it alone then, so the
	// proxy must be there. A live Service never gets the label, and never loses it, whatever becomes of it or of the pool.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?$`
	ServiceProxyName string `json:"serviceProxyName,omitempty"`

	// access is the ceiling for who may reach the node ports of this pool's ranges, whichever Service has them: a source
	// that it does not list is refused, and no NodePortAccess lets it in. Absent: no ceiling.
	// +optional
	Access *PoolAccess `json:"access,omitempty"`
}

// Condition types and reasons of NodePortPool.
const (
	// PoolReady is true where the pool works as its spec says.
	PoolReady = "Ready"
	// PoolExhausted is true where no number of the pool is free.
	PoolExhausted = "Exhausted"
	// PoolConforming is true where every live Service keeps to the pool's rules: where it is, to enforce them refuses
	// nothing that is there now.
	PoolConforming = "Conforming"

	// PoolReasonAvailable is the reason of Ready=True where the pool hands out its numbers.
	PoolReasonAvailable = "Available"
	// PoolReasonDraining is the reason of Ready=True where the pool hands out nothing new (allocation None) and numbers of
	// it are in use or reserved.
	PoolReasonDraining = "Draining"
	// PoolReasonDrained is the reason of Ready=True where the pool hands out nothing new and none of its numbers is in use
	// or reserved any more.
	PoolReasonDrained = "Drained"
	// PoolReasonOverlap is the reason of Ready=False where an older pool has some of the numbers: this one hands out
	// nothing.
	PoolReasonOverlap = "Overlap"
	// PoolReasonOutsideClusterRange is the reason of Ready=False where numbers of the pool are outside the cluster's
	// node port range: those inside are handed out.
	PoolReasonOutsideClusterRange = "OutsideClusterRange"
	// PoolReasonInvalidSelector is the reason of Ready=False where namespaceSelector cannot be read: the pool selects
	// nothing.
	PoolReasonInvalidSelector = "InvalidSelector"
	// PoolReasonPolicyNotCompiled is the reason of Ready=False where the pool enforces, and the API server does not
	// take the ValidatingAdmissionPolicy of all pools, or warns of it: while Portolan is away, older rules hold or none.
	PoolReasonPolicyNotCompiled = "PolicyNotCompiled"
	// PoolReasonPortsFree is the reason of Exhausted=False.
	PoolReasonPortsFree = "PortsFree"
	// PoolReasonNoPortFree is the reason of Exhausted=True.
	PoolReasonNoPortFree = "NoPortFree"
	// PoolReasonNoBreach is the reason of Conforming=True.
	PoolReasonNoBreach = "NoBreach"
	// PoolReasonLiveServices is the reason of Conforming=False where live Services break the pool's rules. They keep their
	// numbers.
	PoolReasonLiveServices = "LiveServices"
)

// PoolPorts counts the numbers of a pool by state.
type PoolPorts struct {
	// total is how many numbers the pool has.
	// +optional
	Total int32 `json:"total"`
	// bound is how many are in use by a Service.
	// +optional
	Bound int32 `json:"bound"`
	// pending is how many are claimed for a Service that is just being created.
	// +optional
	Pending int32 `json:"pending"`
	// held is how many are kept for the Service that had them last.
	// +optional
	Held int32 `json:"held"`
	// reserved is how many are kept by a reservation for a Service that does not carry them.
	// +optional
	Reserved int32 `json:"reserved"`
	// clashing is how many nobody has and are not handed out, since something else uses them on a node: see
	// NodePortNodeState.
	// +optional
	Clashing int32 `json:"clashing"`
	// free is how many are free.
	// +optional
	Free int32 `json:"free"`
	// outside is how many were taken from this pool and are not in its ranges any more: their Services keep them.
	// +optional
	Outside int32 `json:"outside"`
}

// NodePortPoolStatus is what is seen of a pool.
type NodePortPoolStatus struct {
	// conditions of the pool: Ready (reasons Available, Draining, Drained, Overlap, OutsideClusterRange, InvalidSelector,
	// PolicyNotCompiled), Exhausted, and Conforming (reasons NoBreach, LiveServices).
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// ranges are the pool's ranges in short, for example "30100-30199,30500".
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Ranges string `json:"ranges,omitempty"`

	// nodePortRange is the API server's node port range as Portolan knows it, for example "30000-32767". It is the same in
	// all pools.
	// +optional
	// +kubebuilder:validation:MaxLength=11
	NodePortRange string `json:"nodePortRange,omitempty"`

	// ports counts the numbers of the pool by state.
	// +optional
	Ports *PoolPorts `json:"ports,omitempty"`

	// breaches is how many live Services break the pool's rules: Services of its namespaces with numbers of no pool of
	// theirs, Services of other namespaces with numbers of this one, and Services with more node ports than they may have.
	// They keep their numbers.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Breaches *int32 `json:"breaches,omitempty"`
}

// NodePortPool is a set of node port numbers for the namespaces that it selects, with the rules by which
// they are handed out.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=npp,categories=portolan
// +kubebuilder:printcolumn:name="Ranges",type=string,JSONPath=`.status.ranges`
// +kubebuilder:printcolumn:name="Total",type=integer,JSONPath=`.status.ports.total`
// +kubebuilder:printcolumn:name="Bound",type=integer,JSONPath=`.status.ports.bound`
// +kubebuilder:printcolumn:name="Held",type=integer,JSONPath=`.status.ports.held`
// +kubebuilder:printcolumn:name="Free",type=integer,JSONPath=`.status.ports.free`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Priority",type=integer,priority=1,JSONPath=`.spec.priority`
// +kubebuilder:printcolumn:name="Allocation",type=string,priority=1,JSONPath=`.spec.allocation`
// +kubebuilder:printcolumn:name="Enforcement",type=string,priority=1,JSONPath=`.spec.enforcement`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Pending",type=integer,priority=1,JSONPath=`.status.ports.pending`
// +kubebuilder:printcolumn:name="Reserved",type=integer,priority=1,JSONPath=`.status.ports.reserved`
// +kubebuilder:printcolumn:name="Outside",type=integer,priority=1,JSONPath=`.status.ports.outside`
// +kubebuilder:printcolumn:name="Breaches",type=integer,priority=1,JSONPath=`.status.breaches`
// +kubebuilder:printcolumn:name="Proxy",type=string,priority=1,JSONPath=`.spec.serviceProxyName`
// +kubebuilder:validation:XValidation:rule="self.metadata.name.size() <= 63",message="the name must be no more than 63 characters"
type NodePortPool struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata; the name has at most 63 characters.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is what the operator wants.
	// +required
	Spec NodePortPoolSpec `json:"spec"`

	// status is what is seen. Written by Portolan.
	// +optional
	Status NodePortPoolStatus `json:"status,omitzero"`
}

// NodePortPoolList is a list of NodePortPool.
//
// +kubebuilder:object:root=true
type NodePortPoolList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	Items []NodePortPool `json:"items"`
}
