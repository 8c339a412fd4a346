package faults

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
	"github.com/portolan-dev/portolan/test/proxysite"
)

// upgrades are node-proxies whose rules differ, one after the other.
var upgrades = []proxysite.Config{
	{MasqueradeAll: true},
	{Localhost: true},
	{MasqueradeAll: true, Localhost: true, DetectLocal: proxysite.ByInterfaceNamePrefix},
	{},
}

func TestNoConnectionFailsWhileOtherThingsHappen(t *testing.T) {
	w := newWorld(t)
	w.start()
	svc := w.put(w.service("web"), w.Local[0], w.Remote[0])
	w.settle()
	for _, tc := range []struct {
		name   string
		change func(*world)
	}{
		{"other endpoints of the Service come and go", otherEndpoints},
		{"other Services come and go", otherServices},
		{"node-proxy is restarted", func(w *world) { w.again(w.end) }},
		{"node-proxy is killed", func(w *world) { w.again(w.kill) }},
		{"node-proxy is upgraded", func(w *world) {
			for _, config := range upgrades {
				w.command.Config = config
				w.again(w.end)
			}
		}},
		{"node-proxy is killed while much changes", func(w *world) {
			for range 3 {
				otherEndpoints(w)
				otherServices(w)
				w.again(w.kill)
			}
		}},
	} {
		w.whileConnecting(tc.name, w.targets(svc, "tcp"), func() {
			for began := time.Now(); time.Since(began) < time.Second; {
				tc.change(w)
			}
		})
	}
	w.wantServed(svc, append(w.Pods(), w.Node)...)
	w.wantAsFresh()
}

// again ends the node-proxy in some way, and starts it.
func (w *world) again(end func()) {
	end()
	w.start()
}

// otherEndpoints puts more pods beside the two that stay, and takes them away again.
func otherEndpoints(w *world) {
	stay := []*testnet.Host{w.Local[0], w.Remote[0]}
	for _, others := range [][]*testnet.Host{{w.Local[1]}, {w.Local[1], w.Local[2], w.Remote[1]}, {w.Remote[2]}, {}} {
		w.serve("web", append(stay, others...)...)
	}
}

func otherServices(w *world) {
	for i := range 5 {
		name := fmt.Sprint("other-", i)
		w.put(w.service(name), w.Local[1])
		w.must(w.api().CoreV1().Services(w.namespace).Delete(w.Context(), name, metav1.DeleteOptions{}))
	}
}

func TestFlowsThatLiveLongGoOn(t *testing.T) {
	w := newWorld(t)
	w.start()
	svc := w.put(w.service("web"), w.Local[0], w.Local[1], w.Remote[0])
	w.settle()
	flows := w.open(append(w.both(svc), w.both(svc)...))
	w.again(w.kill)
	w.again(w.end)
	for _, config := range upgrades {
		w.command.Config = config
		w.again(w.end)
	}
	w.kill()
	w.put(w.service("other"), w.Local[2]) // while no node-proxy runs
	w.serve("web", w.Local[0], w.Local[1], w.Remote[0], w.Remote[1])
	w.start()
	w.settle()
	flows.wantOne()
}

func TestTheNextNodeProxyTakesOverFromOneThatStillRuns(t *testing.T) {
	w := newWorld(t)
	w.start()
	svc := w.put(w.service("web"), w.Local[0], w.Remote[0])
	w.settle()
	next := w.command
	next.Args = []string{"--healthz-bind-address=", "--metrics-bind-address="} // those of the other one
	launch, err := w.Prepare(t.Context(), next)
	w.must(err)
	w.whileConnecting("one node-proxy follows another", w.targets(svc, "tcp"), func() {
		old := w.proxy
		defer old.Kill()
		w.proxy, err = launch()
		w.must(err)
		w.until("it has met the other one", func() bool { return strings.Contains(w.proxy.Log(), "belongs to another process") })
		w.serve("web", w.Local[0], w.Remote[0], w.Local[1])
		w.settle() // by the one that still runs
		old.Stop()
		w.serve("web", w.Local[0], w.Remote[0], w.Local[2])
		w.settle()
	})
	w.wantAsFresh()
}

func TestClientsStickToTheirEndpointWhateverBecomesOfTheNodeProxy(t *testing.T) {
	w := newWorld(t)
	w.start()
	svc := w.put(w.service("sticky").Affinity(time.Hour), w.Local[0], w.Local[1], w.Remote[0])
	w.settle()
	before := w.stuck(svc)
	for _, tc := range []struct {
		name   string
		change func()
	}{
		{"a restart", func() { w.again(w.end) }},
		{"a kill", func() { w.again(w.kill) }},
		{"an upgrade", func() { w.command.Config = upgrades[0]; w.again(w.end) }},
		{"another endpoint has come", func() { w.serve("sticky", w.Local[0], w.Local[1], w.Remote[0], w.Remote[1]) }},
		{"another endpoint has come while it was away", func() {
			w.kill()
			w.serve("sticky", w.Local[2], w.Local[0], w.Local[1], w.Remote[0], w.Remote[1])
			w.start()
		}},
	} {
		tc.change()
		w.settle()
		for name, host := range w.stuck(svc) {
			if host != before[name] {
				t.Errorf("after %s: %s answers at %s, before it was %s", tc.name, host, name, before[name])
			}
		}
	}
}

// stuck is who answers at each target, to whom the client has to stick.
func (w *world) stuck(svc *corev1.Service) map[string]string {
	w.Helper()
	hosts := map[string]string{}
	for _, t := range w.both(svc) {
		for range 8 {
			echo, err := w.Client.Ask(w.Context(), t.network, t.at, patience)
			w.must(err)
			if before := hosts[t.name]; before != "" && before != echo.Host {
				w.Errorf("%s is served by %s, then by %s", t.name, before, echo.Host)
			}
			hosts[t.name] = echo.Host
		}
	}
	return hosts
}
