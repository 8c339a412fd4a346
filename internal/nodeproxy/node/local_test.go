package node

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var byValue = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})

func TestDetectLocalIsReadAsKubeProxyReadsIt(t *testing.T) {
	for _, tc := range []struct {
		name                              string
		mode, clusterCIDR, bridge, prefix string
		want                              DetectLocal
	}{
		{name: "nothing at all", want: DetectLocal{Mode: ClusterCIDR}},
		{name: "the cluster's ranges", clusterCIDR: "10.244.0.0/16,fd00:244::/48", want: DetectLocal{Mode: ClusterCIDR, ClusterCIDRs: prefixes("10.244.0.0/16", "fd00:244::/48")}},
		{name: "the node's ranges", mode: "NodeCIDR", want: DetectLocal{Mode: NodeCIDR}},
		{name: "a bridge", mode: "BridgeInterface", bridge: "cni0", want: DetectLocal{Mode: BridgeInterface, BridgeInterface: "cni0"}},
		{name: "a prefix", mode: "InterfaceNamePrefix", prefix: "veth", want: DetectLocal{Mode: InterfaceNamePrefix, InterfaceNamePrefix: "veth"}},
		{name: "what other modes need is not looked at", mode: "NodeCIDR", prefix: "veth*", want: DetectLocal{Mode: NodeCIDR, InterfaceNamePrefix: "veth*"}},
	} {
		got, err := ParseDetectLocal(tc.mode, tc.clusterCIDR, tc.bridge, tc.prefix)
		if diff := cmp.Diff(tc.want, got, byValue); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", tc.name, err, diff)
		}
	}
}

func TestAWrongDetectLocalIsRefusedWithTheFlagToSet(t *testing.T) {
	for _, tc := range []struct{ mode, clusterCIDR, bridge, prefix, want string }{
		{mode: "nodecidr", want: "--detect-local-mode: no mode is called \"nodecidr\": write ClusterCIDR, NodeCIDR"},
		{clusterCIDR: "10.244.0.0", want: "--cluster-cidr: 10.244.0.0 has no length"},
		{mode: "BridgeInterface", want: "--pod-bridge-interface is not set"},
		{mode: "InterfaceNamePrefix", want: "--pod-interface-name-prefix is not set"},
		{mode: "InterfaceNamePrefix", prefix: "veth*", want: "--pod-interface-name-prefix: \"veth*\" is no name"},
		{mode: "BridgeInterface", bridge: "0123456789abcdef", want: "at most 15 characters"},
	} {
		if got, err := ParseDetectLocal(tc.mode, tc.clusterCIDR, tc.bridge, tc.prefix); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%+v: got %v, %v", tc, got, err)
		}
	}
}
