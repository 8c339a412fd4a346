package snapshot_test

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/cli/snapshot"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

var now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// objects are a pool of four numbers: one is held until a minute from now, one carried, one used by something else, one free.
func objects() snapshot.Objects {
	pool := v1alpha1.NodePortPool{ObjectMeta: metav1.ObjectMeta{Name: "team-a"}}
	pool.Spec.Ranges = []v1alpha1.PortRange{{From: 30100, To: 30103}}
	pool.Spec.Allocation = v1alpha1.AllocationAutomatic
	held := v1alpha1.NodePortAllocation{ObjectMeta: metav1.ObjectMeta{Name: "30100"}}
	held.Spec.ServiceRef = v1alpha1.ServiceReference{Namespace: "shop", Name: "old"}
	held.Spec.HoldUntil = new(metav1.NewTime(now.Add(time.Minute)))
	node := v1alpha1.NodePortNodeState{ObjectMeta: metav1.ObjectMeta{Name: "node"}}
	node.Status.ClashingNodePorts = "30102"
	node.Status.Clashes = []v1alpha1.Clash{{NodePort: 30102, Protocol: corev1.ProtocolTCP, Kind: v1alpha1.ClashHostListener}}
	return snapshot.Objects{
		Pools: []v1alpha1.NodePortPool{pool}, Allocations: []v1alpha1.NodePortAllocation{held},
		Services: []corev1.Service{*MakeService("shop/web").NodePort(80, 30101).Obj()}, NodeStates: []v1alpha1.NodePortNodeState{node},
	}
}

func TestTheLedgerKnowsEveryKindOfObject(t *testing.T) {
	l := snapshot.Ledger(objects(), now)
	if got := l.FreeNumbers(l.Chart().Pool("team-a"), 4); !slices.Equal(got, []int32{30103}) {
		t.Errorf("free are %v, want 30103", got)
	}
	if got := l.Holders(30100); len(got) != 1 || !got[0].Held() {
		t.Errorf("30100 is %+v, want held", got)
	}
	if !l.Carried(30101) || len(l.Clashes(30102)) != 1 {
		t.Errorf("30101 carried: %t; 30102 clashes: %v", l.Carried(30101), l.Clashes(30102))
	}
}

func TestTheRangeIsKubernetesOwnUnlessOneIsGiven(t *testing.T) {
	given := v1alpha1.PortRange{From: 30000, To: 30101}
	for want, o := range map[v1alpha1.PortRange]snapshot.Objects{snapshot.DefaultRange: objects(), given: {ClusterRange: given}} {
		if got := snapshot.Ledger(o, now).Chart().ClusterRange(); got != want {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func TestNothingCanBeClaimed(t *testing.T) {
	l := snapshot.Ledger(objects(), now)
	pools := []*rules.Pool{l.Chart().Pool("team-a")}
	claimant := allocator.Claimant{Service: types.NamespacedName{Namespace: "shop", Name: "new"}}
	request := allocator.Request{Request: serviceports.Request{Role: serviceports.Traffic, NodePort: 30103}}
	if _, err := l.Claim(t.Context(), claimant, []allocator.Request{request}, pools); err == nil {
		t.Error("a claim was made")
	}
}
