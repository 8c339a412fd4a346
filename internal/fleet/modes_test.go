package fleet

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

func TestNodesAreCountedByTheirModes(t *testing.T) {
	c := NewCoverage()
	for _, state := range []*v1alpha1.NodePortNodeState{
		nodeState("a", v1alpha1.ProxyModeLabelled, ""), nodeState("b", v1alpha1.ProxyModeAll, "30080"), nodeState("c", v1alpha1.ProxyModeAll, ""),
		nodeState("a", v1alpha1.ProxyModeAll, ""), nodeState("d", v1alpha1.ProxyModeNone, ""),
	} {
		if _, err := c.Put(state); err != nil {
			t.Fatal(err)
		}
	}
	c.Drop("c")
	want := map[v1alpha1.ProxyMode]int{v1alpha1.ProxyModeAll: 2, v1alpha1.ProxyModeNone: 1}
	if diff := cmp.Diff(want, c.Modes()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
