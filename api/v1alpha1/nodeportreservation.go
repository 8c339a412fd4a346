package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ReservedPort is an entry of the Service's spec.ports whose number is promised.
type ReservedPort struct {
	// name is that of the entry of the Service's spec.ports which gets the number. Where a reservation has one number and
	// its Service one port, the name does not matter.
	// +optional
	// +default=""
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self == '' || !format.dns1123Label().validate(self).hasValue()",message="no port of a Service can have this name: lower case letters, digits and hyphens, which it neither begins nor ends with"
	Name string `json:"name"`

	// nodePort is the number, 1 to 65535, for example 30080. Left out, one is chosen once and kept: see
	// status.ports.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	NodePort int32 `json:"nodePort,omitempty"`
}

// NodePortReservationSpec is what is to be promised to a Service.
type NodePortReservationSpec struct {
	// serviceName is the Service, of this namespace, that the numbers are for. It need not exist. It cannot be changed
	// once it is set: make another reservation.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Label().validate(self).hasValue()",message="no Service can have this name: lower case letters, digits and hyphens, which it neither begins nor ends with"
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="serviceName cannot be changed: make another NodePortReservation"
	ServiceName string `json:"serviceName"`

	// poolName is the pool that numbers are chosen from. It must select this namespace. Left out, the pools of the
	// namespace are asked in their order, also those that give Services no number by themselves.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	PoolName string `json:"poolName,omitempty"`

	// ports are the numbers promised, by the name of the Service's port, at most 16. For example [{name: http, nodePort:
	// 30080}, {name: admin}]. Protocols that share a port and its number, like dns and dns-tcp, either both name the
	// number, or one of them alone is listed.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Ports []ReservedPort `json:"ports,omitempty"`

	// healthCheckNodePort is promised as the Service's own healthCheckNodePort, 1 to 65535. Only Services of type
	// LoadBalancer with externalTrafficPolicy Local have one.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	HealthCheckNodePort int32 `json:"healthCheckNodePort,omitempty"`
}

// Condition type and reasons of NodePortReservation.
const (
	// ReservationReady is true where all of its numbers are kept for the Service.
	ReservationReady = "Ready"

	// ReservationReasonReserved is the reason of Ready=True.
	ReservationReasonReserved = "Reserved"
	// ReservationReasonNumberTaken is the reason of Ready=False where another Service or reservation has a number, or none
	// is free. It is tried again when the number is given up.
	ReservationReasonNumberTaken = "NumberTaken"
	// ReservationReasonQuotaExceeded is the reason of Ready=False where the namespace may not have more numbers.
	ReservationReasonQuotaExceeded = "QuotaExceeded"
	// ReservationReasonNotAllowed is the reason of Ready=False where the namespace may not have a number, or the pool is
	// none of its pools.
	ReservationReasonNotAllowed = "NotAllowed"
	// ReservationReasonPoolMissing is the reason of Ready=False where the pool of a number has been deleted: the number is
	// kept all the same.
	ReservationReasonPoolMissing = "PoolMissing"
)

// ReservedPortStatus is a number that is kept.
type ReservedPortStatus struct {
	// name is that of the entry of the Service's spec.ports.
	// +optional
	// +default=""
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`

	// nodePort is the number.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	NodePort int32 `json:"nodePort"`
}

// NodePortReservationStatus is what is kept for the Service.
type NodePortReservationStatus struct {
	// conditions of the reservation: Ready (reasons Reserved, NumberTaken, QuotaExceeded, NotAllowed, PoolMissing).
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// ports are the numbers that are kept, by the name of the Service's port.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Ports []ReservedPortStatus `json:"ports,omitempty"`

	// healthCheckNodePort is kept as the Service's own healthCheckNodePort.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	HealthCheckNodePort int32 `json:"healthCheckNodePort,omitempty"`

	// nodePorts are all the numbers that are kept, in short, for example "30080,30081".
	// +optional
	// +kubebuilder:validation:MaxLength=128
	NodePorts string `json:"nodePorts,omitempty"`
}

// NodePortReservation promises node ports to a Service of its namespace: before the Service exists, while it does,
// and after it has been deleted. When the Service is created, also again or by a restore, it gets exactly them.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=npr,categories=portolan
// +kubebuilder:printcolumn:name="Service",type=string,JSONPath=`.spec.serviceName`
// +kubebuilder:printcolumn:name="Node-Ports",type=string,JSONPath=`.status.nodePorts`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Pool",type=string,priority=1,JSONPath=`.spec.poolName`
// +kubebuilder:validation:XValidation:rule="size(self.spec.?ports.orValue([])) > 0 || has(self.spec.healthCheckNodePort)",message="a reservation needs ports, or a healthCheckNodePort"
type NodePortReservation struct {
	metav1.TypeMeta `json:",inline"`

	// metadata is the standard object's metadata.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is what is to be promised.
	// +required
	Spec NodePortReservationSpec `json:"spec"`

	// status is what is kept. Written by Portolan.
	// +optional
	Status NodePortReservationStatus `json:"status,omitzero"`
}

// NodePortReservationList is a list of NodePortReservation.
//
// +kubebuilder:object:root=true
type NodePortReservationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitzero"`

	Items []NodePortReservation `json:"items"`
}
