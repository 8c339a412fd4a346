package controllers

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/metrics"
	"github.com/portolan-dev/portolan/internal/rules"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestAClashSaysOnHowManyNodesAndHowToMendIt(t *testing.T) {
	listener := rules.Clash{Protocol: corev1.ProtocolTCP, Kind: v1alpha1.ClashHostListener, Nodes: 2}
	hostPort := rules.Clash{Protocol: corev1.ProtocolTCP, Kind: v1alpha1.ClashHostPort, Nodes: 1}
	web := func() *Service { return MakeService("shop/web").NodePort(80, 30080, Named("a")) }
	for _, c := range []struct {
		name            string
		svc             *Service
		clashes         map[int32][]rules.Clash
		free            []int32
		message, advice string
	}{
		{name: "nothing", svc: web(), free: []int32{30100}},
		{name: "another number", svc: web(), clashes: map[int32][]rules.Clash{30081: {listener}}},
		{
			name: "a process", svc: web(), clashes: map[int32][]rules.Clash{30080: {listener}}, free: []int32{30100},
			message: "node port 30080 clashes with a process on 2 nodes: one of the two gets no traffic there",
			advice:  `to give this Service another number: kubectl -n shop patch service web --type=json -p '[{"op":"test","path":"/spec/ports/0/nodePort","value":30080},{"op":"replace","path":"/spec/ports/0/nodePort","value":30100}]'`,
		},
		{
			name: "no number is free", svc: web(), clashes: map[int32][]rules.Clash{30080: {listener}},
			message: "node port 30080 clashes with a process on 2 nodes: one of the two gets no traffic there",
		},
		{
			name: "two numbers", svc: web().NodePort(81, 30081, Named("b")), clashes: map[int32][]rules.Clash{30080: {listener}, 30081: {hostPort}}, free: []int32{30100},
			message: "node port 30080 clashes with a process on 2 nodes; node port 30081 clashes with a hostPort on 1 node: one of the two gets no traffic there",
			advice:  `to give this Service another number: kubectl -n shop patch service web --type=json -p '[{"op":"test","path":"/spec/ports/0/nodePort","value":30080},{"op":"replace","path":"/spec/ports/0/nodePort","value":30100}]'`,
		},
		{
			name: "a health check, which cannot be changed", svc: MakeService("shop/web").LoadBalancer().LocalTraffic().HealthCheck(30080),
			clashes: map[int32][]rules.Clash{30080: {hostPort}}, free: []int32{30100},
			message: "node port 30080 clashes with a hostPort on 1 node: one of the two gets no traffic there",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _ := clashTrouble(c.svc.Obj(), nil, func(n int32) []rules.Clash { return c.clashes[n] })
			if diff := cmp.Diff([]string{c.message, c.advice}, messageAndAdvice(got, c.free)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// reporting is a ledger whose node "one" reports these numbers to clash.
func reporting(numbers string) *allocator.Ledger {
	l := allocator.New(&allocator.FakeStore{}, testingclock.NewFakePassiveClock(time.Unix(0, 0)))
	l.SetClusterRange(v1alpha1.PortRange{From: 30000, To: 30009})
	reportClashes(l, numbers)
	return l
}

func reportClashes(l *allocator.Ledger, numbers string) {
	s := &v1alpha1.NodePortNodeState{Status: v1alpha1.NodePortNodeStateStatus{ClashingNodePorts: numbers}}
	s.Name = "one"
	l.NodeStateSeen(s)
}

func TestTheOwnerOfAServiceIsToldOnceOfEachClash(t *testing.T) {
	recorder := events.NewFakeRecorder(10)
	r := &clashReconciler{ledger: reporting(""), events: recorder, told: map[types.NamespacedName]telling{}}
	svc := MakeService("shop/web").NodePort(80, 30001, Named("a")).NodePort(81, 30002, Named("b")).Obj()
	for _, step := range []struct {
		clashing string
		told     bool
	}{
		{"", false}, {"30001", true}, {"30001", false}, {"30001-30003", true}, {"30002-30003", false}, {"30001-30002", true}, {"", false}, {"30001", true},
	} {
		reportClashes(r.ledger, step.clashing)
		r.tell(svc, nil)
		got := len(recorder.Events) > 0
		if got {
			<-recorder.Events
		}
		if got != step.told {
			t.Errorf("%q clash, and it is told: %t", step.clashing, got)
		}
	}
	svc.UID = "of another one of its name"
	if r.tell(svc, nil); len(recorder.Events) == 0 {
		t.Error("who makes a Service of a name that was told of is told nothing")
	}
}

func TestNumbersThatClashAreCounted(t *testing.T) {
	l := reporting("30001-30003")
	l.ServiceSeen(MakeService("shop/web").NodePort(80, 30001).Obj())
	kept := &v1alpha1.NodePortAllocation{Spec: specOf("api", heldUntil(time.Hour))}
	kept.Name = "30002"
	l.AllocationSeen(kept) // for a Service that has gone
	other := &v1alpha1.NodePortNodeState{Status: v1alpha1.NodePortNodeStateStatus{ClashingNodePorts: "30001,30004", Clashes: []v1alpha1.Clash{
		{NodePort: 30001, Protocol: corev1.ProtocolTCP, Kind: v1alpha1.ClashHostListener}, {NodePort: 30004, Protocol: corev1.ProtocolTCP, Kind: v1alpha1.ClashHostPort},
	}}}
	other.Name = "two"
	l.NodeStateSeen(other)
	observeClashes(countClashes(l))
	for _, c := range []struct {
		kind, allocated string
		want            float64
	}{
		{"HostListener", "true", 1}, {"HostListener", "false", 0}, {"HostPort", "true", 0},
		{"HostPort", "false", 1}, {"Unknown", "true", 1}, {"Unknown", "false", 2},
	} {
		if got := testutil.ToFloat64(metrics.ClashingNodePorts.WithLabelValues(c.kind, c.allocated)); got != c.want {
			t.Errorf("%s, allocated %s: %g, want %g", c.kind, c.allocated, got, c.want)
		}
	}
	l.NodeStateGone("two")
	observeClashes(countClashes(l))
	if got := testutil.ToFloat64(metrics.ClashingNodePorts.WithLabelValues("HostPort", "false")); got != 0 {
		t.Errorf("a node has gone, and %g hostPorts clash", got)
	}
}

func TestANodeStateIsCachedWithoutWhoItIsThatClashes(t *testing.T) {
	state := &v1alpha1.NodePortNodeState{Status: v1alpha1.NodePortNodeStateStatus{ClashingNodePorts: "30001", Clashes: []v1alpha1.Clash{
		{NodePort: 30001, Protocol: corev1.ProtocolTCP, Kind: v1alpha1.ClashHostPort, Process: "shop/web-0"},
		{NodePort: 30002, Protocol: corev1.ProtocolTCP, Kind: v1alpha1.ClashEphemeral},
	}}}
	trimmed, err := TrimNodeState(state)
	if err != nil {
		t.Fatal(err)
	}
	got := trimmed.(*v1alpha1.NodePortNodeState).Status
	want := v1alpha1.NodePortNodeStateStatus{ClashingNodePorts: "30001", Clashes: []v1alpha1.Clash{
		{NodePort: 30001, Protocol: corev1.ProtocolTCP, Kind: v1alpha1.ClashHostPort},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestServicesAreLookedAtWhoseNumbersANodeBeginsOrEndsToClashWith(t *testing.T) {
	got := slices.Collect(differing("30001-30003", "30003-30004"))
	if diff := cmp.Diff([]int32{30001, 30002, 30004}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := slices.Collect(differing("30001", "30009-30001")); !slices.Equal(got, []int32{30001}) {
		t.Errorf("what cannot be read is nothing, and got %v", got)
	}
}
