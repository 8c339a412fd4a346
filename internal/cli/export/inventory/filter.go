package inventory

import (
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// Filter says what of a cluster is wanted. The zero value is all of it.
type Filter struct {
	// Namespace is the Services'; "": of all.
	Namespace string
	// Selector selects Services by their labels; nil: all.
	Selector labels.Selector
	// Pools are those that numbers were taken from; none: all numbers, also those of no pool.
	Pools []string
	// Protocols are the ports'; none: all.
	Protocols []corev1.Protocol
	// Family is that of addresses; "": both.
	Family corev1.IPFamily
	// Kind is which of the nodes' addresses; "": external ones where any node has one of the family, else internal ones.
	Kind corev1.NodeAddressType
}

func (f *Filter) service(svc *corev1.Service) bool {
	served := svc.Spec.Type == corev1.ServiceTypeNodePort || svc.Spec.Type == corev1.ServiceTypeLoadBalancer
	return served && (f.Namespace == "" || f.Namespace == svc.Namespace) &&
		(f.Selector == nil || f.Selector.Matches(labels.Set(svc.Labels)))
}

func (f *Filter) port(protocol corev1.Protocol, pool string) bool {
	return (len(f.Protocols) == 0 || slices.Contains(f.Protocols, protocol)) &&
		(len(f.Pools) == 0 || slices.Contains(f.Pools, pool))
}

func (f *Filter) families() families {
	return families{ipv4: f.Family != corev1.IPv6Protocol, ipv6: f.Family != corev1.IPv4Protocol}
}

// numberOf is the number that an allocation is about: its name.
func numberOf(a *v1alpha1.NodePortAllocation) (int32, bool) {
	number, err := strconv.ParseInt(a.Name, 10, 32)
	return int32(number), err == nil
}
