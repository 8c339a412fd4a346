package node

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func ips(texts ...string) []netip.Addr {
	var all []netip.Addr
	for _, text := range texts {
		all = append(all, netip.MustParseAddr(text))
	}
	return all
}

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}

// nodeObject is a Node object in the making.
type nodeObject struct{ node corev1.Node }

func makeNode() *nodeObject {
	return &nodeObject{corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-1"}}}
}

func (n *nodeObject) internal(texts ...string) *nodeObject {
	return n.addresses(corev1.NodeInternalIP, texts)
}

func (n *nodeObject) external(texts ...string) *nodeObject {
	return n.addresses(corev1.NodeExternalIP, texts)
}

func (n *nodeObject) hostname(text string) *nodeObject {
	return n.addresses(corev1.NodeHostName, []string{text})
}

func (n *nodeObject) addresses(kind corev1.NodeAddressType, texts []string) *nodeObject {
	for _, text := range texts {
		n.node.Status.Addresses = append(n.node.Status.Addresses, corev1.NodeAddress{Type: kind, Address: text})
	}
	return n
}

func (n *nodeObject) zone(zone string) *nodeObject {
	n.node.Labels = map[string]string{corev1.LabelTopologyZone: zone}
	return n
}

func (n *nodeObject) podCIDRs(texts ...string) *nodeObject {
	n.node.Spec.PodCIDRs = texts
	return n
}

func (n *nodeObject) tainted(key string) *nodeObject {
	n.node.Spec.Taints = append(n.node.Spec.Taints, corev1.Taint{Key: key, Effect: corev1.TaintEffectNoSchedule})
	return n
}

func (n *nodeObject) deleting() *nodeObject {
	n.node.DeletionTimestamp = new(metav1.Now())
	return n
}

func (n *nodeObject) obj() *corev1.Node { return n.node.DeepCopy() }

func serviceCIDR(name string, cidrs ...string) *networkingv1.ServiceCIDR {
	return &networkingv1.ServiceCIDR{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: networkingv1.ServiceCIDRSpec{CIDRs: cidrs}}
}
