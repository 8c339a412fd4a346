package allocator

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
)

// nodeState is what a node reports: numbers that are not to be handed out, and what it says of them, as
// "30001 TCP HostListener".
func nodeState(node, numbers string, said ...string) *v1alpha1.NodePortNodeState {
	s := &v1alpha1.NodePortNodeState{}
	s.Name, s.Status.ClashingNodePorts = node, numbers
	for _, text := range said {
		var c v1alpha1.Clash
		_, _ = fmt.Sscan(strings.TrimSpace(text), &c.NodePort, (*string)(&c.Protocol), (*string)(&c.Kind))
		s.Status.Clashes = append(s.Status.Clashes, c)
	}
	return s
}

func TestANumberThatClashesOnANodeIsNotPicked(t *testing.T) {
	w := newWorld(t)
	w.ledger.NodeStateSeen(nodeState("one", "30000-30004"))
	w.ledger.NodeStateSeen(nodeState("two", "30004-30007"))
	w.ledger.NodeStateSeen(nodeState("three", ""))
	w.claim("shop/web", "a:80", "b:81").Commit()
	if diff := cmp.Diff(map[string]string{"30008": "shop/web pending", "30009": "shop/web pending"}, w.claims()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := w.ledger.Claim(t.Context(), claimant("shop/api"), ask("a:80"), w.pools()); !errors.Is(err, ErrExhausted) {
		t.Errorf("none is free, and the error is %v", err)
	}
	w.ledger.NodeStateSeen(nodeState("two", "30005-30007"))
	if _, err := w.ledger.Claim(t.Context(), claimant("shop/api"), ask("a:80"), w.pools()); !errors.Is(err, ErrExhausted) {
		t.Errorf("30004 clashes on another node, and the error is %v", err)
	}
	w.ledger.NodeStateGone("two")
	if diff := cmp.Diff([]int32{30005, 30006, 30007}, w.ledger.FreeNumbers(w.pools()[0], 9)); diff != "" {
		t.Errorf("a node has gone, and free are (-want +got):\n%s", diff)
	}
}

func TestWhoAsksForANumberThatClashesOrHadItGetsIt(t *testing.T) {
	w := newWorld(t)
	w.seed("shop/former", "a:80=30003", heldFor(time.Hour))
	w.ledger.NodeStateSeen(nodeState("one", "30000-30009"))
	w.claim("shop/web", "a:80=30001").Commit()
	w.claim("shop/former", "a:80").Commit()
	if diff := cmp.Diff(map[string]string{"30001": "shop/web pending", "30003": "shop/former pending"}, w.claims()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAHoldIsNotGivenUpForANumberThatClashes(t *testing.T) {
	w := newWorld(t)
	w.seed("bank/old", "a:80=30000", heldFor(time.Minute))
	w.seed("bank/new", "a:80=30001", heldFor(time.Hour))
	w.ledger.NodeStateSeen(nodeState("one", "30000,30002-30009"))
	w.claim("shop/web", "a:80").Commit()
	if diff := cmp.Diff(map[string]string{"30000": "bank/old held", "30001": "shop/web pending"}, w.claims()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestClashesAreCountedByNodes(t *testing.T) {
	w := newWorld(t)
	w.ledger.NodeStateSeen(nodeState("one", "30001-30002", "30001 TCP HostListener", "30001 UDP HostListener"))
	w.ledger.NodeStateSeen(nodeState("two", "30001", "30001 TCP HostListener", "30001 TCP HostListener", "30003 TCP HostListener"))
	w.ledger.NodeStateSeen(nodeState("three", "30001", "30001 TCP HostPort", "30001 TCP Ephemeral", "30004 TCP Ephemeral"))
	w.ledger.NodeStateSeen(nodeState("four", "30009-30001"))
	listener, hostPort := v1alpha1.ClashHostListener, v1alpha1.ClashHostPort
	for n, want := range map[int32][]rules.Clash{
		30001: {{Protocol: corev1.ProtocolTCP, Kind: listener, Nodes: 2}, {Protocol: corev1.ProtocolUDP, Kind: listener, Nodes: 1}, {Protocol: corev1.ProtocolTCP, Kind: hostPort, Nodes: 1}},
		30002: {{Nodes: 1}}, // the node says no more of it
		30003: nil,          // not among those that it says not to hand out
		30004: nil,
	} {
		if diff := cmp.Diff(want, w.ledger.Clashes(n), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%d (-want +got):\n%s", n, diff)
		}
	}
	if diff := cmp.Diff([]int32{30001, 30002}, w.ledger.ClashingNumbers()); diff != "" {
		t.Errorf("all (-want +got):\n%s", diff)
	}
	for _, node := range []string{"one", "two", "three", "four", "never seen"} {
		w.ledger.NodeStateGone(node)
	}
	if got := w.ledger.ClashingNumbers(); len(got) > 0 {
		t.Errorf("no node is left, and %d clash", got)
	}
	if got := taken(w.ledger); got != nil {
		t.Errorf("still taken: %v", got)
	}
}

func TestNumbersThatClashAreCountedApart(t *testing.T) {
	w := newWorld(t)
	w.seed("shop/a", "a:80=30000", boundTo("1"))
	w.seed("shop/b", "a:80=30001", heldFor(time.Minute))
	w.ledger.ServiceSeen(serviceOn("shop/native", 30002))
	w.ledger.NodeStateSeen(nodeState("one", "30000-30004,30010"))
	commons := w.pools()[0]
	if diff := cmp.Diff(Counts{Total: 10, Bound: 2, Held: 1, Clashing: 2, Free: 5}, w.ledger.Counts(w.ledger.Chart())[""]); diff != "" {
		t.Errorf("Counts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(rules.Usage{Total: 10, Free: 5, Clashing: 2, NextHoldEnd: start.Add(time.Minute)}, w.ledger.Usage(commons)); diff != "" {
		t.Errorf("Usage (-want +got):\n%s", diff)
	}
}

func TestAnotherRangeOfTheClusterLeavesClashesOut(t *testing.T) {
	w := newWorld(t)
	w.ledger.NodeStateSeen(nodeState("one", "30003,30012"))
	w.ledger.SetClusterRange(v1alpha1.PortRange{From: 30002, To: 30013})
	if diff := cmp.Diff([]int32{30003, 30012}, taken(w.ledger)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
