package nodeproxy

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/watch"
	sourcetest "k8s.io/client-go/tools/cache/testing"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	clienttest "sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy/conntrack"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/node"
	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
	"github.com/portolan-dev/portolan/internal/selection"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestMain(m *testing.M) {
	klog.SetLogger(logr.Discard()) // of client-go
	// It waits a moment from one error to the next, which from the time of a bubble to that of the process are years.
	utilruntime.ErrorHandlers = utilruntime.ErrorHandlers[:1]
	os.Exit(m.Run())
}

// world is an API server, and what an Agent has around it. It belongs into a bubble of package synctest, whose time is
// the Agent's.
type world struct {
	*testing.T
	options                        Options
	services, slices, nodes, cidrs feed
	access, pools, pods            feed
	generation                     int64 // of the last NodePortAccess
	kernel                         kernel
	fake                           *nft.Fake // which kernel is, but in some tests
	node                           *fakeNode
	flows                          *fakeFlows
	events                         *events.FakeRecorder
	prepare                        func(*Agent)                    // is called with an Agent before it runs; nil: nothing is
	beside                         []func(context.Context, *Agent) // what of an Agent runs beside its loop and watches
	agent                          *Agent
	stop                           func()
}

// inWorld runs a test in a bubble, with a world in which the node is known and nothing is there yet.
func inWorld(t *testing.T, test func(*world)) {
	synctest.Test(t, func(t *testing.T) {
		test(newWorld(t))
	})
}

func newWorld(t *testing.T) *world {
	fake := &nft.Fake{}
	w := &world{
		T: t,
		options: Options{
			Node:      node.Options{Name: "node-1"},
			Selection: selection.Selection{Mode: v1alpha1.ProxyModeAll, ProxyName: "portolan"},
		},
		services: newFeed(), slices: newFeed(), nodes: newFeed(), cidrs: newFeed(),
		access: newFeed(), pools: newFeed(), pods: newFeed(),
		kernel: fake, fake: fake, node: newFakeNode(), flows: &fakeFlows{},
		events: events.NewFakeRecorder(10),
	}
	t.Cleanup(w.end)
	w.node.become(view())
	w.nodes.Add(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-1", UID: "uid-of-node-1"}})
	return w
}

// view is what the node is at first.
func view() node.View {
	return node.View{
		Node: route.Node{Name: "node-1", Zone: "zone-a", IPs: []netip.Addr{ip("192.0.2.1"), ip("2001:db8::1")}},
		Network: route.Network{
			NodePortIPs:  []netip.Addr{ip("192.0.2.1"), ip("2001:db8::1")},
			ServiceCIDRs: []netip.Prefix{netip.MustParsePrefix("10.96.0.0/16")},
			Pods:         []netip.Prefix{netip.MustParsePrefix("10.244.0.0/16")},
		},
		PodsKnown: node.Families{IPv4: true},
		Known:     true,
	}
}

func ip(text string) netip.Addr { return netip.MustParseAddr(text) }

// start starts an Agent, and lets it do what there is to do.
func (w *world) start() {
	w.Helper()
	w.assemble()
	ctx, cancel := context.WithCancel(w.Context())
	var running sync.WaitGroup
	running.Go(func() { w.agent.watches.run(ctx) })
	running.Go(func() { w.agent.serve(ctx) })
	for _, run := range w.beside {
		running.Go(func() { run(ctx, w.agent) })
	}
	w.stop = func() {
		cancel()
		running.Wait()
		w.stop = nil
	}
	synctest.Wait()
}

// assemble makes an Agent that has opened what there is to open.
func (w *world) assemble() {
	w.Helper()
	s := sources{
		services: w.services, slices: w.slices, node: w.nodes, serviceCIDRs: w.cidrs,
		access: w.access, pools: w.pools, pods: w.pods,
	}
	a := assemble(s, w.options, logr.Discard())
	a.kernel, a.node, a.sweeper, a.events = w.kernel, w.node.again(), a.newSweeper(w.flows), w.events
	a.reporter = a.newReporter(clienttest.NewFakeClient())
	if w.prepare != nil {
		w.prepare(a)
	}
	w.agent = a
}

// end ends the Agent, if there is one, and the rest.
func (w *world) end() {
	if w.stop != nil {
		w.stop()
	}
	for _, f := range []feed{w.services, w.slices, w.nodes, w.cidrs, w.access, w.pools, w.pods} {
		f.Shutdown()
	}
}

// pass lets time pass, and the Agent do what is to be done then.
func (w *world) pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// put gives a Service one TCP port with a node port, and endpoints.
func (w *world) put(name, clusterIP string, nodePort int32, endpoints ...string) {
	svc := st.MakeService(name).ClusterIPs(clusterIP).NodePort(80, nodePort, st.Target(8080)).Obj()
	w.services.Modify(svc)
	w.serve(name, endpoints...)
}

// serve gives a Service endpoints.
func (w *world) serve(name string, endpoints ...string) {
	slice := st.MakeSlice(name, "a").Port("", 8080)
	for _, e := range endpoints {
		slice.Endpoint(e, st.OnNode("node-1"))
	}
	w.slices.Modify(slice.Obj())
}

// clear takes the endpoints of a Service away, and the Service.
func (w *world) clear(name string) {
	w.slices.Delete(st.MakeSlice(name, "a").Obj())
	w.services.Delete(st.MakeService(name).Obj())
}

// held is what the fake kernel has, as text; numbers of lists do not matter.
func (w *world) held() string { return w.fake.Table().Canonical().String() }

// wantHeld wants the fake kernel to have these lines, or not to.
func (w *world) wantHeld(there bool, lines ...string) {
	w.Helper()
	held := w.held()
	for _, line := range lines {
		if strings.Contains(held, line) != there {
			w.Errorf("%q is there: %v\n%s", line, !there, held)
		}
	}
}

// feed is a source of objects. What it shows is nobody else's.
type feed struct {
	*sourcetest.FakeControllerSource
	failure *atomic.Pointer[error] // of lists and new watches
}

func newFeed() feed { return feed{sourcetest.NewFakeControllerSource(), &atomic.Pointer[error]{}} }

// fail has lists and new watches fail from now on, or no more.
func (f feed) fail(err error) { f.failure.Store(&err) }

// refusal is why it fails now; nil: it does not.
func (f feed) refusal() error {
	if err := f.failure.Load(); err != nil {
		return *err
	}
	return nil
}

func (f feed) List(o metav1.ListOptions) (runtime.Object, error) {
	if err := f.refusal(); err != nil {
		return nil, err
	}
	return f.FakeControllerSource.List(o)
}

func (f feed) Watch(o metav1.ListOptions) (watch.Interface, error) {
	if err := f.refusal(); err != nil {
		return nil, err
	}
	from, err := f.FakeControllerSource.Watch(o)
	if err != nil {
		return nil, err
	}
	w := &copies{Interface: from, to: make(chan watch.Event), ended: make(chan struct{})}
	w.end = sync.OnceFunc(func() { close(w.ended) })
	go w.pass()
	return w, nil
}

// copies is a watch of copies.
type copies struct {
	watch.Interface
	to    chan watch.Event
	ended chan struct{}
	end   func()
}

func (w *copies) ResultChan() <-chan watch.Event { return w.to }

func (w *copies) Stop() {
	w.end()
	w.Interface.Stop()
}

func (w *copies) pass() {
	defer close(w.to)
	for e := range w.Interface.ResultChan() {
		e.Object = e.Object.DeepCopyObject()
		select {
		case w.to <- e:
		case <-w.ended:
			return
		}
	}
}

// fakeNode is a node that is what a test says.
type fakeNode struct {
	changed chan struct{}
	mu      sync.Mutex // guards view
	view    node.View
}

func newFakeNode() *fakeNode { return &fakeNode{changed: make(chan struct{}, 1)} }

func (n *fakeNode) Run(context.Context) error { return nil }

func (n *fakeNode) Changed() <-chan struct{} { return n.changed }

func (n *fakeNode) View() node.View {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.view
}

func (n *fakeNode) become(v node.View) {
	n.mu.Lock()
	n.view = v
	n.mu.Unlock()
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// again is the same node as a process learns of it that has just begun.
func (n *fakeNode) again() *fakeNode {
	select {
	case <-n.changed:
	default:
	}
	if v := n.View(); v.Node.Name != "" {
		n.become(v)
	}
	return n
}

// fakeFlows is a connection tracking that notes what it is asked to forget.
type fakeFlows struct {
	mu      sync.Mutex    // guards all below
	takes   time.Duration // how long it takes to forget
	asked   []conntrack.Flow
	open    []conntrack.Connection
	cuts    int // how often it was asked for cuts
	failing bool
}

var errNoModule = errors.New("no module")

func (f *fakeFlows) Delete(flows []conntrack.Flow) (conntrack.Counts, error) {
	f.wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failing {
		return nil, errNoModule
	}
	f.asked = append(f.asked, flows...)
	return conntrack.Counts{{Protocol: conntrack.UDP}: len(flows)}, nil
}

func (f *fakeFlows) Cut(cut func(conntrack.Connection) bool) (conntrack.Counts, error) {
	f.wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cuts++
	if f.failing {
		return nil, errNoModule
	}
	counts := conntrack.Counts{}
	f.open = slices.DeleteFunc(f.open, func(c conntrack.Connection) bool {
		if !cut(c) {
			return false
		}
		counts[conntrack.Kind{Protocol: c.Protocol, IPv6: c.To.Addr().Is6()}]++
		return true
	})
	return counts, nil
}

// askedForCuts is how often cuts were asked for since the last time.
func (f *fakeFlows) askedForCuts() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.cuts
	f.cuts = 0
	return n
}

func (f *fakeFlows) Each(visit func(conntrack.Connection)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.open {
		visit(c)
	}
	return nil
}

func (f *fakeFlows) fail(failing bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failing = failing
}

// take has it take a while to forget.
func (f *fakeFlows) take(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.takes = d
}

func (f *fakeFlows) wait() {
	f.mu.Lock()
	d := f.takes
	f.mu.Unlock()
	time.Sleep(d)
}

// connect adds connections.
func (f *fakeFlows) connect(more ...conntrack.Connection) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open = append(f.open, more...)
}

// connected are the connections that there are.
func (f *fakeFlows) connected() []conntrack.Connection {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.open)
}

// forgotten are the flows that were to be forgotten since it was last asked.
func (f *fakeFlows) forgotten() []conntrack.Flow {
	f.mu.Lock()
	defer f.mu.Unlock()
	asked := f.asked
	f.asked = nil
	return asked
}

// wantMetric wants a metric with a value of its one label, or without one, to be between two numbers.
func (w *world) wantMetric(name, label string, least, most float64) {
	w.Helper()
	families, err := w.agent.registry.Gather()
	w.must(err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() != name || len(m.GetLabel()) > 0 && m.GetLabel()[0].GetValue() != label {
				continue
			}
			if got := m.GetCounter().GetValue() + m.GetGauge().GetValue(); got < least || got > most {
				w.Errorf("%s %s is %v, want %v to %v", name, label, got, least, most)
			}
			return
		}
	}
	w.Errorf("there is no %s %s", name, label)
}

// metric is the first value of a metric; 0 where it has none.
func (w *world) metric(name string) float64 {
	w.Helper()
	families, err := w.agent.registry.Gather()
	w.must(err)
	for _, family := range families {
		if family.GetName() == name {
			m := family.GetMetric()[0]
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return 0
}
