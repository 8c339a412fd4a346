package inventory

import (
	"cmp"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// autoscalerTaint is on nodes that the cluster autoscaler is about to delete. Source: k8s.io/cloud-provider/controllers/service.
const autoscalerTaint = "ToBeDeletedByClusterAutoscaler"

// eligible are the nodes that take traffic from outside, by name. unfit: none of them is fit for it.
func eligible(nodes []corev1.Node) (all []*corev1.Node, unfit bool) {
	for i := range nodes {
		if !excluded(&nodes[i]) {
			all = append(all, &nodes[i])
		}
	}
	slices.SortFunc(all, func(a, b *corev1.Node) int { return cmp.Compare(a.Name, b.Name) })
	if ready := slices.DeleteFunc(slices.Clone(all), unready); len(ready) > 0 {
		return ready, false
	}
	return all, len(all) > 0
}

func excluded(n *corev1.Node) bool {
	_, label := n.Labels[corev1.LabelNodeExcludeBalancers]
	return label || !n.DeletionTimestamp.IsZero() ||
		slices.ContainsFunc(n.Spec.Taints, func(t corev1.Taint) bool { return t.Key == autoscalerTaint })
}

func unready(n *corev1.Node) bool {
	return n.Spec.Unschedulable || !slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
}

// families are those of addresses that are wanted.
type families struct{ ipv4, ipv6 bool }

func (f families) has(a netip.Addr) bool { return a.Is4() && f.ipv4 || a.Is6() && f.ipv6 }

// places are the nodes with the addresses at which they are to be reached. Those without any are left out.
func places(nodes []*corev1.Node, f Filter) []Node {
	kind := func(families) corev1.NodeAddressType { return f.Kind }
	if f.Kind == "" {
		kind = func(of families) corev1.NodeAddressType { return usual(nodes, of) }
	}
	kind4, kind6 := kind(families{ipv4: true}), kind(families{ipv6: true})
	var all []Node
	for _, n := range nodes {
		found := append(addresses(n, kind4, families{ipv4: true}), addresses(n, kind6, families{ipv6: true})...)
		found = slices.DeleteFunc(found, func(a netip.Addr) bool { return !f.families().has(a) })
		if len(found) > 0 {
			all = append(all, Node{Name: n.Name, Addresses: found, labels: n.Labels})
		}
	}
	return all
}

// usual is ExternalIP where any node has one of the family. It is one answer for all nodes, as external-dns has it: who is to
// come from outside is not sent to an address that only exists inside.
func usual(nodes []*corev1.Node, of families) corev1.NodeAddressType {
	for _, n := range nodes {
		if len(addresses(n, corev1.NodeExternalIP, of)) > 0 {
			return corev1.NodeExternalIP
		}
	}
	return corev1.NodeInternalIP
}

// addresses of a node, of a kind and family, each once.
func addresses(n *corev1.Node, kind corev1.NodeAddressType, of families) []netip.Addr {
	var all []netip.Addr
	for _, a := range n.Status.Addresses {
		ip, err := netip.ParseAddr(a.Address)
		if ip = ip.Unmap(); a.Type == kind && err == nil && of.has(ip) && !slices.Contains(all, ip) {
			all = append(all, ip)
		}
	}
	return all
}

// site is all nodes, as Services of each family see them: most ports share one list.
type site struct {
	all        []Node
	byFamilies map[families]view
}

// view is nodes with the addresses of some families, and the doors of a port that everybody may reach there.
type view struct {
	nodes []Node
	doors []Door
}

func newSite(all []Node) *site { return &site{all: all, byFamilies: map[families]view{}} }

// of are the nodes that have addresses of the families, with these.
func (s *site) of(f families) ([]Node, []Door) {
	v, ok := s.byFamilies[f]
	if !ok {
		for _, n := range s.all {
			n.Addresses = slices.DeleteFunc(slices.Clone(n.Addresses), func(a netip.Addr) bool { return !f.has(a) })
			if len(n.Addresses) > 0 {
				v.nodes = append(v.nodes, n)
			}
		}
		v.doors = open(v.nodes)
		s.byFamilies[f] = v
	}
	return v.nodes, v.doors
}
