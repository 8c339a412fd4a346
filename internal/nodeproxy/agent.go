package nodeproxy

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy/activity"
	"github.com/portolan-dev/portolan/internal/nodeproxy/conntrack"
	"github.com/portolan-dev/portolan/internal/nodeproxy/health"
	"github.com/portolan-dev/portolan/internal/nodeproxy/listeners"
	"github.com/portolan-dev/portolan/internal/nodeproxy/localhost"
	"github.com/portolan-dev/portolan/internal/nodeproxy/metrics"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/node"
	"github.com/portolan-dev/portolan/internal/nodeproxy/report"
	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
	"github.com/portolan-dev/portolan/internal/nodeproxy/track"
)

// patience is how long a change may wait for the kernel before /healthz says so. It is kube-proxy's, by default.
const patience = time.Minute

// Agent is a node-proxy.
type Agent struct {
	options  Options
	log      logr.Logger
	clock    clock.WithTickerAndDelayedExecution
	registry *prometheus.Registry

	watches      *watches
	tracker      *track.Tracker
	guardian     *guardian
	clashes      *clashes // nil: nothing is reported of them
	usage        *usage
	node         watcher
	proxy        *health.Proxy
	healthChecks *health.Services
	metrics      *metrics.Metrics
	reporter     *report.Reporter
	broadcaster  events.EventBroadcaster
	events       events.EventRecorder

	// What Run opens.
	kernel    kernel
	sweeper   *sweeper
	tracking  fillReader
	localhost *localhost.Proxy // nil where node ports are not served there
	closers   []func() error

	// looking: it is time to look at what the kernel holds.
	looking atomic.Bool

	// What follows is the loop's own.
	programmer *programmer // nil until all is read
	view       node.View
	served     *served
	unplanned  map[types.NamespacedName]track.Change      // there was no room for these
	checks     map[types.NamespacedName]route.HealthCheck // of what is planned and not yet in the kernel
	waiting    waiting
	backoff    *wait.Backoff
	begun      bool   // the kernel has had all once
	said       string // the failure that was last logged

	mu  sync.Mutex // guards now
	now Status
}

// watcher follows what this node is; *node.Watcher is one.
type watcher interface {
	Run(ctx context.Context) error
	Changed() <-chan struct{}
	View() node.View
}

// New puts a node-proxy together. It asks the API server nothing and changes nothing until Run, which is to follow.
func New(cfg *rest.Config, o Options, log logr.Logger) (*Agent, error) {
	o.Node.ServiceCIDRs = o.Selection.Mode == v1alpha1.ProxyModeAll
	s, err := newSources(cfg, o.Node.Name)
	if err != nil {
		return nil, err
	}
	a := assemble(s, o, log)
	if a.node, err = node.New(a.watches.node, a.watches.serviceCIDRs, a.options.Node, a.log.WithName("node")); err != nil {
		return nil, err
	}
	client, err := reportClient(cfg)
	if err != nil {
		return nil, fmt.Errorf("make the client for reports: %w", err)
	}
	a.reporter = a.newReporter(client)
	a.broadcaster, a.events, err = newEvents(cfg)
	return a, err
}

// assemble puts together what asks nobody, beside its sources, and tells nobody yet.
func assemble(s sources, o Options, log logr.Logger) *Agent {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	a := &Agent{
		options:   o,
		log:       log,
		clock:     o.Clock,
		registry:  prometheus.NewRegistry(),
		served:    newServed(),
		unplanned: map[types.NamespacedName]track.Change{},
		checks:    map[types.NamespacedName]route.HealthCheck{},
		backoff:   newBackoff(),
	}
	a.tracker = track.New(track.TrimService(o.Selection.Takes, v1alpha1.ServiceProxyNameLabel), a.clock)
	a.guardian = newGuardian(o, a.tracker.Wake)
	a.usage = &usage{book: activity.NewBook()}
	if o.Range != (v1alpha1.PortRange{}) {
		a.clashes, a.now.early = newClashes(o), true
	}
	a.watches = newWatches(s, a.tracker, a.guardian, o.Selection.Mode)
	a.proxy = health.NewProxy(patience, func() time.Time { return a.tracker.Counts().Oldest }, a.clock)
	a.healthChecks = health.NewServices(health.ServicesOptions{
		Healthy: a.proxy.Healthy,
		Failed:  a.healthCheckFailed,
		Log:     a.log.WithName("health"),
		Clock:   a.clock,
	})
	a.metrics = a.newMetrics()
	return a
}

// Run serves until ctx ends. What is in the kernel stays then, and serves on until the next node-proxy takes it over.
// The kernel is that of the network namespace of the calling thread, which is to be that of the whole process.
func (a *Agent) Run(ctx context.Context) error {
	defer a.close()
	if err := a.open(ctx); err != nil {
		return err
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	var parts sync.WaitGroup
	var failure error
	var once sync.Once
	for name, run := range a.parts() {
		parts.Go(func() {
			if err := run(ctx); err != nil {
				once.Do(func() { failure = fmt.Errorf("%s: %w", name, err) })
			}
			end()
		})
	}
	parts.Wait()
	return failure
}

// parts are what runs; where one ends, so do all.
func (a *Agent) parts() map[string]func(context.Context) error {
	always := func(run func(context.Context)) func(context.Context) error {
		return func(ctx context.Context) error {
			run(ctx)
			return nil
		}
	}
	return map[string]func(context.Context) error{
		"watches":       always(a.watches.run),
		"node":          a.node.Run,
		"report":        always(a.reporter.Run),
		"events":        a.sendEvents,
		"health checks": always(a.healthChecks.Run),
		"probes":        always(a.runProbes),
		"metrics":       always(a.serveMetrics),
		"clashes":       always(a.watchClashes),
		"use":           always(a.watchUse),
		"tracking":      always(a.watchTracking),
		"loop":          always(a.serve),
	}
}

// serve runs the loop, and what belongs to it: the sweeper, and what the rules lead to for as long as they do.
func (a *Agent) serve(ctx context.Context) {
	var serving sync.WaitGroup
	defer serving.Wait()
	serving.Go(func() { a.sweeper.run(ctx) })
	if a.localhost == nil {
		a.loop(ctx)
		return
	}
	longer, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	serving.Go(func() { a.localhost.Serve(longer, a.addressLike) })
	a.loop(ctx)
}

// open connects to the kernel.
func (a *Agent) open(ctx context.Context) error {
	k, err := nft.Open()
	if err != nil {
		return fmt.Errorf("open nf_tables: %w", err)
	}
	a.kernel, a.closers = k, append(a.closers, k.Close)
	flows, err := conntrack.Open()
	if err != nil {
		return err
	}
	a.sweeper, a.closers = a.newSweeper(flows), append(a.closers, flows.Close)
	if err := a.openBeside(); err != nil {
		return err
	}
	if a.options.Localhost {
		a.localhost, err = localhost.Listen(ctx)
	}
	return err
}

// openBeside opens what is asked beside the loop.
func (a *Agent) openBeside() error {
	k, err := nft.Open()
	if err != nil {
		return fmt.Errorf("open nf_tables: %w", err)
	}
	a.closers = append(a.closers, k.Close)
	flows, err := conntrack.Open()
	if err != nil {
		return err
	}
	a.closers = append(a.closers, flows.Close)
	a.usage.counter, a.usage.flows, a.tracking = k, flows, flows
	if a.clashes == nil {
		return nil
	}
	sockets, err := listeners.Open()
	if err != nil {
		return err
	}
	a.closers = append(a.closers, sockets.Close)
	a.openClashes("/", sockets.List, listeners.Processes("/proc").Of)
	return nil
}

func (a *Agent) close() {
	for _, end := range a.closers {
		_ = end() // the kernel keeps what it has
	}
}
