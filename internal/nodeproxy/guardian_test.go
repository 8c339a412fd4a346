package nodeproxy

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
	"github.com/portolan-dev/portolan/internal/nodeproxy/conntrack"
	"github.com/portolan-dev/portolan/internal/nodeproxy/metrics"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/node"
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
	for _, mode := range []v1alpha1.ProxyMode{v1alpha1.ProxyModeAll, v1alpha1.ProxyModeLabelled, v1alpha1.ProxyModeNone} {
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
		w.access.fail(errNoModule)
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
		w.access.fail(nil)
		w.pass(3 * time.Minute) // it is asked again at ever longer intervals
		w.wantHeld(false, "tcp . 30080 : ACL", "203.0.113.0")
	})
}

func TestNothingIsClosedUntilItIsKnownWhoHasWhichNumber(t *testing.T) {
	inWorld(t, func(w *world) {
		w.options.Closed = nft.PortRange{First: 30000, Last: 32767}
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.pods.fail(errNoModule)
		w.start()
		w.pass(nodeWait + time.Second)
		if got := w.fake.Rules().Closed; got != (nft.PortRange{}) {
			t.Errorf("closed without knowing of hostPorts: %v", got)
		}
		w.pods.fail(nil)
		w.pass(3 * time.Minute)
		if got := w.fake.Rules().Closed; got != w.options.Closed {
			t.Errorf("in the end closed: %v", got)
		}
		w.wantHeld(true, "uses {\n\ttcp . 30080\n")
	})
}

func TestWhoMayReachNodePortsDoesNotWaitForPods(t *testing.T) {
	inWorld(t, func(w *world) {
		w.node.become(guardedView())
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.allow("shop", "203.0.113.0/24")
		w.pods.fail(errNoModule)
		w.start()
		w.pass(nodeWait + time.Second)
		w.wantHeld(true, "tcp . 30080 : ACL", "203.0.113.0 : pass", "uses {\n\ttcp . 30080\n")
		w.allow("shop", "198.51.100.0/24")
		w.pass(0)
		w.wantHeld(true, "198.51.100.0 : pass")
		if text := w.agent.Status().String(); !strings.Contains(text, "The node's pods cannot be read") {
			t.Errorf("it says:\n%s", text)
		}
		w.wantGuardCurrent(metav1.ConditionFalse, v1alpha1.NodeStateReasonPodsUnread, "no module")
		w.pods.fail(nil)
		w.pass(3 * time.Minute)
		w.wantGuardCurrent(metav1.ConditionTrue, v1alpha1.NodeStateReasonInSync, "")
	})
}

// wantGuardCurrent wants the node to report whether its guard goes by what the API server says now, and why it does not.
func (w *world) wantGuardCurrent(status metav1.ConditionStatus, reason, why string) {
	w.Helper()
	c := meta.FindStatusCondition(w.agent.Status().report("v1").Conditions, v1alpha1.NodeStateGuardCurrent)
	if c == nil || c.Status != status || c.Reason != reason || !strings.Contains(c.Message, why) {
		w.Errorf("reported is %+v, want %s, %s, %q", c, status, reason, why)
	}
}

func TestANodeThatCanNoLongerReadItsPodsSaysSo(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		w.wantGuardCurrent(metav1.ConditionTrue, v1alpha1.NodeStateReasonInSync, "")
		w.pods.fail(errNoModule)
		w.pods.ResetWatch()
		w.pass(time.Minute)
		w.wantGuardCurrent(metav1.ConditionFalse, v1alpha1.NodeStateReasonPodsUnread, "Pod: no module")
		w.pods.fail(nil)
		w.pass(3 * time.Minute)
		w.wantGuardCurrent(metav1.ConditionTrue, v1alpha1.NodeStateReasonInSync, "")
	})
}

func TestARestartWithoutPodsLeavesHostPortsOpenAndNumbersClosed(t *testing.T) {
	inWorld(t, func(w *world) {
		w.options.Range = v1alpha1.PortRange{From: 30000, To: 32767}
		w.options.Closed = nft.PortRange{First: 30000, Last: 32767}
		pod := func(name string, port int32) *corev1.Pod {
			p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
			p.Spec.Containers = []corev1.Container{{Ports: []corev1.ContainerPort{{HostPort: port}}}}
			return p
		}
		w.pods.Add(pod("stays", 30090))
		w.pods.Add(pod("goes", 30091))
		w.start()
		w.stop()
		w.pods.fail(errNoModule)
		w.pods.Delete(pod("goes", 30091))
		w.start()
		w.pass(nodeWait + time.Second)
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.pass(0)
		w.wantHeld(true, "uses {\n\ttcp . 30080\n\ttcp . 30090\n\ttcp . 30091\n")
		if got := w.fake.Rules().Closed; got != w.options.Closed {
			t.Errorf("closed are %v", got)
		}
		if r := w.agent.Status().report("v1").Guard; r.Unallocated != v1alpha1.UnallocatedClosed {
			t.Errorf("reported is %+v", r)
		}
		w.pods.fail(nil)
		w.pass(3 * time.Minute)
		w.wantHeld(true, "uses {\n\ttcp . 30080\n\ttcp . 30090\n}")
	})
}

func TestANodeThatCanNoLongerReadAccessSaysSo(t *testing.T) {
	for name, source := range map[string]func(*world) feed{
		"NodePortAccess": func(w *world) feed { return w.access },
		"NodePortPool":   func(w *world) feed { return w.pools },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.node.become(guardedView())
				w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
				w.allow("shop", "203.0.113.0/24")
				w.start()
				w.wantMetric(metrics.GuardStale, "", 0, 0)
				w.wantGuardCurrent(metav1.ConditionTrue, v1alpha1.NodeStateReasonInSync, "")
				source(w).fail(errNoModule)
				source(w).ResetWatch() // as the API server ends each now and then
				w.pass(time.Minute)
				w.wantMetric(metrics.GuardStale, "", 1, 1)
				w.wantGuardCurrent(metav1.ConditionFalse, v1alpha1.NodeStateReasonAccessUnread, name+": no module")
				w.wantHeld(true, "tcp . 30080 : ACL", "203.0.113.0 : pass")
				if text := w.agent.Status().String(); !strings.Contains(text, "cannot be read. "+name+": no module") {
					t.Errorf("it says:\n%s", text)
				}
				if text, err := w.agent.show("shop/web"); err != nil || strings.Contains(text, "not known yet") || !strings.Contains(text, "203.0.113.0/24") {
					t.Errorf("who may reach a Service is not said any more: %v\n%s", err, text)
				}
				source(w).fail(nil)
				w.pass(3 * time.Minute)
				w.wantMetric(metrics.GuardStale, "", 0, 0)
				w.wantGuardCurrent(metav1.ConditionTrue, v1alpha1.NodeStateReasonInSync, "")
				if text := w.agent.Status().String(); strings.Contains(text, "cannot be read") {
					t.Errorf("in the end it says:\n%s", text)
				}
			})
		})
	}
}

func TestANodeThatCannotReadAccessSaysSo(t *testing.T) {
	inWorld(t, func(w *world) {
		w.node.become(guardedView())
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.access.fail(errNoModule)
		w.start()
		w.pass(nodeWait + time.Second)
		s := w.agent.Status()
		if g := s.report("v1").Guard; g == nil || g.AccessResourceVersion != "" || access.Reached(g.AccessResourceVersion, "1") {
			t.Errorf("reported is %+v", g)
		}
		w.wantGuardCurrent(metav1.ConditionFalse, v1alpha1.NodeStateReasonAccessUnread, "no module")
		if text := s.String(); !strings.Contains(text, "stays as it was: NodePortAccess or pools cannot be read.") {
			t.Errorf("it says:\n%s", text)
		}
		if text, err := w.agent.show("shop/web"); err != nil || !strings.Contains(text, "It stays as open or closed as it was") {
			t.Errorf("of a Service it says, error %v:\n%s", err, text)
		}
		w.access.fail(nil)
		w.pass(3 * time.Minute)
		if g := w.agent.Status().report("v1").Guard; g.AccessResourceVersion != "0" {
			t.Errorf("in the end reported is %+v", g)
		}
	})
}

// Of several objects each has its own generation.
func TestTheStatusOfAccessIsNoNewsToANode(t *testing.T) {
	inWorld(t, func(w *world) {
		w.node.become(guardedView())
		object := func(name string, generation int64, ofSpec string) *v1alpha1.NodePortAccess {
			return &v1alpha1.NodePortAccess{
				ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-of-" + name), Generation: generation},
				Status:     v1alpha1.NodePortAccessStatus{SpecResourceVersion: ofSpec},
			}
		}
		w.access.Modify(object("a", 5, ""))
		w.access.Modify(object("b", 2, ""))
		w.start()
		version := func() string { return w.agent.Status().report("v1").Guard.AccessResourceVersion }
		before := version()
		w.access.Modify(object("a", 5, "1"))
		w.pass(0)
		w.access.Modify(object("b", 2, "1"))
		w.pass(0)
		if after := version(); before == "0" || after != before {
			t.Errorf("it says it knows all up to %s, and after the status of both %s", before, after)
		}
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

// tcpFrom is a connection from an address to one of a node's and a port.
func tcpFrom(from, to string) conntrack.Connection {
	return conntrack.Connection{Protocol: conntrack.Protocol(nft.TCP), Source: ip(from), To: netip.MustParseAddrPort(to)}
}

func TestASourceThatLosesAccessLosesItsConnections(t *testing.T) {
	inWorld(t, func(w *world) {
		w.node.become(guardedView())
		stay := []conntrack.Connection{
			tcpFrom("203.0.113.7", "192.0.2.1:30080"),  // is let in
			tcpFrom("198.51.100.7", "192.0.2.2:30080"), // is another node's
			tcpFrom("198.51.100.7", "192.0.2.1:30081"), // is to another port
			tcpFrom("192.0.2.1", "192.0.2.1:30080"),    // is this node's own
		}
		w.flows.connect(append(slices.Clone(stay), tcpFrom("198.51.100.7", "192.0.2.1:30080"))...)
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.start()
		if len(w.flows.connected()) != len(stay)+1 {
			t.Fatalf("cut for nothing: %v", w.flows.connected())
		}
		w.allow("shop", "203.0.113.0/24")
		w.pass(0)
		if !slices.Equal(w.flows.connected(), stay) {
			t.Errorf("there are %v", w.flows.connected())
		}
		w.flows.connect(tcpFrom("198.51.100.8", "192.0.2.1:30080")) // met the table just before
		w.pass(2 * secondLook)
		if !slices.Equal(w.flows.connected(), stay) {
			t.Errorf("after a while there are %v", w.flows.connected())
		}
		w.wantMetric(metrics.ConntrackDeletions, "TCP", 2, 2)
		if n := w.flows.askedForCuts(); n != 2 {
			t.Errorf("looked at %d times", n)
		}
	})
}

// There may be millions of connections to look at.
func TestNothingWaitsForConnectionsThatAreCut(t *testing.T) {
	inWorld(t, func(w *world) {
		w.node.become(guardedView())
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.start()
		w.flows.take(3 * time.Second)
		w.flows.connect(tcpFrom("198.51.100.7", "192.0.2.1:30080"))
		w.allow("shop", "203.0.113.0/24")
		w.pass(0)
		w.serve("shop/web", "10.244.1.2")
		w.pass(10 * time.Millisecond)
		w.wantHeld(true, "10.244.1.2 . 8080")
		if len(w.flows.connected()) != 1 {
			t.Fatal("it was cut already")
		}
		w.pass(3 * time.Second)
		if len(w.flows.connected()) != 0 {
			t.Errorf("there are %v", w.flows.connected())
		}
	})
}

func TestWhoIsLetInAgainWhileConnectionsAreLookedAtKeepsThem(t *testing.T) {
	inWorld(t, func(w *world) {
		w.node.become(guardedView())
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.start()
		w.flows.take(3 * time.Second)
		w.allow("shop", "203.0.113.0/24")
		w.pass(time.Second)
		w.allow("shop", "0.0.0.0/0")
		w.pass(0)
		w.flows.connect(tcpFrom("198.51.100.7", "192.0.2.1:30080")) // a new one
		w.pass(time.Minute)
		if len(w.flows.connected()) != 1 {
			t.Error("it was cut")
		}
	})
}

func TestCutsThatFailAreToldOfAndTriedLessAndLessOften(t *testing.T) {
	inWorld(t, func(w *world) {
		w.node.become(guardedView())
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.start()
		w.flows.fail(true)
		w.flows.connect(tcpFrom("198.51.100.7", "192.0.2.1:30080"))
		w.allow("shop", "203.0.113.0/24")
		w.pass(5 * time.Minute)
		if n := w.flows.askedForCuts(); n < 10 || n > 25 {
			t.Errorf("tried %d times", n)
		}
		if s := w.agent.Status(); s.Failure != nil || !strings.Contains(s.String(), "may no longer reach a node port, may be left: no module") {
			t.Errorf("it says:\n%s", s)
		}
		w.flows.fail(false)
		w.pass(35 * time.Second)
		if s := w.agent.Status(); len(w.flows.connected()) != 0 || s.FlowFailure != nil {
			t.Errorf("there are %v, and it says:\n%s", w.flows.connected(), s)
		}
	})
}

func TestNoConnectionsAreLookedAtForAServiceWhoseNumberIsNew(t *testing.T) {
	inWorld(t, func(w *world) {
		w.node.become(guardedView())
		w.allow("shop", "203.0.113.0/24")
		w.start()
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.pass(time.Minute)
		if n := w.flows.askedForCuts(); n != 0 {
			t.Errorf("looked at %d times", n)
		}
		w.clear("shop/web")
		w.pass(time.Minute)
		w.flows.connect(tcpFrom("198.51.100.7", "192.0.2.1:30080")) // while nobody guarded it
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.pass(0)
		if len(w.flows.connected()) != 0 {
			t.Errorf("there are %v", w.flows.connected())
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
		w.flows.connect(tcpFrom("198.51.100.7", "192.0.2.1:30080"))
		w.start()
		w.pass(0)
		if len(w.flows.connected()) != 0 {
			t.Errorf("there are %v", w.flows.connected())
		}
	})
}

func TestHostPortsOfTheRangeCountAsUsed(t *testing.T) {
	inWorld(t, func(w *world) {
		w.options.Range = v1alpha1.PortRange{From: 30000, To: 32767}
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
		at := func(number int32) corev1.Container {
			return corev1.Container{Ports: []corev1.ContainerPort{{HostPort: number, Protocol: corev1.ProtocolUDP}}}
		}
		pod.Spec.InitContainers = []corev1.Container{at(30091)} // which ends before the others begin
		pod.Spec.Containers = []corev1.Container{at(30090), at(9100)}
		w.pods.Add(pod)
		w.start()
		w.wantHeld(true, "udp . 30090")
		w.wantHeld(false, "udp . 30091", "udp . 9100")
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

func TestANodePortThatThereIsNoRoomForIsSaidToBeClosed(t *testing.T) {
	inWorld(t, func(w *world) {
		w.node.become(guardedView())
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		large := &v1alpha1.NodePortAccess{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "large"}}
		for i := range 1 << 18 {
			large.Spec.From = append(large.Spec.From, v1alpha1.AccessPeer{IPBlock: v1alpha1.IPBlock{
				CIDR: v1alpha1.CIDR(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32).String()),
			}})
		}
		w.access.Add(large)
		w.start()
		for subject, want := range map[string]string{
			"":         "1 node port is closed, as the NodePortAccess objects of a namespace are too large for the node: TCP 30080.",
			"shop/web": "Nobody may: the NodePortAccess objects of the namespace are too large for the node.",
		} {
			if text, err := w.agent.show(subject); err != nil || !strings.Contains(text, want) {
				t.Errorf("of %q it says %v:\n%s", subject, err, text)
			}
		}
		w.wantHeld(true, "tcp . 30080 : ACL")
		w.wantHeld(false, "acl4-32")
		w.access.Delete(large)
		w.pass(0)
		w.wantHeld(false, "tcp . 30080 : ACL")
	})
}
