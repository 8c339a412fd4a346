package nodeproxy

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy/activity"
	"github.com/portolan-dev/portolan/internal/nodeproxy/conntrack"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// watchingUse has the Agents of the world watch how numbers are used.
func (w *world) watchingUse() {
	w.beside = append(w.beside, func(ctx context.Context, a *Agent) {
		a.usage.counter, a.usage.flows = w.fake, w.flows
		a.watchUse(ctx)
	})
}

// wantUsed wants the node to report these numbers as used, to a cluster that knows something; it returns what that knows
// from then on.
func (w *world) wantUsed(known *v1alpha1.Activity, numbers string) *v1alpha1.Activity {
	w.Helper()
	now := w.agent.usage.book.Report(known)
	if now == nil || now.NodePorts != numbers {
		w.Errorf("the node reports %+v, want %q", now, numbers)
	}
	return now
}

var webPort = nft.Port{Protocol: nft.TCP, Number: 30080}

func TestUseIsReportedWhoeverServes(t *testing.T) {
	inWorld(t, func(w *world) {
		w.options.Selection.Mode = v1alpha1.ProxyModeNone
		w.watchingUse()
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.start()
		w.pass(useInterval)
		known := w.wantUsed(nil, "")
		w.fake.Count(webPort, 3)
		w.pass(useInterval)
		w.wantUsed(known, "30080")
	})
}

func TestARestartForgetsNoUse(t *testing.T) {
	inWorld(t, func(w *world) {
		w.watchingUse()
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.start()
		w.fake.Count(webPort, 3)
		w.pass(useInterval)
		known := w.wantUsed(nil, "30080")
		w.pass(activity.Interval)
		w.stop()
		w.start()
		w.pass(useInterval)
		if n := w.agent.usage.taken()[webPort]; n != 3 {
			t.Errorf("%d connections are counted", n)
		}
		w.fake.Count(webPort, 1)
		w.pass(useInterval)
		w.wantUsed(known, "30080")
		if now := w.agent.usage.book.Report(known); !now.Since.Equal(&known.Since) {
			t.Errorf("it counts since %s, and did since %s", now.Since, known.Since)
		}
	})
}

func TestAConnectionThatIsOpenIsUse(t *testing.T) {
	inWorld(t, func(w *world) {
		w.watchingUse()
		w.node.become(guardedView())
		connection := func(from, to string) conntrack.Connection {
			return conntrack.Connection{Protocol: conntrack.Protocol(nft.TCP), Source: ip(from), To: netip.MustParseAddrPort(to)}
		}
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.put("shop/api", "10.96.0.11", 30081, "10.244.1.2")
		w.put("shop/old", "10.96.0.12", 30082, "10.244.1.3")
		w.start()
		w.flows.connect(
			connection("203.0.113.7", "192.0.2.1:30080"),
			connection("203.0.113.7", "192.0.2.2:30081"), // to another node
			connection("192.0.2.1", "192.0.2.1:30082"),   // the node's own
			connection("203.0.113.7", "192.0.2.1:22"),    // to no node port
		)
		w.pass(openInterval + time.Second)
		w.wantUsed(nil, "30080")
	})
}

func TestUseIsWatchedAgainAfterAFailure(t *testing.T) {
	inWorld(t, func(w *world) {
		w.watchingUse()
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.start()
		known := w.wantUsed(nil, "")
		w.fake.Fail(failing(errNoModule, "Uses"), nil)
		w.fake.Count(webPort, 3)
		w.pass(time.Hour)
		w.wantUsed(known, "")
		w.fake.Fail(nil, nil)
		w.pass(useInterval)
		w.wantUsed(known, "30080")
	})
}

// A node that says it counts says that what it does not report is not used.
func TestANodeThatCountsNothingDoesNotSayThatItCounts(t *testing.T) {
	for name, trouble := range map[string]struct{ begin, end func(*world) }{
		"NodePortAccess cannot be read": {
			func(w *world) { w.access.fail(errNoModule) },
			func(w *world) { w.access.fail(nil) },
		},
		"the kernel takes nothing": {
			func(w *world) { w.fake.Fail(failing(errNoModule, "Install"), nil) },
			func(w *world) { w.fake.Fail(nil, nil) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.watchingUse()
				w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
				trouble.begin(w)
				w.start()
				w.pass(time.Hour)
				if now := w.agent.usage.book.Report(nil); now != nil {
					t.Errorf("it reports %+v", now)
				}
				trouble.end(w)
				w.pass(3 * time.Minute)
				known := w.wantUsed(nil, "")
				w.fake.Fail(failing(errNoModule, "Apply", "Install"), nil) // what comes is not counted
				w.put("shop/api", "10.96.0.11", 30081, "10.244.1.2")
				w.pass(2 * activity.Silence)
				if now := w.agent.usage.book.Report(known); now != known {
					t.Errorf("while it is out of step it reports %+v", now)
				}
			})
		})
	}
}

func TestUseIsCountedWithoutPods(t *testing.T) {
	inWorld(t, func(w *world) {
		w.watchingUse()
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.pods.fail(errNoModule)
		w.start()
		w.pass(nodeWait + time.Second)
		known := w.wantUsed(nil, "")
		w.fake.Count(webPort, 3)
		w.pass(useInterval)
		w.wantUsed(known, "30080")
	})
}
