package nodeproxy

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/portolan-dev/portolan/internal/nodeproxy/health"
	"github.com/portolan-dev/portolan/internal/nodeproxy/localhost"
	"github.com/portolan-dev/portolan/internal/nodeproxy/node"
	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// until waits for something outside of a bubble.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

func TestTheEndIsOrderlyAlsoWhereTheAPIServerIsAway(t *testing.T) {
	namespace := testnet.New(t)
	a, err := New(&rest.Config{Host: "127.0.0.1:1"}, Options{Node: node.Options{Name: "node-1"}, Localhost: true}, logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- namespace.Do(func() error { return a.Run(ctx) })
	}()
	until(t, "it runs", func() bool { return runtime.NumGoroutine() > before+10 })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	until(t, "its goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
}

func TestWhereOnePartEndsAllDo(t *testing.T) {
	gone := errors.New("the addresses cannot be followed")
	namespace := testnet.New(t)
	a, err := New(&rest.Config{Host: "127.0.0.1:1"}, Options{Node: node.Options{Name: "node-1"}}, logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	a.node = failingNode{newFakeNode(), gone}
	if err := namespace.Do(func() error { return a.Run(t.Context()) }); !errors.Is(err, gone) || !strings.HasPrefix(err.Error(), "node: ") {
		t.Errorf("got %v", err)
	}
}

// failingNode cannot be followed.
type failingNode struct {
	*fakeNode
	err error
}

func (n failingNode) Run(context.Context) error { return n.err }

func TestAtAnOrderlyEndNothingLeadsToTheListenerAnyMore(t *testing.T) {
	w := newWorld(t)
	w.assemble()
	var err error
	w.agent.localhost, err = localhost.Listen(t.Context())
	w.must(err)
	if !w.agent.begin(t.Context()) {
		t.Fatal("it does not begin")
	}
	w.must(w.agent.sync(nil))
	if got := w.fake.Rules().Localhost; got != w.agent.localhost.Port() {
		t.Fatalf("while it runs port %d is led to", got)
	}
	w.agent.leave()
	if got := w.fake.Rules().Localhost; got != 0 {
		t.Errorf("at the end port %d is led to", got)
	}
	served := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	go func() {
		w.agent.localhost.Serve(ctx, w.agent.addressLike) // which closes it
		close(served)
	}()
	<-served
}

func TestNodePortsAtLoopbackAddressesAreThoseOfAnAddressOfTheNode(t *testing.T) {
	w := newWorld(t)
	w.assemble()
	for _, tc := range []struct{ has, like, want string }{
		{"", "127.0.0.1", "invalid IP"},
		{"2001:db8::1", "127.0.0.1", "invalid IP"},
		{"192.0.2.1 2001:db8::1", "127.0.0.1", "192.0.2.1"},
		{"192.0.2.1 2001:db8::1", "::1", "2001:db8::1"},
		{"169.254.0.1 192.0.2.1 fe80::1", "127.0.0.1", "192.0.2.1"},
		{"fe80::1", "::1", "invalid IP"},
	} {
		v := view()
		v.Network.NodePortIPs = nil
		for text := range strings.FieldsSeq(tc.has) {
			v.Network.NodePortIPs = append(v.Network.NodePortIPs, ip(text))
		}
		w.node.become(v)
		if got := w.agent.addressLike(ip(tc.like)).String(); got != tc.want {
			t.Errorf("of %q for %s: got %s, want %s", tc.has, tc.like, got, tc.want)
		}
	}
}

func TestMetricsAreServedOnceTheirPortIsFree(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.options.MetricsBindAddress = taken.Addr().String()
	c := testingclock.NewFakeClock(monday)
	w.options.Clock = c
	w.assemble()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		w.agent.serveMetrics(ctx)
	}()
	until(t, "it waits for its port", c.HasWaiters)
	taken.Close()
	until(t, "metrics are served", func() bool {
		c.Step(health.RetryPeriod)
		response, err := http.Get("http://" + w.options.MetricsBindAddress + "/metrics")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	var out strings.Builder
	if err := Show(t.Context(), []string{w.options.MetricsBindAddress}, "", &out); err != nil || !strings.Contains(out.String(), "Node node-1") {
		t.Errorf("show: %q, %v", out.String(), err)
	}
	cancel()
	<-ended
}

func TestAHealthCheckPortThatCannotBeHadIsAnEventOfItsService(t *testing.T) {
	inWorld(t, func(w *world) {
		w.put("shop/web", "10.96.0.10", 30080)
		w.start()
		at := netip.MustParseAddrPort("192.0.2.1:30500")
		w.agent.healthCheckFailed(types.NamespacedName{Namespace: "shop", Name: "gone"}, at, errors.New("address already in use"))
		w.agent.healthCheckFailed(types.NamespacedName{Namespace: "shop", Name: "web"}, at, errors.New("address already in use"))
		const want = "Warning FailedToStartServiceHealthcheck node node-1 cannot listen on healthCheckNodePort 192.0.2.1:30500: address already in use"
		if got := <-w.events.Events; got != want || len(w.events.Events) > 0 {
			t.Errorf("got %q, and %d more", got, len(w.events.Events))
		}
	})
}
