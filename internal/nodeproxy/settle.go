package nodeproxy

import (
	"maps"
	"slices"
	"time"

	"github.com/portolan-dev/portolan/internal/nodeproxy/metrics"
	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
	"github.com/portolan-dev/portolan/internal/nodeproxy/track"
	"github.com/portolan-dev/portolan/internal/selection"
)

// waiting are the changes that the kernel does not have yet.
type waiting struct {
	since, triggers []time.Time
}

// mostWaiting is of how many is known since when they wait, while the kernel takes none.
const mostWaiting = 10000

func (w *waiting) add(c track.Change) {
	if len(w.since) < mostWaiting {
		w.since = append(w.since, c.Since)
	}
	if len(w.triggers) < mostWaiting {
		w.triggers = append(w.triggers, c.Triggers...)
	}
}

// settle tells of a sync that began at that time whoever counts, or waits for it. It may be one for which there was
// nothing to ask the kernel.
func (a *Agent) settle(started time.Time, s metrics.Sync, asked bool) {
	s.Since, s.Triggers = a.waiting.since, a.waiting.triggers
	if asked || len(s.Since) > 0 {
		a.metrics.Synced(s)
	}
	if s.Err != nil {
		a.proxy.Queued(started) // where it was no Service that has changed
		return
	}
	a.proxy.Updated()
	if asked {
		a.publish(func(now *Status) { now.LastSync, now.Took = a.clock.Now(), a.took(started, s) })
	}
	a.waiting = waiting{}
}

// took is how long it took since the first event of what the kernel has now. At the start, that is since all was read.
func (a *Agent) took(started time.Time, s metrics.Sync) time.Duration {
	if len(s.Since) > 0 && !s.Full {
		started = slices.MinFunc(s.Since, time.Time.Compare)
	}
	return a.clock.Since(started)
}

// conclude says what the loop has come to, to whoever asks or is told regularly.
func (a *Agent) conclude(err error) {
	planner, crowded := a.programmer.planner, a.guardian.planner.Crowded()
	if len(crowded) > 0 && !slices.Equal(crowded, a.Status().Crowded) {
		a.log.Info("Node ports are closed, as the NodePortAccess objects of their namespaces are too large for the node", "ports", texts(crowded))
	}
	a.publish(func(now *Status) {
		now.Crowded = crowded
		now.View, now.Tally, now.Conflicts = a.view, planner.Tally(), planner.Conflicts()
		if err == nil { // else the kernel has those that it had
			now.NodePorts, now.Guards = a.served.numbers(), a.guards()
		}
		now.Unplanned = slices.SortedFunc(maps.Keys(a.unplanned), compareNames)
		now.Shared = !a.programmer.kernel.Owned()
		now.fail(err, a.clock.Now())
	})
	a.metrics.Serves(a.table(a.Status()))
	a.reporter.Changed()
	if err != nil {
		return
	}
	a.backoff, a.said = newBackoff(), ""
	if !a.begun {
		a.begun = true
		a.haveBegun()
	}
}

// haveBegun is for what waits until the kernel has all for the first time.
func (a *Agent) haveBegun() {
	s := a.Status()
	a.log.Info("The kernel has the rules", "mode", selection.Word(s.Selection.Mode), "services", s.Tally.Services, "nodePorts", len(s.NodePorts), "addresses", s.View.Network.NodePortIPs, "took", s.Took)
	// The connection tracking works once there is a table.
	if err := a.options.Conntrack.Apply("/"); err != nil {
		a.log.Error(err, "Going on without limits and timeouts of connection tracking that could not be set")
	}
	if a.options.Begun != nil {
		a.options.Begun()
	}
}

// publish changes what Status says.
func (a *Agent) publish(change func(*Status)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.now)
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
func (a *Agent) table(s Status) metrics.Table {
	each := func(n func(route.FamilyTally) int) metrics.PerFamily {
		return metrics.PerFamily{IPv4: n(s.Tally.IPv4), IPv6: n(s.Tally.IPv6)}
	}
	return metrics.Table{
		Services:        s.Tally.Services,
		Conflicts:       len(s.Conflicts),
		KernelElements:  a.programmer.elements,
		GuardStale:      !s.Guards.current(),
		CrowdedPorts:    len(s.Crowded),
		Frontends:       each(func(f route.FamilyTally) int { return f.Frontends }),
		Endpoints:       each(func(f route.FamilyTally) int { return f.Endpoints }),
		NoLocalInternal: each(func(f route.FamilyTally) int { return f.NoLocalInternal }),
		NoLocalExternal: each(func(f route.FamilyTally) int { return f.NoLocalExternal }),
	}
}
