package node

import (
	"context"
	"net/netip"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/client-go/tools/cache"
	sources "k8s.io/client-go/tools/cache/testing"
)

// fakeHost has the addresses that a test gives it.
type fakeHost struct {
	mu      sync.Mutex // guards what follows
	ips     []netip.Addr
	follow  chan struct{} // of who follows now
	follows int           // how often somebody has begun to
	looks   int           // how often somebody has looked
}

func (h *fakeHost) addresses() ([]netip.Addr, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.looks++
	return h.ips, nil
}

func (h *fakeHost) looked() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.looks
}

func (h *fakeHost) changes(context.Context) (<-chan struct{}, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.follow = make(chan struct{}, 1)
	h.follows++
	return h.follow, nil
}

// set gives the host addresses; whoever follows is told, or missed it.
func (h *fakeHost) set(missed bool, texts ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ips = ips(texts...)
	if missed {
		close(h.follow)
	} else {
		poke(h.follow)
	}
}

// world is an API server with Nodes and ServiceCIDRs, a host, and a Watcher.
type world struct {
	*testing.T
	nodes, cidrs     *sources.FakeControllerSource
	ofNodes, ofCIDRs cache.SharedIndexInformer
	host             *fakeHost
	watcher          *Watcher
	ctx              context.Context
}

func newWorld(t *testing.T, o Options) *world {
	w := &world{T: t, nodes: sources.NewFakeControllerSource(), cidrs: sources.NewFakeControllerSource(), host: &fakeHost{ips: ips("192.0.2.1")}}
	w.ofNodes = cache.NewSharedIndexInformer(w.nodes, &corev1.Node{}, 0, cache.Indexers{})
	w.ofCIDRs = cache.NewSharedIndexInformer(w.cidrs, &networkingv1.ServiceCIDR{}, 0, cache.Indexers{})
	o.Name = "node-1"
	var err error
	if w.watcher, err = New(w.ofNodes, w.ofCIDRs, o, testr.New(t)); err != nil {
		t.Fatal(err)
	}
	w.watcher.host = w.host
	var cancel context.CancelFunc
	w.ctx, cancel = context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.watcher.Run(w.ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) start(informers ...cache.SharedIndexInformer) {
	for _, i := range informers {
		go i.RunWithContext(w.ctx)
	}
}

// until waits for a View.
func (w *world) until(what string, is func(View) bool) View {
	w.Helper()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case <-w.watcher.Changed():
			if v := w.watcher.View(); is(v) {
				return v
			}
		case <-deadline:
			w.Fatalf("%s: not within 30 s; the view is %+v", what, w.watcher.View())
		}
	}
}

func TestNothingIsSaidBeforeTheNodeObjectIsRead(t *testing.T) {
	w := newWorld(t, Options{})
	w.start(w.ofCIDRs)
	select {
	case <-w.watcher.Changed():
		t.Fatal("there is a view")
	default:
	}
	w.nodes.Add(makeNode().zone("a").internal("192.0.2.1").obj())
	w.start(w.ofNodes)
	first := w.until("a view", func(View) bool { return true })
	if first.Node.Zone != "a" || len(first.Missing) > 0 || len(first.Network.NodePortIPs) != 1 {
		t.Errorf("the first view is %+v", first)
	}
}

func TestPodCIDRsThatComeLateAreTaken(t *testing.T) {
	w := newWorld(t, Options{DetectLocal: DetectLocal{Mode: NodeCIDR}})
	w.start(w.ofNodes)
	w.until("no object", func(v View) bool { return cmp.Equal(v.Missing, []string{missingNode}) && v.Leaving })
	w.nodes.Add(makeNode().internal("192.0.2.1").obj())
	w.until("no podCIDRs", func(v View) bool { return cmp.Equal(v.Missing, []string{missingPodCIDRs}) && !v.Leaving })
	w.nodes.Modify(makeNode().internal("192.0.2.1").podCIDRs("10.244.1.0/24").obj())
	w.until("podCIDRs", func(v View) bool { return len(v.Missing) == 0 && v.PodsKnown == Families{IPv4: true} })
}

func TestANodeThatIsDeletedKeepsItsAddressesAndLeaves(t *testing.T) {
	w := newWorld(t, Options{})
	w.nodes.Add(makeNode().zone("a").internal("192.0.2.1").obj())
	w.start(w.ofNodes)
	before := w.until("a view", func(View) bool { return true })
	w.nodes.Delete(makeNode().obj())
	after := w.until("that it leaves", func(v View) bool { return v.Leaving })
	after.Leaving = false
	if diff := cmp.Diff(before, after, byValue); diff != "" {
		t.Error(diff)
	}
}

func TestAHeartbeatChangesNothing(t *testing.T) {
	w := newWorld(t, Options{})
	w.nodes.Add(makeNode().zone("a").internal("192.0.2.1").obj())
	w.start(w.ofNodes)
	w.until("a view", func(View) bool { return true })
	w.wantNoNews(func() { w.nodes.Modify(makeNode().zone("a").internal("192.0.2.1").hostname("node-1").obj()) })
}

func TestALinkLocalAddressIsKnownWithoutBeingTold(t *testing.T) {
	w := newWorld(t, Options{})
	w.nodes.Add(makeNode().zone("a").internal("192.0.2.1").obj())
	w.start(w.ofNodes)
	w.until("a view", func(View) bool { return true })
	w.wantNoNews(func() { w.host.set(false, "192.0.2.1", "fe80::1") })
	if got, want := w.watcher.View().Addresses, ips("192.0.2.1", "fe80::1"); !slices.Equal(got, want) {
		t.Errorf("the addresses are %v, want %v", got, want)
	}
}

// wantNoNews wants something to happen without anybody being told of another View.
func (w *world) wantNoNews(happen func()) {
	w.Helper()
	looked := w.host.looked()
	happen()
	// Whoever begins to look once more has published what he saw before.
	for deadline := time.Now().Add(30 * time.Second); w.host.looked() < looked+2; poke(w.watcher.objects) {
		if time.Now().After(deadline) {
			w.Fatal("nobody looked")
		}
		runtime.Gosched()
	}
	select {
	case <-w.watcher.Changed():
		w.Errorf("the view is said to have changed: %+v", w.watcher.View())
	default:
	}
}

func TestAddressesAreFollowedAlsoWhenSomeChangesWereMissed(t *testing.T) {
	w := newWorld(t, Options{})
	w.nodes.Add(makeNode().internal("192.0.2.2", "2001:db8::2").obj())
	w.start(w.ofNodes)
	w.until("none", func(v View) bool { return len(v.Network.NodePortIPs) == 0 && len(v.Elsewhere) == 2 })
	w.host.set(false, "192.0.2.2")
	w.until("one", func(v View) bool { return len(v.Network.NodePortIPs) == 1 && len(v.Elsewhere) == 1 })
	w.host.set(true, "192.0.2.2", "2001:db8::2")
	w.until("two", func(v View) bool { return len(v.Network.NodePortIPs) == 2 && len(v.Elsewhere) == 0 })
	w.host.set(false, "192.0.2.2")
	w.until("one again", func(v View) bool { return len(v.Network.NodePortIPs) == 1 })
	if w.host.follows != 2 {
		t.Errorf("they were followed %d times, want anew once", w.host.follows)
	}
}

func TestServiceCIDRsAreTakenWhereTheyAreWanted(t *testing.T) {
	w := newWorld(t, Options{ServiceCIDRs: true})
	w.nodes.Add(makeNode().internal("192.0.2.1").obj())
	w.cidrs.Add(serviceCIDR("kubernetes", "10.96.0.0/16", "fd00:96::/112"))
	w.start(w.ofNodes)
	w.until("none yet", func(v View) bool { return cmp.Equal(v.Missing, []string{missingServiceCIDRs}) })
	w.start(w.ofCIDRs)
	w.until("the first", func(v View) bool {
		return len(v.Missing) == 0 && cmp.Equal(v.Network.ServiceCIDRs, prefixes("10.96.0.0/16", "fd00:96::/112"), byValue)
	})
	w.cidrs.Add(serviceCIDR("more", "10.97.0.0/16"))
	w.until("more", func(v View) bool { return len(v.Network.ServiceCIDRs) == 3 })
	w.cidrs.Delete(serviceCIDR("more", "10.97.0.0/16"))
	w.until("fewer", func(v View) bool { return len(v.Network.ServiceCIDRs) == 2 })
}
