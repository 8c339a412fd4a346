package nodeproxy

import (
	"context"
	"errors"
	"fmt"
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
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", a.options.MetricsBindAddress)
	if err != nil {
		return fmt.Errorf("listen: %w; choose another address by --metrics-bind-address", err)
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
