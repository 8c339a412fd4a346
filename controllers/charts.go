package controllers

import (
	"context"
	"fmt"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
)

// charts has the chart of the cached pools: the ledger's own may be behind the event that brought a controller here. A list
// by a client would copy every pool, for each Service that is looked at.
type charts struct {
	ledger *allocator.Ledger
	cached toolscache.Store
}

func newCharts(ctx context.Context, informers cache.Informers, ledger *allocator.Ledger) (*charts, error) {
	informer, err := informers.GetInformer(ctx, &v1alpha1.NodePortPool{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("watch pools: %w", err)
	}
	shared, ok := informer.(toolscache.SharedIndexInformer)
	if !ok {
		return nil, fmt.Errorf("the informer of pools is a %T, which has no store", informer)
	}
	return &charts{ledger, shared.GetStore()}, nil
}

// pools are all that there are. They are shared: nobody may change them.
func (c *charts) pools() []*v1alpha1.NodePortPool {
	var pools []*v1alpha1.NodePortPool
	for _, o := range c.cached.List() {
		if p, ok := o.(*v1alpha1.NodePortPool); ok {
			pools = append(pools, p)
		}
	}
	return pools
}

// now is the chart of these pools. The ledger must be ready.
func (c *charts) now() *rules.Chart { return c.ledger.ChartOf(c.pools()) }
