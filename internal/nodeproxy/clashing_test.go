package nodeproxy

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy/listeners"
	"github.com/portolan-dev/portolan/internal/nodeproxy/metrics"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// host is what listens on the node, and its file system.
type host struct {
	root string

	mu      sync.Mutex // guards all below
	sockets []listeners.Listener
	failing bool
}

// watchingClashes has the Agents of the world find clashes with a host, whose own connections have ports from 32768.
func (w *world) watchingClashes() *host {
	h := &host{root: w.TempDir()}
	h.write(w, "ip_local_port_range", "32768\t60999\n")
	h.write(w, "ip_local_reserved_ports", "\n")
	w.options.Range = v1alpha1.PortRange{From: 30000, To: 32767}
	w.beside = append(w.beside, func(ctx context.Context, a *Agent) {
		a.openClashes(h.root, h.list, h.processes)
		a.watchClashes(ctx)
	})
	return h
}

func (h *host) file(name string) string { return filepath.Join(h.root, "proc/sys/net/ipv4", name) }

func (h *host) write(w *world, name, text string) {
	w.Helper()
	w.must(os.MkdirAll(filepath.Dir(h.file(name)), 0o755))
	w.must(os.WriteFile(h.file(name), []byte(text), 0o644))
}

// listen has a process listen at a TCP port, and nothing else.
func (h *host) listen(address string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := netip.MustParseAddrPort(address)
	h.sockets = []listeners.Listener{{Protocol: listeners.TCP, Address: at.Addr(), Port: at.Port(), Inode: uint32(at.Port())}}
}

func (h *host) fail() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failing = true
}

func (h *host) list(uint16, uint16) ([]listeners.Listener, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failing {
		return nil, errNoModule
	}
	return append([]listeners.Listener(nil), h.sockets...), nil
}

func (h *host) processes(inodes map[uint32]bool) map[uint32]listeners.Process {
	found := map[uint32]listeners.Process{}
	for inode := range inodes {
		found[inode] = listeners.Process{Name: "nginx"}
	}
	return found
}

// firstClashes is how long it takes after the start until clashes are known.
const firstClashes = listeners.Interval + clashPause

// soon is within how long a change of what clashes is known.
const soon = listeners.Interval + 2*clashPause

// clashing are the numbers that the node says clash, and the reason of its condition; empty: it says nothing.
func (w *world) clashing() (numbers, reason string) {
	status := w.agent.Status().report("v1")
	if c := meta.FindStatusCondition(status.Conditions, v1alpha1.NodeStateNoClashes); c != nil {
		reason = c.Reason
	}
	return status.ClashingNodePorts, reason
}

func (w *world) wantClashing(numbers, reason string) {
	w.Helper()
	if gotNumbers, gotReason := w.clashing(); gotNumbers != numbers || gotReason != reason {
		w.Errorf("it says %q, %q; want %q, %q", gotNumbers, gotReason, numbers, reason)
	}
}

// wantCounted wants the metrics to have so many clashes of a kind with Services.
func (w *world) wantCounted(kind v1alpha1.ClashKind, want float64) {
	w.Helper()
	families, err := w.agent.registry.Gather()
	w.must(err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if l := m.GetLabel(); family.GetName() == metrics.Clashes && l[0].GetValue() == "true" && l[1].GetValue() == string(kind) {
				if got := m.GetGauge().GetValue(); got != want {
					w.Errorf("%v clashes of kind %s are counted, want %v", got, kind, want)
				}
				return
			}
		}
	}
	w.Errorf("no clashes of kind %s are counted", kind)
}

func TestAListenerIsReportedAsLongAsItIsThere(t *testing.T) {
	inWorld(t, func(w *world) {
		h := w.watchingClashes()
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.start()
		w.pass(firstClashes)
		w.wantClashing("", v1alpha1.NodeStateReasonClear)
		h.listen("0.0.0.0:30080")
		w.pass(soon)
		w.wantClashing("30080", v1alpha1.NodeStateReasonClashing)
		w.wantCounted(v1alpha1.ClashHostListener, 1)
		if text := w.agent.Status().String(); !strings.Contains(text, "nginx listens on TCP 30080, which is a node port of a Service: one of the two does not get its traffic.") {
			t.Errorf("it says:\n%s", text)
		}
		w.clear("shop/web")
		w.pass(soon)
		w.wantClashing("30080", v1alpha1.NodeStateReasonInTheWay)
		h.listen("127.0.0.1:30080")
		w.pass(soon)
		w.wantClashing("", v1alpha1.NodeStateReasonClear)
		w.wantCounted(v1alpha1.ClashHostListener, 0)
	})
}

func TestWhatListensForHealthChecksDoesNotClash(t *testing.T) {
	inWorld(t, func(w *world) {
		h := w.watchingClashes()
		h.listen("0.0.0.0:32000")
		w.services.Add(st.MakeService("shop/web").LoadBalancer().LocalTraffic().HealthCheck(32000).ClusterIPs("10.96.0.10").NodePort(80, 31000).Obj())
		w.start()
		w.pass(firstClashes)
		w.wantClashing("", v1alpha1.NodeStateReasonClear)
	})
}

func TestHostPortsOfPodsClash(t *testing.T) {
	inWorld(t, func(w *world) {
		w.watchingClashes()
		pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "games", Name: "arena-0"}}
		pod.Spec.InitContainers = []corev1.Container{{Ports: []corev1.ContainerPort{{HostPort: 30070}}}} // has ended when the others begin
		pod.Spec.Containers = []corev1.Container{{Ports: []corev1.ContainerPort{{HostPort: 30090, Protocol: corev1.ProtocolUDP}}}}
		w.pods.Add(pod)
		w.start()
		w.pass(firstClashes)
		w.wantClashing("30090", v1alpha1.NodeStateReasonInTheWay)
		if text := w.agent.Status().String(); !strings.Contains(text, "Pod games/arena-0 has the hostPort UDP 30090, which is not handed out.") {
			t.Errorf("it says:\n%s", text)
		}
		w.pods.Delete(pod)
		w.pass(soon)
		w.wantClashing("", v1alpha1.NodeStateReasonClear)
	})
}

func TestTheNodeHasAnEventForEachNewClashWithAService(t *testing.T) {
	inWorld(t, func(w *world) {
		h := w.watchingClashes()
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.start()
		w.pass(firstClashes)
		h.listen("0.0.0.0:30080")
		w.pass(time.Hour)
		if n := len(w.events.Events); n != 1 {
			t.Fatalf("%d events", n)
		}
		if e := <-w.events.Events; !strings.Contains(e, "Warning NodePortClash") || !strings.Contains(e, "a process of the node listens on TCP 30080") || strings.Contains(e, "nginx") {
			t.Errorf("the event is %q", e)
		}
	})
}

func TestNothingIsReportedUntilClashesAreKnown(t *testing.T) {
	reports := func(w *world) bool {
		_, ok := w.agent.reportState()
		return ok
	}
	inWorld(t, func(w *world) {
		w.watchingClashes()
		w.start()
		if reports(w) {
			t.Error("the first report is without clashes")
		}
		w.pass(firstClashes)
		if !reports(w) {
			t.Error("there is no report")
		}
	})
	inWorld(t, func(w *world) { // and where they cannot be known, for a while
		w.watchingClashes().fail()
		w.start()
		w.pass(nodeWait)
		if !reports(w) {
			t.Error("there is no report")
		}
		w.wantClashing("", "")
	})
}

func TestNumbersOfServicesAreReservedWhereThatIsAskedFor(t *testing.T) {
	inWorld(t, func(w *world) {
		w.options.ReserveEphemeral = true
		h := w.watchingClashes()
		h.write(w, "ip_local_port_range", "30000 60999\n")
		h.write(w, "ip_local_reserved_ports", "30500\n")
		reserved := func() string {
			text, err := os.ReadFile(h.file("ip_local_reserved_ports"))
			w.must(err)
			return strings.TrimSpace(string(text))
		}
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.start()
		w.pass(firstClashes)
		if got := reserved(); got != "30080,30500" {
			t.Errorf("reserved: %s", got)
		}
		w.wantClashing("", v1alpha1.NodeStateReasonClear)
		w.clear("shop/web")
		w.pass(soon)
		if got := reserved(); got != "30500" {
			t.Errorf("in the end reserved: %s", got)
		}
	})
}

func TestNumbersThatTheNodeMayGiveToItsOwnConnectionsAreReported(t *testing.T) {
	inWorld(t, func(w *world) {
		h := w.watchingClashes()
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.start()
		w.pass(firstClashes)
		h.write(w, "ip_local_port_range", "30000 60999\n")
		w.pass(settingsInterval + clashPause)
		w.wantClashing("", v1alpha1.NodeStateReasonEphemeralOverlap)
		if got := w.agent.Status().report("v1").EphemeralRange; got != "30000-60999" {
			t.Errorf("its range is %s", got)
		}
	})
}

func TestTheLoopNeverWaitsForTheSearchForClashes(t *testing.T) {
	inWorld(t, func(w *world) {
		w.watchingClashes()
		w.beside[0] = func(ctx context.Context, _ *Agent) { <-ctx.Done() } // it never comes to look
		w.start()
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.pass(0)
		w.put("shop/api", "10.96.0.11", 30081, "10.244.1.2")
		w.pass(0)
		w.wantHeld(true, "tcp . 30080 : pick-1", "tcp . 30081 : pick-1")
	})
}
