package node

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
)

// hostAddresses are those of a host with two networks, a bridge of pods, and a second address on loopback.
var hostAddresses = ips("10.0.0.1", "10.9.9.9", "10.244.1.1", "127.0.0.1", "192.0.2.1", "::1", "2001:db8::1", "fe80::1")

func TestNodePortsAreServedOnTheAddressesAskedFor(t *testing.T) {
	dual := makeNode().internal("192.0.2.1", "2001:db8::1")
	for _, tc := range []struct {
		name       string
		asked      string
		node       *nodeObject
		want       []string
		everywhere Families
		listen     []string
		elsewhere  []string
	}{
		{name: "primary", asked: "primary", node: dual,
			want: []string{"192.0.2.1", "2001:db8::1"}, listen: []string{"192.0.2.1", "2001:db8::1"}},
		{name: "primary, a family of which the Node object has none", asked: "primary", node: makeNode().internal("192.0.2.1"),
			want: []string{"192.0.2.1", "2001:db8::1"}, everywhere: Families{IPv6: true}, listen: []string{"192.0.2.1", "::"}},
		{name: "primary, an address that the host does not have", asked: "primary", node: makeNode().external("198.51.100.1").internal("2001:db8::1"),
			want: []string{"2001:db8::1"}, listen: []string{"2001:db8::1"}, elsewhere: []string{"198.51.100.1"}},
		{name: "prefixes", asked: "10.0.0.0/16,2001:db8::/64", node: dual,
			want: []string{"10.0.0.1", "2001:db8::1"}, listen: []string{"10.0.0.1", "2001:db8::1"}},
		{name: "prefixes of one family", asked: "10.0.0.0/8", node: dual,
			want: []string{"10.0.0.1", "10.9.9.9", "10.244.1.1", "2001:db8::1"}, everywhere: Families{IPv6: true}, listen: []string{"10.0.0.1", "10.9.9.9", "10.244.1.1", "::"}},
		{name: "link-local addresses", asked: "192.0.2.0/24,fe80::/10", node: dual,
			want: []string{"192.0.2.1", "fe80::1"}, listen: []string{"192.0.2.1"}},
		{name: "everywhere", asked: "0.0.0.0/0,10.0.0.0/8,::/0", node: dual,
			want:       []string{"10.0.0.1", "10.9.9.9", "10.244.1.1", "192.0.2.1", "2001:db8::1", "fe80::1"},
			everywhere: Families{IPv4: true, IPv6: true}, listen: []string{"0.0.0.0", "::"}},
		{name: "a range with loopback in it", asked: "64.0.0.0/2,2001:db8::/32", node: dual,
			want: []string{"2001:db8::1"}, listen: []string{"2001:db8::1"}},
	} {
		asked, err := ParseNodePortAddresses(tc.asked)
		if err != nil {
			t.Fatal(err)
		}
		v := Options{NodePortAddresses: asked}.view(facts{object: object{}.read(tc.node.obj()), addresses: hostAddresses})
		got := View{Network: route.Network{NodePortIPs: v.Network.NodePortIPs}, Everywhere: v.Everywhere, Elsewhere: v.Elsewhere}
		want := View{Network: route.Network{NodePortIPs: ips(tc.want...)}, Everywhere: tc.everywhere, Elsewhere: ips(tc.elsewhere...)}
		if diff := cmp.Diff(want, got, byValue); diff != "" {
			t.Errorf("%s:\n%s", tc.name, diff)
		}
		if diff := cmp.Diff(ips(tc.listen...), v.ListenAddresses(), byValue); diff != "" {
			t.Errorf("%s: where to listen:\n%s", tc.name, diff)
		}
	}
}

func TestNothingListensInAFamilyThatTheHostDoesNotHave(t *testing.T) {
	v := Options{}.view(facts{object: object{}.read(makeNode().internal("192.0.2.1").obj()), addresses: ips("127.0.0.1", "192.0.2.1", "::1", "fe80::1")})
	if diff := cmp.Diff(ips("192.0.2.1"), v.ListenAddresses(), byValue); diff != "" {
		t.Error(diff)
	}
}

func TestPodsAreToldAsTheModeSays(t *testing.T) {
	node := makeNode().internal("192.0.2.1", "2001:db8::1").podCIDRs("10.244.1.0/24")
	for _, tc := range []struct {
		name  string
		local DetectLocal
		want  route.Network
		known Families
	}{
		{"cluster", DetectLocal{Mode: ClusterCIDR, ClusterCIDRs: prefixes("10.244.0.0/16", "fd00::/48")}, route.Network{Pods: prefixes("10.244.0.0/16", "fd00::/48")}, Families{IPv4: true, IPv6: true}},
		{"cluster, one family", DetectLocal{Mode: ClusterCIDR, ClusterCIDRs: prefixes("fd00::/48")}, route.Network{Pods: prefixes("fd00::/48")}, Families{IPv6: true}},
		{"cluster, not set", DetectLocal{Mode: ClusterCIDR}, route.Network{}, Families{}},
		{"node", DetectLocal{Mode: NodeCIDR}, route.Network{Pods: prefixes("10.244.1.0/24")}, Families{IPv4: true}},
		{"bridge", DetectLocal{Mode: BridgeInterface, BridgeInterface: "cni0"}, route.Network{PodInterfaces: []string{"cni0"}}, Families{IPv4: true, IPv6: true}},
		{"prefix", DetectLocal{Mode: InterfaceNamePrefix, InterfaceNamePrefix: "veth"}, route.Network{PodInterfaces: []string{"veth*"}}, Families{IPv4: true, IPv6: true}},
	} {
		v := Options{DetectLocal: tc.local}.view(facts{object: object{}.read(node.obj())})
		if diff := cmp.Diff(tc.want, v.Network, byValue); diff != "" || v.PodsKnown != tc.known {
			t.Errorf("%s: known in %+v\n%s", tc.name, v.PodsKnown, diff)
		}
	}
}

func TestAViewSaysWhatIsNotKnownYet(t *testing.T) {
	for _, tc := range []struct {
		name  string
		asked NodePortAddresses
		local LocalMode
		all   bool
		node  *nodeObject
		cidrs bool
		want  []string
	}{
		{name: "no Node object", want: []string{missingNode}},
		{name: "no address", node: makeNode(), want: []string{missingIPs}},
		{name: "no address, and none needed", asked: NodePortAddresses{prefixes("10.0.0.0/8")}, node: makeNode()},
		{name: "no podCIDRs", local: NodeCIDR, node: makeNode().internal("192.0.2.1"), want: []string{missingPodCIDRs}},
		{name: "no ServiceCIDRs", all: true, node: makeNode().internal("192.0.2.1"), want: []string{missingServiceCIDRs}},
		{name: "everything", all: true, local: NodeCIDR, node: makeNode().internal("192.0.2.1").podCIDRs("10.244.1.0/24"), cidrs: true},
	} {
		f := facts{addresses: hostAddresses, listed: tc.cidrs}
		if tc.node != nil {
			f.object = f.object.read(tc.node.obj())
		}
		v := Options{NodePortAddresses: tc.asked, DetectLocal: DetectLocal{Mode: tc.local}, ServiceCIDRs: tc.all}.view(f)
		if diff := cmp.Diff(tc.want, v.Missing); diff != "" {
			t.Errorf("%s:\n%s", tc.name, diff)
		}
	}
}

func TestWithoutAnAddressInTheNodeObjectThereAreNoPrimaryOnes(t *testing.T) {
	v := Options{}.view(facts{object: object{}.read(makeNode().obj()), addresses: hostAddresses})
	if len(v.Network.NodePortIPs) > 0 || v.Everywhere != (Families{}) {
		t.Errorf("got %v, everywhere in %+v", v.Network.NodePortIPs, v.Everywhere)
	}
}
