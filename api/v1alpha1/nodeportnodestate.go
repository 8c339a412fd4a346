package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ProxyMode says which Services a node-proxy serves. Those that the label ServiceProxyNameLabel gives to another proxy
// it never does.
// +kubebuilder:validation:Enum=Labelled;All;None
type ProxyMode string

const (
	// ProxyModeLabelled serves the Services whose label names this proxy.
	ProxyModeLabelled ProxyMode = "Labelled"
	// ProxyModeAll serves those too that have no such label, in the place of kube-proxy.
	ProxyModeAll ProxyMode = "All"
	// ProxyModeNone serves none.
	ProxyModeNone ProxyMode = "None"
)

// ServiceProxyNameLabel on a Service says which proxy serves it, where it is not the cluster's own. kube-proxy leaves
// every Service with this label alone, whatever its value.
const ServiceProxyNameLabel = "service.kubernetes.io/service-proxy-name"

// Condition types and reasons of NodePortNodeState.
const (
	// NodeStateReady is true where traffic may be sent to the node for the Services that its node-proxy serves.
	NodeStateReady = "Ready"
	// NodeStateProgrammed is true where the kernel has all that the node-proxy has been told of.
	NodeStateProgrammed = "Programmed"

	// NodeStateGuardCurrent is true where the guard goes by what the API server says now, and false where the node cannot read
	// that: what was in force before is.
	NodeStateGuardCurrent = "GuardCurrent"

	// NodeStateNoClashes is true where nothing else on the node uses a number of the cluster's node port range.
	NodeStateNoClashes = "NoClashes"

	// NodeStateReasonServing is the reason of Ready=True.
	NodeStateReasonServing = "Serving"
	// NodeStateReasonNotProgrammed is the reason of Ready=False where Programmed is False.
	NodeStateReasonNotProgrammed = "NotProgrammed"
	// NodeStateReasonNoAddress is the reason of Ready=False where the node has none of the addresses on which node ports
	// are to be served.
	NodeStateReasonNoAddress = "NoAddress"
	// NodeStateReasonNodeLeaving is the reason of Ready=False where the node is being deleted, or is about to be: load
	// balancers are told to send it nothing new.
	NodeStateReasonNodeLeaving = "NodeLeaving"
	// NodeStateReasonInSync is the reason of Programmed=True, and of GuardCurrent=True.
	NodeStateReasonInSync = "InSync"
	// NodeStateReasonFailing is the reason of Programmed=False where the kernel did not take the last change: it is tried
	// again, and the message says what the kernel answered.
	NodeStateReasonFailing = "Failing"
	// NodeStateReasonAccessUnread is the reason of GuardCurrent=False where NodePortAccess or pools cannot be read: who may
	// reach node ports stays as it was, and the message says why.
	NodeStateReasonAccessUnread = "AccessUnread"
	// NodeStateReasonPodsUnread is the reason of GuardCurrent=False where only the node's pods cannot be read: which numbers are
	// hostPorts stays as it was.
	NodeStateReasonPodsUnread = "PodsUnread"
	// NodeStateReasonClear is the reason of NoClashes=True.
	NodeStateReasonClear = "Clear"
	// NodeStateReasonClashing is the reason of NoClashes=False where something uses a number that a Service has: the
	// message says what. One of the two does not get its traffic.
	NodeStateReasonClashing = "Clashing"
	// NodeStateReasonInTheWay is the reason of NoClashes=False where something uses numbers that no Service has: they are
	// not handed out.
	NodeStateReasonInTheWay = "InTheWay"
	// NodeStateReasonEphemeralOverlap is the reason of NoClashes=False where nothing is in the way, but the node may give
	// numbers that a Service has to its own outgoing connections.
	NodeStateReasonEphemeralOverlap = "EphemeralOverlap"
)

// ClashKind says what uses a number.
// +kubebuilder:validation:Enum=HostListener;HostPort;Ephemeral
type ClashKind string

const (
	// ClashHostListener is a socket on the node that listens at the number.
	ClashHostListener ClashKind = "HostListener"
	// ClashHostPort is a pod on the node with the number as its hostPort.
	ClashHostPort ClashKind = "HostPort"
	// ClashEphemeral is a number of a Service that the node may give to its own outgoing connections.
	ClashEphemeral ClashKind = "Ephemeral"
)

// Clash is a use of a number of the node port range by something else than a Service.
type Clash struct {
	// nodePort is the number.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	NodePort int32 `json:"nodePort"`

	// protocol is TCP, UDP or SCTP.
	// +required
	// +kubebuilder:validation:Enum=TCP;UDP;SCTP
	Protocol corev1.Protocol `json:"protocol"`

	// kind is HostListener (a socket of the node listens there), HostPort (a pod's hostPort) or Ephemeral (a Service has
	// the number, and the node may give it to its own outgoing connections).
	// +required
	Kind ClashKind `json:"kind"`

	// process is the name of the process that listens, or NAMESPACE/NAME of the pod; absent where it cannot be told.
	// +optional
	// +kubebuilder:validation:MaxLength=320
	Process string `json:"process,omitempty"`
}

// Unallocated says what becomes of traffic to numbers of the node port range that no Service has.
// +kubebuilder:validation:Enum=Open;Closed
type Unallocated string

const (
	// UnallocatedOpen leaves it alone.
	UnallocatedOpen Unallocated = "Open"
	// UnallocatedClosed refuses it, but for hostPorts: TCP by a reset, and else it is dropped.
	UnallocatedClosed Unallocated = "Closed"
)

// GuardState is what a node's guard enforces.
type GuardState struct {
	// accessResourceVersion is the resourceVersion of the latest change of a NodePortAccess' spec that is in force, as all
	// before it are; "0": there is none yet; absent: the node cannot read them, or pools, and what was in force before is.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	AccessResourceVersion string `json:"accessResourceVersion,omitempty"`

	// unallocated is Closed where the node refuses what comes to numbers that no Service has (--close-unallocated).
	// +optional
	Unallocated Unallocated `json:"unallocated,omitempty"`
}

// Activity says which node ports have been used.
type Activity struct {
	// since is when the node began to count, which it has done all the time since then but while its node-proxy was
	// restarted.
	// +required
	Since metav1.Time `json:"since,omitzero"`

	// from is the beginning of the time that nodePorts are about.
	// +required
	From metav1.Time `json:"from,omitzero"`

	// to is the end of that time. A node that counts says so once an hour at least, whether or not a number is used.
	// +required
	To metav1.Time `json:"to,omitzero"`

	// nodePorts are the numbers that took a new connection in that time, or had one that was open, ascending, for example
	// "30007-30008,30721". One that is in constant use is among them every ten minutes.
	// +optional
	// +kubebuilder:validation:MaxLength=262144
	// +kubebuilder:validation:Pattern=`^([0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*)?$`
	NodePorts string `json:"nodePorts,omitempty"`
}

// LastSync is when the node was last programmed, and how long that took.
type LastSync struct {
	// time is when the kernel last took a change.
	// +required
	Time metav1.Time `json:"time,omitzero"`

	// milliseconds is how long that change took from the first event that it answers to until it was in the kernel; 0 is
	// less than one.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Milliseconds int32 `json:"milliseconds"`
}

// NodePortNodeStateStatus is what a node's node-proxy reports.
type NodePortNodeStateStatus struct {
	// conditions of the node: Ready (reasons Serving, NotProgrammed, NoAddress, NodeLeaving), Programmed (reasons InSync,
	// Failing), GuardCurrent (reasons InSync, AccessUnread, PodsUnread) and NoClashes (reasons Clear, Clashing, InTheWay,
	// EphemeralOverlap).
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// mode is which Services the node-proxy serves. Labelled: those with the label
	// service.kubernetes.io/service-proxy-name and the value serviceProxyName. All: those without that label too, in the
	// place of kube-proxy. None: none.
	// +optional
	Mode ProxyMode `json:"mode,omitempty"`

	// serviceProxyName is the value of the label service.kubernetes.io/service-proxy-name that gives a Service to this
	// node-proxy, for example "portolan".
	// +optional
	// +kubebuilder:validation:MaxLength=63
	ServiceProxyName string `json:"serviceProxyName,omitempty"`

	// proxyVersion is the version of the node-proxy.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	ProxyVersion string `json:"proxyVersion,omitempty"`

	// addresses are those of the node on which node ports are served, IPv4 and IPv6; at most 64 are listed.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=45
	Addresses []string `json:"addresses,omitempty"`

	// services is how many Services the node-proxy serves, with and without node ports.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Services int32 `json:"services"`

	// ports is how many ports these Services have.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Ports int32 `json:"ports"`

	// nodePorts are the numbers that are in force on the node, ascending, for example "30007-30008,30721": node ports that
	// the kernel has, whether or not their Service has endpoints, and health check node ports that are answered.
	// +optional
	// +kubebuilder:validation:MaxLength=262144
	// +kubebuilder:validation:Pattern=`^([0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*)?$`
	NodePorts string `json:"nodePorts,omitempty"`

	// lastSync is when the node was last programmed; absent: not yet by this node-proxy.
	// +optional
	LastSync *LastSync `json:"lastSync,omitempty"`

	// guard is what the node enforces of NodePortAccess; absent: nothing.
	// +optional
	Guard *GuardState `json:"guard,omitempty"`

	// ephemeralRange is the range of ports from which the node gives one to its own outgoing connections, for example
	// "32768-60999".
	// +optional
	// +kubebuilder:validation:MaxLength=16
	EphemeralRange string `json:"ephemeralRange,omitempty"`

	// clashingNodePorts are all numbers of the node port range that a socket of the node listens at, or that a pod on it has
	// as its hostPort, ascending, for example "30007-30008,30721": the allocator does not hand them out.
	// +optional
	// +kubebuilder:validation:MaxLength=262144
	// +kubebuilder:validation:Pattern=`^([0-9]{1,5}(-[0-9]{1,5})?(,[0-9]{1,5}(-[0-9]{1,5})?)*)?$`
	ClashingNodePorts string `json:"clashingNodePorts,omitempty"`

	// clashes say what uses them, those of numbers that a Service has first; at most 256 are listed.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	Clashes []Clash `json:"clashes,omitempty"`

	// activity is which node ports have been used, of Services of any proxy; absent: nothing is counted.
	// +optional
	Activity *Activity `json:"activity,omitempty"`
}

// NodePortNodeState is what the node-proxy of a node reports, named as the node. It is written by that node-proxy alone,
// and goes with the Node.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=npns,categories=portolan
// +kubebuilder:printcolumn:name="Mode",type=string,JSONPath=`.status.mode`
// +kubebuilder:printcolumn:name="Services",type=integer,JSONPath=`.status.services`
// +kubebuilder:printcolumn:name="Service-Ports",type=integer,JSONPath=`.status.ports`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Last-Change",type=date,JSONPath=`.status.lastSync.time`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Programmed",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Programmed")].reason`
// +kubebuilder:printcolumn:name="Took-ms",type=integer,priority=1,JSONPath=`.status.lastSync.milliseconds`
// +kubebuilder:printcolumn:name="Proxy",type=string,priority=1,JSONPath=`.status.serviceProxyName`
// +kubebuilder:printcolumn:name="Version",type=string,priority=1,JSONPath=`.status.proxyVersion`
// +kubebuilder:printcolumn:name="Clashes",type=string,priority=1,JSONPath=`.status.clashingNodePorts`
// +kubebuilder:printcolumn:name="Address",type=string,priority=1,JSONPath=`.status.addresses[0]`
type NodePortNodeState struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata; the name is the node's.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// status is what the node-proxy reports.
	// +optional
	Status NodePortNodeStateStatus `json:"status,omitzero"`
}

// NodePortNodeStateList is a list of NodePortNodeState.
//
// +kubebuilder:object:root=true
type NodePortNodeStateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	Items []NodePortNodeState `json:"items"`
}
