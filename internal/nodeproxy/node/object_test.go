package node

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The cases of kube-proxy 1.36: GetNodeHostIPs in pkg/util/node/node_test.go.
func TestTheFirstInternalAddressOfAFamilyIsPrimaryElseTheFirstExternal(t *testing.T) {
	for _, tc := range []struct {
		name string
		node *nodeObject
		want []string
	}{
		{"no address", makeNode(), nil},
		{"a name only", makeNode().hostname("node-1"), nil},
		{"internal before external", makeNode().external("1.1.1.1").internal("1.1.1.2"), []string{"1.1.1.2"}},
		{"external", makeNode().hostname("node-1").external("1.1.1.1", "1.1.1.2"), []string{"1.1.1.1"}},
		{"the first of several", makeNode().internal("1.1.1.1", "1.1.1.2"), []string{"1.1.1.1"}},
		{"dual stack", makeNode().internal("1.1.1.1", "a:b::c", "a:b::d"), []string{"1.1.1.1", "a:b::c"}},
		{"dual stack, IPv6 first", makeNode().internal("a:b::c", "1.1.1.1"), []string{"1.1.1.1", "a:b::c"}},
		{"IPv6 external only", makeNode().external("a:b::c").internal("1.1.1.1"), []string{"1.1.1.1", "a:b::c"}},
		{"what is no address", makeNode().internal("nonsense", "1.1.1.1"), []string{"1.1.1.1"}},
	} {
		if diff := cmp.Diff(ips(tc.want...), primaryIPs(tc.node.obj()), byValue); diff != "" {
			t.Errorf("%s:\n%s", tc.name, diff)
		}
	}
}

func TestWhatANodeObjectDoesNotSayStaysAsItWasLast(t *testing.T) {
	full := makeNode().zone("a").internal("192.0.2.1").podCIDRs("10.244.1.0/24")
	known := object{}.read(full.obj())
	inA := map[string]string{"topology.kubernetes.io/zone": "a"}
	for _, tc := range []struct {
		name string
		is   *nodeObject
		want object
	}{
		{"no addresses, no podCIDRs", makeNode().zone("a"),
			object{seen: true, zone: "a", labels: inA, ips: ips("192.0.2.1"), podCIDRs: prefixes("10.244.1.0/24")}},
		{"others", makeNode().internal("192.0.2.2").podCIDRs("10.244.2.0/24"),
			object{seen: true, ips: ips("192.0.2.2"), podCIDRs: prefixes("10.244.2.0/24")}},
		{"gone", nil,
			object{seen: true, zone: "a", labels: inA, ips: ips("192.0.2.1"), podCIDRs: prefixes("10.244.1.0/24"), leaving: true}},
	} {
		got := known.read(nil)
		if tc.is != nil {
			got = got.read(tc.is.obj())
		}
		if diff := cmp.Diff(tc.want, got, byValue, cmp.AllowUnexported(object{})); diff != "" {
			t.Errorf("%s:\n%s", tc.name, diff)
		}
	}
}

func TestANodeIsLeavingWhenItIsDeletedOrMarkedByTheAutoscaler(t *testing.T) {
	for _, tc := range []struct {
		name string
		node *nodeObject
		want bool
	}{
		{"well", makeNode(), false},
		{"cordoned", makeNode().tainted("node.kubernetes.io/unschedulable"), false},
		{"a candidate", makeNode().tainted("DeletionCandidateOfClusterAutoscaler"), false},
		{"marked", makeNode().tainted("other").tainted("ToBeDeletedByClusterAutoscaler"), true},
		{"being deleted", makeNode().deleting(), true},
	} {
		if got := (object{}).read(tc.node.obj()).leaving; got != tc.want {
			t.Errorf("%s: leaving %v", tc.name, got)
		}
	}
	if !(object{}).read(nil).leaving {
		t.Error("a node without an object is not leaving")
	}
}
