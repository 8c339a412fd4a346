package nodeproxy

import (
	"context"
	"errors"
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
		Leaving:  func() bool { return a.node.View().Leaving },
		Answered: a.metrics.Answered,
		Log:      a.log.WithName("health"),
		Clock:    a.clock,
	}.Run(ctx)
}

// serveMetrics answers /metrics and what Show asks.
func (a *Agent) serveMetrics(ctx context.Context) error {
	if a.options.MetricsBindAddress == "" {
		<-ctx.Done()
		return nil
	}
	listener := a.listen(ctx, a.options.MetricsBindAddress)
	if listener == nil {
		return nil
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET "+showPath, a.serveShow)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// listenAgain is how often a port is asked for that somebody else has.
const listenAgain = 5 * time.Second

// listen waits for a port that somebody else has, such as kube-proxy while node-proxy takes its place. nil: ctx has ended.
func (a *Agent) listen(ctx context.Context, address string) net.Listener {
	retry := a.clock.NewTicker(listenAgain)
	defer retry.Stop()
	for ctx.Err() == nil {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err == nil {
			return listener
		}
		a.log.Error(err, "Cannot serve metrics; trying again", "address", address)
		select {
		case <-ctx.Done():
		case <-retry.C():
		}
	}
	return nil
}

// runLocalhost serves node ports at loopback addresses, through those of the node.
func (a *Agent) runLocalhost(ctx context.Context) {
	a.localhost.Serve(ctx, func(like netip.Addr) netip.Addr {
		for _, ip := range a.node.View().Network.NodePortIPs {
			if ip.Is4() == like.Is4() {
				return ip
			}
		}
		return netip.Addr{}
	})
}
