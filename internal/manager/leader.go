package manager

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/portolan-dev/portolan/controllers"
)

// Lease says how the leader is elected; a zero is controller-runtime's default.
type Lease struct {
	// Duration is how long the others wait after the last renewal before one of them takes over.
	Duration time.Duration
	// RenewDeadline is how long the leader tries to renew before it gives up; less than Duration.
	RenewDeadline time.Duration
	// RetryPeriod is the time between two tries of anybody.
	RetryPeriod time.Duration
}

// lead runs the controllers, on the replica that has the lease, until the shutdown begins. They have a
// controller-runtime manager of their own, on the same caches: one manager for all would keep the lease until it has
// served its last request, and would stop serving at once where it loses the lease.
//
// It fails by way of m.failed, so that the rest goes on for as long as it is needed.
func (m *Manager) lead(ctx context.Context) error {
	if err := m.control(ctx); err != nil {
		m.failure = err
		close(m.failed)
	}
	return nil
}

func (m *Manager) control(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	mgr, err := ctrl.NewManager(m.GetConfig(), m.leaderOptions())
	if err != nil {
		return fmt.Errorf("make manager of the controllers: %w", err)
	}
	options := controllers.Options{Strict: m.options.Strict, IdleAfter: m.options.IdleAfter, RepairEvery: m.options.RepairEvery, RangeChanged: &m.rangeChanged}
	if err := controllers.SetUp(ctx, mgr, m.Ledger, m.store, m.options.Clock, options); err != nil {
		return fmt.Errorf("set up controllers: %w", err)
	}
	go func() {
		select {
		case <-m.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	if err := mgr.Start(ctx); err != nil {
		return fmt.Errorf("controllers: %w", err)
	}
	return nil
}

func (m *Manager) leaderOptions() ctrl.Options {
	o := ctrl.Options{
		Scheme:                        m.GetScheme(),
		MapperProvider:                func(*rest.Config, *http.Client) (meta.RESTMapper, error) { return m.GetRESTMapper(), nil },
		NewCache:                      func(*rest.Config, cache.Options) (cache.Cache, error) { return startedCache{m.GetCache()}, nil },
		NewClient:                     func(*rest.Config, client.Options) (client.Client, error) { return m.GetClient(), nil },
		Metrics:                       metricsserver.Options{BindAddress: "0"},
		LeaderElection:                m.options.LeaderElect,
		LeaderElectionID:              leaseName,
		LeaderElectionNamespace:       m.options.Namespace,
		LeaderElectionReleaseOnCancel: true,
		Controller:                    controllerOptions(m.options),
	}
	for _, d := range []struct {
		given time.Duration
		set   **time.Duration
	}{
		{m.options.Lease.Duration, &o.LeaseDuration},
		{m.options.Lease.RenewDeadline, &o.RenewDeadline},
		{m.options.Lease.RetryPeriod, &o.RetryPeriod},
	} {
		if d.given > 0 {
			*d.set = &d.given
		}
	}
	return o
}

// startedCache is a cache that another manager starts.
type startedCache struct{ cache.Cache }

// Start implements manager.Runnable.
func (startedCache) Start(ctx context.Context) error {
	<-ctx.Done()
	return nil
}
