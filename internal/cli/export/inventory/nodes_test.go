package inventory

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestNodesAreThoseThatTakeTrafficFromOutside(t *testing.T) {
	fit := node("node-1", "192.0.2.1")
	for _, test := range []struct {
		name   string
		nodes  []corev1.Node
		filter Filter
		want   []string
		unfit  bool
	}{
		{name: "in the order of their names", nodes: []corev1.Node{node("node-2", "192.0.2.2"), fit},
			want: []string{"node-1 192.0.2.1", "node-2 192.0.2.2"}},
		{name: "not one that is not ready", nodes: []corev1.Node{fit, node("node-2", "192.0.2.2", notReady)},
			want: []string{"node-1 192.0.2.1"}},
		{name: "not one that has said nothing yet", nodes: []corev1.Node{fit, node("node-2", "192.0.2.2", unheardOf)},
			want: []string{"node-1 192.0.2.1"}},
		{name: "not one that takes no pods", nodes: []corev1.Node{fit, node("node-2", "192.0.2.2", cordoned)},
			want: []string{"node-1 192.0.2.1"}},
		{name: "not one that is being deleted", nodes: []corev1.Node{fit, node("node-2", "192.0.2.2", ending)},
			want: []string{"node-1 192.0.2.1"}},
		{name: "not one that the autoscaler takes away", nodes: []corev1.Node{fit, node("node-2", "192.0.2.2", tainted(autoscalerTaint))},
			want: []string{"node-1 192.0.2.1"}},
		{name: "not one that is excluded, whatever the label says", nodes: []corev1.Node{fit, node("node-2", "192.0.2.2", label(corev1.LabelNodeExcludeBalancers, "false"))},
			want: []string{"node-1 192.0.2.1"}},
		{name: "all, where none is fit, but for those that are excluded", unfit: true,
			nodes: []corev1.Node{node("node-1", "192.0.2.1", notReady), node("node-2", "192.0.2.2", cordoned), node("node-3", "192.0.2.3", notReady, label(corev1.LabelNodeExcludeBalancers, ""))},
			want:  []string{"node-1 192.0.2.1", "node-2 192.0.2.2"}},
		{name: "at external addresses, and only those, if any has one",
			nodes: []corev1.Node{node("node-1", "10.0.0.1", at(corev1.NodeExternalIP, "192.0.2.1")), node("node-2", "10.0.0.2")},
			want:  []string{"node-1 192.0.2.1"}},
		{name: "at external addresses of the one family, and internal ones of the other",
			nodes: []corev1.Node{node("node-1", "10.0.0.1", at(corev1.NodeInternalIP, "2001:db8::1"), at(corev1.NodeExternalIP, "192.0.2.1"))},
			want:  []string{"node-1 192.0.2.1 2001:db8::1"}},
		{name: "at internal addresses, if that is wanted", filter: Filter{Kind: corev1.NodeInternalIP},
			nodes: []corev1.Node{node("node-1", "10.0.0.1", at(corev1.NodeExternalIP, "192.0.2.1")), node("node-2", "10.0.0.2")},
			want:  []string{"node-1 10.0.0.1", "node-2 10.0.0.2"}},
		{name: "at addresses of one family, if that is wanted", filter: Filter{Family: corev1.IPv6Protocol},
			nodes: []corev1.Node{node("node-1", "10.0.0.1", at(corev1.NodeInternalIP, "2001:db8::1")), node("node-2", "10.0.0.2")},
			want:  []string{"node-1 2001:db8::1"}},
		{name: "at all addresses that they have, each once, and IPv4 first",
			nodes: []corev1.Node{node("node-1", "2001:db8::1", at(corev1.NodeInternalIP, "10.0.0.2", "10.0.0.1", "::ffff:10.0.0.1", "none"))},
			want:  []string{"node-1 10.0.0.2 10.0.0.1 2001:db8::1"}},
		{name: "none of none"},
	} {
		t.Run(test.name, func(t *testing.T) {
			inv := New(&Cluster{Nodes: test.nodes}, test.filter)
			if diff := cmp.Diff(test.want, sites(inv.Nodes)); diff != "" {
				t.Errorf("nodes (-want +got):\n%s", diff)
			}
			if inv.Unfit != test.unfit {
				t.Errorf("unfit: got %t, want %t", inv.Unfit, test.unfit)
			}
		})
	}
}

func TestAServiceIsReachedAtAddressesOfItsFamilies(t *testing.T) {
	nodes := []corev1.Node{node("node-1", "192.0.2.1", at(corev1.NodeInternalIP, "2001:db8::1")), node("node-2", "192.0.2.2")}
	for _, test := range []struct {
		name     string
		families []corev1.IPFamily
		want     []string
	}{
		{"IPv4", []corev1.IPFamily{corev1.IPv4Protocol}, []string{"node-1 192.0.2.1", "node-2 192.0.2.2"}},
		{"IPv6", []corev1.IPFamily{corev1.IPv6Protocol}, []string{"node-1 2001:db8::1"}},
		{"both", []corev1.IPFamily{corev1.IPv6Protocol, corev1.IPv4Protocol}, []string{"node-1 192.0.2.1 2001:db8::1", "node-2 192.0.2.2"}},
		{"unsaid", nil, []string{"node-1 192.0.2.1 2001:db8::1", "node-2 192.0.2.2"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			svc := st.MakeService("shop/web").NodePort(80, 30080).Families(test.families...).Obj()
			inv := New(&Cluster{Nodes: nodes, Services: []corev1.Service{*svc}}, Filter{})
			if diff := cmp.Diff(test.want, sites(inv.Ports[0].Nodes)); diff != "" {
				t.Errorf("nodes (-want +got):\n%s", diff)
			}
		})
	}
}
