package nodeproxy

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy/conntrack"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/node"
	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
)

// allow has the Services of a namespace take connections from one range alone.
func (w *world) allow(namespace string, from v1alpha1.CIDR) {
	w.generation++
	w.access.Modify(&v1alpha1.NodePortAccess{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "office", UID: "uid-of-office", Generation: w.generation},
		Spec:       v1alpha1.NodePortAccessSpec{From: []v1alpha1.AccessPeer{{IPBlock: v1alpha1.IPBlock{CIDR: from}}}},
	})
}

func (w *world) allowAll(namespace string) {
	w.access.Delete(&v1alpha1.NodePortAccess{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "office", UID: "uid-of-office"}})
}

// guardedView has addresses of the host.
func guardedView() node.View {
	v := view()
	v.Addresses = []netip.Addr{ip("127.0.0.1"), ip("192.0.2.1"), ip("2001:db8::1")}
	return v
}

func TestNodePortsAreGuardedWhoeverServesThem(t *testing.T) {
	for _, mode := range []route.Mode{route.ModeAll, route.ModeLabelled, route.ModeNone} {
		t.Run(string(mode), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.options.Selection.Mode = mode
				w.node.become(guardedView())
				w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
				w.allow("shop", "203.0.113.0/24")
				w.start()
				w.wantHeld(true, "ports4 {\n\ttcp . 30080 : ACL", "acl4-24 {\n", "203.0.113.0 : pass", "uses {\n\ttcp . 30080\n")
				w.allow("shop", "198.51.100.0/24")
				w.pass(0)
				w.wantHeld(true, "198.51.100.0 : pass")
				w.wantHeld(false, "203.0.113.0")
				w.allowAll("shop")
				w.pass(0)
				w.wantHeld(true, "uses {\n\ttcp . 30080\n")
				w.wantHeld(false, "\nports4 {", "acl4", "198.51.100.0/24")
			})
		})
	}
}

func TestUntilAllOfAccessIsReadPortsStayAsTheyWere(t *testing.T) {
	inWorld(t, func(w *world) {
		w.node.become(guardedView())
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.allow("shop", "203.0.113.0/24")
		w.start()
		w.stop()
		w.access.ListError = errNoModule
		w.put("shop/api", "10.96.0.11", 30081, "10.244.1.2")
		w.start()
		w.pass(nodeWait + time.Second)
		w.wantHeld(true, "tcp . 30080 : ACL", "203.0.113.0 : pass", "tcp . 30081 : pick-1")
		w.fake.Fail(func(string) error { return errNoModule }, nil) // and in doubt the same is put back
		w.put("shop/more", "10.96.0.12", 30082)
		w.pass(0)
		w.fake.Fail(nil, nil)
		w.pass(time.Minute)
		w.wantHeld(true, "tcp . 30080 : ACL", "203.0.113.0 : pass", "tcp . 30082 : refuse")

		w.allowAll("shop")
		w.access.ListError = nil
		w.pass(3 * time.Minute) // it is asked again at ever longer intervals
		w.wantHeld(false, "tcp . 30080 : ACL", "203.0.113.0")
	})
}

func TestNothingIsClosedUntilItIsKnownWhoHasWhichNumber(t *testing.T) {
	inWorld(t, func(w *world) {
		w.options.Closed = nft.PortRange{First: 30000, Last: 32767}
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.pods.ListError = errNoModule
		w.start()
		w.pass(nodeWait + time.Second)
		if got := w.fake.Rules().Closed; got != (nft.PortRange{}) {
			t.Errorf("closed without knowing of hostPorts: %v", got)
		}
		w.pods.ListError = nil
		w.pass(3 * time.Minute)
		if got := w.fake.Rules().Closed; got != w.options.Closed {
			t.Errorf("in the end closed: %v", got)
		}
		w.wantHeld(true, "uses {\n\ttcp . 30080\n")
	})
}

func TestARestartLeavesTheGuardAlone(t *testing.T) {
	inWorld(t, func(w *world) {
		w.node.become(guardedView())
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.allow("shop", "203.0.113.0/24")
		w.start()
		before := w.fake.Table().String()
		w.stop()
		w.start()
		if after := w.fake.Table().String(); after != before {
			t.Errorf("before:\n%s\nafter:\n%s", before, after)
		}
	})
}

func TestASourceThatLosesAccessLosesItsConnections(t *testing.T) {
	inWorld(t, func(w *world) {
		w.node.become(guardedView())
		connection := func(from, to string) conntrack.Connection {
			return conntrack.Connection{Protocol: conntrack.Protocol(nft.TCP), Source: ip(from), To: netip.MustParseAddrPort(to)}
		}
		stay := []conntrack.Connection{
			connection("203.0.113.7", "192.0.2.1:30080"),  // is let in
			connection("198.51.100.7", "192.0.2.2:30080"), // is another node's
			connection("198.51.100.7", "192.0.2.1:30081"), // is to another port
			connection("192.0.2.1", "192.0.2.1:30080"),    // is this node's own
		}
		w.flows.open = append(slices.Clone(stay), connection("198.51.100.7", "192.0.2.1:30080"))
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.start()
		if len(w.flows.open) != len(stay)+1 {
			t.Fatalf("cut for nothing: %v", w.flows.open)
		}
		w.flows.failing = true
		w.allow("shop", "203.0.113.0/24")
		w.pass(0)
		w.flows.failing = false
		w.pass(2 * secondLook)
		if !slices.Equal(w.flows.open, stay) {
			t.Errorf("there are %v", w.flows.open)
		}
		late := connection("198.51.100.8", "192.0.2.1:30080") // met the table just before
		w.allow("shop", "203.0.113.0/28")
		w.pass(0)
		w.flows.open = append(w.flows.open, late)
		w.pass(2 * secondLook)
		if !slices.Equal(w.flows.open, stay) {
			t.Errorf("there are %v", w.flows.open)
		}
	})
}

func TestConnectionsThatANodeProxyBeforeShouldHaveCutAreCutAtTheStart(t *testing.T) {
	inWorld(t, func(w *world) {
		w.node.become(guardedView())
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.allow("shop", "203.0.113.0/24")
		w.start()
		w.pass(2 * secondLook)
		w.stop()
		w.flows.open = []conntrack.Connection{{
			Protocol: conntrack.Protocol(nft.TCP), Source: ip("198.51.100.7"), To: netip.MustParseAddrPort("192.0.2.1:30080"),
		}}
		w.start()
		w.pass(0)
		if len(w.flows.open) != 0 {
			t.Errorf("there are %v", w.flows.open)
		}
	})
}

func TestHostPortsOfPodsCountAsUsed(t *testing.T) {
	inWorld(t, func(w *world) {
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
		pod.Spec.Containers = []corev1.Container{{Ports: []corev1.ContainerPort{{HostPort: 30090, Protocol: corev1.ProtocolUDP}}}}
		w.pods.Add(pod)
		w.start()
		w.wantHeld(true, "udp . 30090")
		pod.Status.Phase = corev1.PodSucceeded
		w.pods.Modify(pod)
		w.pass(0)
		w.wantHeld(false, "udp . 30090")
	})
}

func TestANodeReportsUpToWhichChangeItsGuardIs(t *testing.T) {
	inWorld(t, func(w *world) {
		w.node.become(guardedView())
		w.options.Closed = nft.PortRange{First: 30000, Last: 32767}
		w.start()
		guard := func() v1alpha1.GuardState { return *w.agent.Status().report("v1").Guard }
		if got := guard(); got.AccessResourceVersion != "0" || got.Unallocated != v1alpha1.UnallocatedClosed {
			t.Errorf("before the first: %+v", got)
		}
		w.allow("shop", "203.0.113.0/24")
		w.pass(0)
		if got := guard(); got.AccessResourceVersion == "0" {
			t.Errorf("after it: %+v", got)
		}
	})
}
