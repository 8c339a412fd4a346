package nodeproxy

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/portolan-dev/portolan/internal/nodeproxy/health"
	"github.com/portolan-dev/portolan/internal/nodeproxy/metrics"
)

func (a *Agent) newMetrics() *metrics.Metrics {
	a.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return metrics.New(a.registry, metrics.Sources{
		Changes: func() (services, endpointSlices int) {
			c := a.tracker.Counts()
			return c.ServiceEvents, c.SliceEvents
		},
		Pending:          func() int { return a.tracker.Counts().Pending },
		WaitingSince:     a.proxy.WaitingSince,
		HealthCheckPorts: a.healthChecks.Counts,
	}, a.clock)
}

// runProbes answers /healthz and /livez.
func (a *Agent) runProbes(ctx context.Context) {
	if a.options.HealthzBindAddress == "" {
		<-ctx.Done()
		return
	}
	health.Probes{
		Address:  a.options.HealthzBindAddress,
		Proxy:    a.proxy,
		Eligible: a.eligible,
		Answered: a.metrics.Answered,
		Log:      a.log.WithName("health"),
		Clock:    a.clock,
	}.Run(ctx)
}

// eligible says whether load balancers may choose this node: not before the kernel has been programmed once, nor when the
// node is about to go. An update of the DaemonSet does not go on to other nodes before, either.
func (a *Agent) eligible() bool {
	s := a.Status()
	return !s.LastSync.IsZero() && !a.node.View().Leaving
}

// serveMetrics answers /metrics and what Show asks.
func (a *Agent) serveMetrics(ctx context.Context) {
	listener := a.listenMetrics(ctx)
	if listener == nil {
		<-ctx.Done()
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET "+showPath, a.serveShow)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	_ = server.Serve(listener) // until it is closed
}

// listenMetrics is nil where metrics are not served, or ctx ends. Services are served without them, too.
func (a *Agent) listenMetrics(ctx context.Context) net.Listener {
	if a.options.MetricsBindAddress == "" {
		return nil
	}
	return health.Listen(ctx, a.options.MetricsBindAddress, a.clock, func(err error) {
		a.log.Info("Cannot serve metrics yet, it is tried again every few seconds; kube-proxy, or the node-proxy before this one, may have the port until it ends. Another is chosen by --metrics-bind-address",
			"address", a.options.MetricsBindAddress, "reason", err.Error())
	})
}

// addressLike is an address of the node that has node ports, of the family of another one; zero if there is none. On
// link-local ones one asks by an interface, so they are left out.
func (a *Agent) addressLike(other netip.Addr) netip.Addr {
	for _, ip := range a.node.View().Network.NodePortIPs {
		if ip.Is4() == other.Is4() && !ip.IsLinkLocalUnicast() {
			return ip
		}
	}
	return netip.Addr{}
}
