package nodeproxy

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"github.com/portolan-dev/portolan/internal/nodeproxy/conntrack"
	"github.com/portolan-dev/portolan/internal/nodeproxy/health"
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
	clock    clock.WithTicker
	registry *prometheus.Registry

	informers    *informers
	tracker      *track.Tracker
	node         *node.Watcher
	proxy        *health.Proxy
	healthChecks *health.Services
	metrics      *metrics.Metrics
	reporter     *report.Reporter

	// What Run opens.
	kernel     *nft.Kernel
	conntrack  *conntrack.Table
	localhost  *localhost.Proxy // nil where node ports are not served there
	programmer *programmer

	// What follows is the loop's own.
	view      node.View
	served    *served
	unplanned map[types.NamespacedName]struct{}
	waiting   metrics.Sync // since when changes wait, and for what
	backoff   *wait.Backoff

	mu  sync.Mutex // guards now
	now Status
}

// New puts a node-proxy together. It asks the API server nothing and changes nothing until Run.
func New(cfg *rest.Config, o Options, log logr.Logger) (*Agent, error) {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	o.Node.ServiceCIDRs = o.Selection.Mode == route.ModeAll
	a := &Agent{
		options:   o,
		log:       log,
		clock:     o.Clock,
		registry:  prometheus.NewRegistry(),
		served:    newServed(),
		unplanned: map[types.NamespacedName]struct{}{},
		backoff:   newBackoff(),
	}
	if err := a.watch(cfg); err != nil {
		return nil, err
	}
	a.tell()
	var err error
	a.reporter, err = a.newReporter(cfg)
	return a, err
}

// watch makes what learns of changes.
func (a *Agent) watch(cfg *rest.Config) (err error) {
	if a.informers, err = newInformers(cfg, a.options); err != nil {
		return err
	}
	if a.tracker, err = track.New(a.informers.services, a.informers.slices, a.clock); err != nil {
		return err
	}
	a.node, err = node.New(a.informers.node, a.informers.serviceCIDRs, a.options.Node, a.log.WithName("node"))
	return err
}

// tell makes what tells others.
func (a *Agent) tell() {
	a.proxy = health.NewProxy(patience, func() time.Time { return a.tracker.Counts().Oldest }, a.clock)
	a.healthChecks = health.NewServices(health.ServicesOptions{Healthy: a.proxy.Healthy, Log: a.log.WithName("health"), Clock: a.clock})
	a.metrics = a.newMetrics()
}

// Run serves until ctx ends. What is in the kernel stays then, and serves on until the next node-proxy takes it over.
// The kernel is that of the network namespace of the calling thread.
func (a *Agent) Run(ctx context.Context) error {
	if err := a.open(ctx); err != nil {
		return err
	}
	defer a.close()
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
	parts := map[string]func(context.Context) error{
		"watches":       always(a.informers.run),
		"node":          a.node.Run,
		"report":        always(a.reporter.Run),
		"health checks": always(a.healthChecks.Run),
		"probes":        always(a.runProbes),
		"metrics":       a.serveMetrics,
		"loop":          always(a.loop),
	}
	if a.localhost != nil {
		parts["localhost"] = always(a.runLocalhost)
	}
	return parts
}

// open connects to the kernel and reads what it holds.
func (a *Agent) open(ctx context.Context) (err error) {
	if a.kernel, err = nft.Open(); err != nil {
		return fmt.Errorf("open nf_tables: %w", err)
	}
	if a.conntrack, err = conntrack.Open(); err != nil {
		return err
	}
	if a.options.Localhost {
		if a.localhost, err = localhost.Listen(ctx); err != nil {
			return err
		}
	}
	a.programmer, err = newProgrammer(a.kernel)
	return err
}

func (a *Agent) close() {
	_ = a.kernel.Close()
	_ = a.conntrack.Close()
}
