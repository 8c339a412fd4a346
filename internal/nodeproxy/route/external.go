package route

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// externalAddress is an address through which a Service is reached from outside the cluster.
type externalAddress struct {
	kind    Kind
	addr    netip.Addr
	sources []netip.Prefix
}

// externalAddresses are the Service's load balancer and external IPs of the family.
func (d *draft) externalAddresses(family nft.Family) []externalAddress {
	var all []externalAddress
	for _, ip := range addrsOf(family, virtualIPs(d.svc)) {
		all = append(all, externalAddress{kind: LoadBalancer, addr: ip, sources: d.sources(family, ip)})
	}
	for _, ip := range addrsOf(family, d.svc.Spec.ExternalIPs) {
		all = append(all, externalAddress{kind: ExternalIP, addr: ip})
	}
	return all
}

// virtualIPs are the load balancer's IPs that reach the node as a packet's destination (KEP-1860).
func virtualIPs(svc *corev1.Service) []string {
	var ips []string
	for _, ingress := range svc.Status.LoadBalancer.Ingress {
		if ingress.IP != "" && (ingress.IPMode == nil || *ingress.IPMode == corev1.LoadBalancerIPModeVIP) {
			ips = append(ips, ingress.IP)
		}
	}
	return ips
}

// sources are who may connect to a load balancer IP; nil for everybody. Ranges of the other family alone leave it
// open, as with kube-proxy.
func (d *draft) sources(family nft.Family, ip netip.Addr) []netip.Prefix {
	ranges := prefixesOf(family, d.svc.Spec.LoadBalancerSourceRanges)
	for _, r := range ranges {
		if r.Bits() == 0 {
			return nil
		}
	}
	if slices.ContainsFunc(ranges, d.node.within) {
		// Where the IP is also one of the node's, its own connections come from there.
		ranges = append(ranges, netip.PrefixFrom(ip, ip.BitLen()))
	}
	return nft.Outermost(ranges...)
}

// within says whether one of the node's addresses is in a range.
func (n Node) within(r netip.Prefix) bool { return slices.ContainsFunc(n.IPs, r.Contains) }
