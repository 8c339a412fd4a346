package nodeproxy

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy/clash"
	"github.com/portolan-dev/portolan/internal/nodeproxy/ephemeral"
	"github.com/portolan-dev/portolan/internal/nodeproxy/listeners"
)

// mostClashEvents is how many events there are of clashes that are found at once. The condition counts them all.
const mostClashEvents = 10

// watchClashes follows what else on the node uses node ports, beside the loop, until ctx ends.
func (a *Agent) watchClashes(ctx context.Context) {
	if a.clashes == nil {
		<-ctx.Done()
		return
	}
	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() { a.clashes.listeners.Run(ctx) })
	// Listeners of UDP are known at the second look. A report without them would have them handed out for a minute.
	if !a.clashes.await(ctx, a.guardian.pods.Read(), a.clock, a.clashesLate) || !a.wait(ctx, listeners.Interval+clashPause) {
		return
	}
	settings := a.clock.NewTicker(settingsInterval)
	defer settings.Stop()
	for {
		a.lookForClashes()
		if !a.wait(ctx, clashPause) {
			return
		}
		select {
		case <-a.clashes.listeners.Changed():
		case <-a.clashes.wake:
		case <-settings.C():
		case <-ctx.Done():
			return
		}
	}
}

// openClashes says where what listens, and the kernel's settings, can be read.
func (a *Agent) openClashes(root string, list func(from, to uint16) ([]listeners.Listener, error), processes func(map[uint32]bool) map[uint32]listeners.Process) {
	c := a.clashes
	c.root, c.listeners = root, listeners.NewWatcher(listeners.Options{
		From:      uint16(c.within.From), //nolint:gosec // parsed as a range of ports
		To:        uint16(c.within.To),   //nolint:gosec // parsed as a range of ports
		List:      list,
		Processes: processes,
		Clock:     a.clock,
		Log:       a.log.WithName("listeners"),
	})
	if a.options.ReserveEphemeral {
		c.reserver = ephemeral.NewReserver(root)
	}
}

// wait lets some time pass; false, if ctx ends.
func (a *Agent) wait(ctx context.Context, d time.Duration) bool {
	timer := a.clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return true
	case <-ctx.Done():
		return false
	}
}

// clashesLate has the node report without clashes.
func (a *Agent) clashesLate() {
	a.log.Info("What listens on the node, its pods or Services cannot be read yet: it says nothing of clashes")
	a.publish(func(now *Status) { now.early = false })
	a.reporter.Changed()
}

func (a *Agent) lookForClashes() {
	failed := a.clashes.failures
	before, changed := a.clashes.look(a.guardian.hostPorts(), a.clock.Now())
	a.tellOfFailures(failed)
	if !changed {
		return
	}
	report := a.clashes.report
	a.publish(func(now *Status) { now.Clashes, now.early = &report, false })
	a.metrics.Clashing(clashCounts(report))
	a.tellOfClashes(report.New(before))
	a.reporter.Changed()
}

// tellOfFailures logs what has begun to fail, and has Status say it.
func (a *Agent) tellOfFailures(before clashFailures) {
	now := a.clashes.failures
	if isNews(before.settings, now.settings) {
		a.log.Info("Cannot tell which ports the node's own connections may have", "reason", now.settings.Error())
	}
	if isNews(before.reserving, now.reserving) {
		a.log.Info("--reserve-ephemeral has no effect", "reason", now.reserving.Error())
	}
	if isNews(before.reserving, now.reserving) || isNews(now.reserving, before.reserving) {
		a.publish(func(s *Status) { s.ReserveFailure = now.reserving })
	}
}

func isNews(before, now error) bool {
	return now != nil && (before == nil || before.Error() != now.Error())
}

// tellOfClashes has events tell the operators of the node.
func (a *Agent) tellOfClashes(all []clash.Clash) {
	node := a.nodeObject()
	if node == nil {
		return
	}
	for _, c := range all[:min(mostClashEvents, len(all))] {
		a.events.Eventf(node, nil, corev1.EventTypeWarning, clash.EventReason, "Watch", "%s", c.Note(node.Name))
	}
}

// nodeObject is this node's Node; nil as long as it is not known.
func (a *Agent) nodeObject() *corev1.Node {
	object, exists, err := a.watches.node.GetIndexer().GetByKey(a.options.Node.Name)
	if node, ok := object.(*corev1.Node); err == nil && exists && ok {
		return node
	}
	return nil
}

// clashCounts are how many clashes there are, by kind, of numbers that Services have and of others.
func clashCounts(r clash.Report) (ofServices, others map[v1alpha1.ClashKind]int) {
	ofServices, others = map[v1alpha1.ClashKind]int{}, map[v1alpha1.ClashKind]int{}
	for _, c := range r.Clashes {
		if c.OfService {
			ofServices[c.Kind]++
		} else {
			others[c.Kind]++
		}
	}
	return ofServices, others
}
