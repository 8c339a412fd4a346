package node

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// What the Node object says is kept while it says nothing: it is made anew when a kubelet registers again, and its
// addresses and podCIDRs come later than itself. Forgetting them would take node ports away from live Services.

// toBeDeleted is the taint by which the cluster autoscaler marks a node that it is about to delete (delete.go in its
// utils/taints). kube-proxy's /healthz knows it too.
const toBeDeleted = "ToBeDeletedByClusterAutoscaler"

// object is what a Node object says, or has said last.
type object struct {
	// seen: there has been one.
	seen   bool
	zone   string
	labels map[string]string
	// ips are its primary addresses, at most one of each family.
	ips      []netip.Addr
	podCIDRs []netip.Prefix
	leaving  bool
}

// read is what is known once a Node object has been read; nil: there is none.
func (o object) read(n *corev1.Node) object {
	if n == nil {
		o.leaving = true
		return o
	}
	is := object{
		seen:     true,
		zone:     n.Labels[corev1.LabelTopologyZone],
		labels:   n.Labels,
		ips:      primaryIPs(n),
		podCIDRs: podCIDRs(n),
		leaving:  leaving(n),
	}
	if len(is.ips) == 0 {
		is.ips = o.ips
	}
	if len(is.podCIDRs) == 0 {
		is.podCIDRs = o.podCIDRs
	}
	return is
}

// leaving says whether a node is about to go, so that load balancers should send their connections elsewhere.
func leaving(n *corev1.Node) bool {
	return n.DeletionTimestamp != nil ||
		slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == toBeDeleted })
}

// primaryIPs are the first InternalIP of each family, and the first ExternalIP of one without; IPv4 first. They are
// those of kube-proxy 1.36 (GetNodeHostIPs in pkg/util/node/node.go), but for their order.
func primaryIPs(n *corev1.Node) []netip.Addr {
	var v4, v6 netip.Addr
	for _, kind := range []corev1.NodeAddressType{corev1.NodeInternalIP, corev1.NodeExternalIP} {
		for _, address := range n.Status.Addresses {
			ip, err := netip.ParseAddr(address.Address)
			ip = ip.Unmap()
			switch {
			case address.Type != kind || err != nil || ip.Zone() != "":
			case ip.Is4() && !v4.IsValid():
				v4 = ip
			case ip.Is6() && !v6.IsValid():
				v6 = ip
			}
		}
	}
	var primary []netip.Addr
	for _, ip := range []netip.Addr{v4, v6} {
		if ip.IsValid() {
			primary = append(primary, ip)
		}
	}
	return primary
}

func podCIDRs(n *corev1.Node) []netip.Prefix {
	texts := n.Spec.PodCIDRs
	if len(texts) == 0 && n.Spec.PodCIDR != "" {
		texts = []string{n.Spec.PodCIDR}
	}
	return readPrefixes(texts)
}

// readPrefixes are the prefixes among texts of the API, which has checked them.
func readPrefixes(texts []string) []netip.Prefix {
	var prefixes []netip.Prefix
	for _, text := range texts {
		if p, err := netip.ParsePrefix(text); err == nil {
			prefixes = append(prefixes, p.Masked())
		}
	}
	return prefixes
}
