package nodeproxy

import (
	"maps"
	"slices"
	"time"

	"github.com/portolan-dev/portolan/internal/nodeproxy/metrics"
	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
)

// settle tells all who care what has come of a sync, which took so long, the kernel's part of it included.
func (a *Agent) settle(took, kernel time.Duration, err error) {
	s := a.waiting
	s.Took, s.Kernel, s.Err = took, kernel, err
	a.metrics.Synced(s)
	if err == nil {
		a.waiting = metrics.Sync{}
		a.backoff = newBackoff()
		a.proxy.Updated()
	}
	a.publish(took, err)
	a.metrics.Serves(a.table())
	a.reporter.Changed()
}

// publish says what the loop has come to, to whoever asks for the Status.
func (a *Agent) publish(took time.Duration, err error) {
	now := a.clock.Now()
	planner := a.programmer.planner
	a.mu.Lock()
	defer a.mu.Unlock()
	s := &a.now
	s.View, s.Tally, s.Conflicts, s.NodePorts = a.view, planner.Tally(), planner.Conflicts(), a.served.numbers()
	s.Unplanned = slices.SortedFunc(maps.Keys(a.unplanned), compareNames)
	switch {
	case err == nil:
		s.Failure, s.LastSync, s.Took = nil, now, took
	case s.Failure == nil:
		s.Failure, s.FailingSince = err, now
	default:
		s.Failure = err
	}
}

// Status is what it does now. It may be called concurrently.
func (a *Agent) Status() Status {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.now
	s.Now, s.Selection = a.clock.Now(), a.options.Selection
	s.View.Node.Name = a.options.Node.Name // before there is a view
	return s
}

// table is what the metrics say of the node's table.
func (a *Agent) table() metrics.Table {
	t := a.programmer.planner.Tally()
	each := func(n func(route.FamilyTally) int) metrics.PerFamily {
		return metrics.PerFamily{IPv4: n(t.IPv4), IPv6: n(t.IPv6)}
	}
	return metrics.Table{
		Services:        t.Services,
		Conflicts:       len(a.now.Conflicts),
		KernelElements:  a.programmer.elements,
		Frontends:       each(func(f route.FamilyTally) int { return f.Frontends }),
		Endpoints:       each(func(f route.FamilyTally) int { return f.Endpoints }),
		NoLocalInternal: each(func(f route.FamilyTally) int { return f.NoLocalInternal }),
		NoLocalExternal: each(func(f route.FamilyTally) int { return f.NoLocalExternal }),
	}
}
