package manager

import (
	"context"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/clusterrange"
	"github.com/portolan-dev/portolan/internal/rules"
)

const (
	// rangeRetry is when to ask again for a range that could not be learned.
	rangeRetry = 2 * time.Second
	// rangeRefresh is how often to look whether the API server was restarted with another range.
	rangeRefresh = 10 * time.Minute
)

// rangeFinder tells the ledger the cluster's node port range, on every replica.
type rangeFinder struct {
	client    client.Client
	ledger    *allocator.Ledger
	namespace string
	fixed     string // from the flag; empty: ask the API server
	changed   func() // tells the controllers

	known v1alpha1.PortRange
}

// NeedLeaderElection implements manager.LeaderElectionRunnable.
func (*rangeFinder) NeedLeaderElection() bool { return false }

// Start implements manager.Runnable.
func (f *rangeFinder) Start(ctx context.Context) error {
	log := logf.FromContext(ctx).WithName("range")
	if f.fixed != "" {
		found, err := rules.ParseRange(f.fixed)
		if err == nil {
			f.ledger.SetClusterRange(found)
			f.changed()
		}
		return err
	}
	for {
		wait := rangeRefresh
		found, err := clusterrange.Discover(ctx, f.client, f.namespace)
		switch {
		case err != nil:
			log.Error(err, "Node port range not learned")
			wait = rangeRetry
		case found != f.known:
			log.Info("Learned the cluster's node port range", "from", found.From, "to", found.To)
			f.known = found
			f.ledger.SetClusterRange(found)
			f.changed()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}
