package nodeproxy

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy/conntrack"
	"github.com/portolan-dev/portolan/internal/nodeproxy/metrics"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/node"
	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
	"github.com/portolan-dev/portolan/internal/nodeproxy/track"
)

const (
	// nodeWait is how long the first change waits for what the API server knows of the node, beside the Node object.
	nodeWait = 10 * time.Second
	// lookAgain is how often the kernel's table is looked at where others can change it, if they have changed anything.
	lookAgain = 30 * time.Second
	// takeOver is how often a node-proxy tries to take the table over from one that still runs, as during an update.
	takeOver = time.Second
)

// newBackoff is how long after each failure it is tried again.
func newBackoff() *wait.Backoff {
	return &wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.1, Steps: 10, Cap: 30 * time.Second}
}

// loop takes what has changed and programs it, until ctx ends. What the kernel has from before serves until all is known.
func (a *Agent) loop(ctx context.Context) {
	changes, err := a.tracker.Next(ctx)
	for _, oldest := range changes[:min(1, len(changes))] {
		a.proxy.Queued(oldest.Since)
	}
	if err != nil || !a.awaitNode(ctx) {
		return
	}
	a.awaitGuardian(ctx)
	if !a.begin(ctx) {
		return
	}
	var following sync.WaitGroup
	defer following.Wait()
	following.Go(func() { a.follow(ctx) })
	for err == nil {
		if failed := a.sync(changes); failed != nil {
			a.pause(ctx, failed)
		}
		changes, err = a.tracker.Next(ctx)
	}
	a.leave()
}

// begin takes over what the kernel holds, from a node-proxy before this one that may still run. It returns false when ctx
// ends.
func (a *Agent) begin(ctx context.Context) bool {
	for ctx.Err() == nil {
		p, err := newProgrammer(a.kernel, a.guardian)
		if err == nil {
			a.programmer = p
			return true
		}
		a.proxy.Queued(a.clock.Now()) // where there are no Services
		a.publish(func(now *Status) { now.fail(err, a.clock.Now()) })
		a.reporter.Changed()
		a.pause(ctx, err)
	}
	return false
}

// awaitNode returns when all is known of the node, or when all but the Node object takes too long: most Services can do
// without, but without that object nothing says where node ports are, and those that the kernel has would go. It returns
// false when ctx ends.
func (a *Agent) awaitNode(ctx context.Context) bool {
	select {
	case <-a.node.Changed():
	case <-ctx.Done():
		return false
	}
	enough := a.clock.NewTimer(nodeWait)
	defer enough.Stop()
	for late := false; ; {
		view := a.node.View()
		if len(view.Missing) == 0 || late && view.Known {
			return true
		}
		select {
		case <-a.node.Changed():
		case <-enough.C():
			late = true
			a.log.Info("Not all is known of the node", "missing", view.Missing)
		case <-ctx.Done():
			return false
		}
	}
}

// follow has the loop look at the node when that has changed, and from time to time at the kernel.
func (a *Agent) follow(ctx context.Context) {
	look := a.clock.NewTicker(lookAgain)
	defer look.Stop()
	for {
		select {
		case <-a.node.Changed():
		case <-look.C():
			a.looking.Store(true)
		case <-ctx.Done():
			return
		}
		a.tracker.Wake()
	}
}

// pause lets some time pass after a failure. What changes meanwhile waits.
func (a *Agent) pause(ctx context.Context, failed error) {
	pause := a.backoff.Step()
	if errors.Is(failed, nft.ErrOwned) {
		pause = min(pause, takeOver)
	}
	if text := failed.Error(); text != a.said {
		a.said = text
		a.log.Error(failed, "The node is out of step, it is tried again")
	}
	timer := a.clock.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C():
		a.tracker.Wake()
	case <-ctx.Done():
	}
}

// sync has the kernel do what has changed, and tells all who care. After an error it is to be called again, with what has
// changed meanwhile.
func (a *Agent) sync(changes []track.Change) error {
	started := a.clock.Now()
	a.look(a.node.View())
	if a.clashes != nil {
		a.clashes.note(changes)
	}
	if a.looking.Swap(false) {
		a.programmer.suspect()
	}
	a.planAll(changes)
	a.guard(changes)
	due := a.sweeper.takeDue()
	a.programmer.lookAgain(maps.Keys(due.flows))
	a.guardian.lookAgain(due.gates)
	a.sweeper.meet(func(f route.Frontend) conntrack.Flow { return a.flow(a.programmer.planner.Flow(f)) }, a.gate)
	err := a.program(started)
	if err == nil {
		a.sweep(due.flows)
		a.checkHealth()
	}
	a.conclude(err)
	return err
}

// checkHealth has load balancers' questions answered as the kernel serves now.
func (a *Agent) checkHealth() {
	for name, check := range a.checks {
		a.healthChecks.Set(name, check)
	}
	a.checks = map[types.NamespacedName]route.HealthCheck{} // and not cleared: after the first sync it is as large as it ever gets
}

// look takes in what the node has become.
func (a *Agent) look(view node.View) {
	if a.programmer.begun && !view.Node.Equal(a.view.Node) {
		a.tracker.All() // endpoints here are others now; they come with the next sync
	}
	if addresses := view.ListenAddresses(); !slices.Equal(addresses, a.view.ListenAddresses()) {
		a.healthChecks.Listen(addresses)
	}
	a.view = view
}

// planAll plans the Services that have changed, and those again that there was no room for.
func (a *Agent) planAll(changes []track.Change) {
	for name, c := range a.unplanned {
		if !slices.ContainsFunc(changes, func(other track.Change) bool { return other.Name == name }) {
			a.plan(c)
		}
	}
	queued := false
	for _, c := range changes {
		if !a.concerns(c) {
			continue
		}
		a.plan(c)
		a.waiting.add(c)
		a.proxy.Queued(c.Since)
		queued = true
	}
	if queued {
		a.metrics.Queued()
	}
}

// concerns says whether a change is of a Service that is, or was, served here: with labelled Services most are not.
func (a *Agent) concerns(c track.Change) bool {
	_, known := a.unplanned[c.Name]
	return known || c.Service != nil && a.options.Selection.Takes(c.Service) || a.programmer.planner.Serves(c.Name)
}

// plan plans a Service as it is now.
func (a *Agent) plan(c track.Change) {
	plan := route.Service(c.Service, c.Slices, a.view.Node, a.options.Selection)
	if err := a.programmer.set(c.Name, plan); err != nil {
		if _, known := a.unplanned[c.Name]; !known {
			a.log.Error(err, "A Service is not served as it should be", "service", c.Name)
		}
		a.unplanned[c.Name] = c
		return
	}
	delete(a.unplanned, c.Name)
	a.served.set(c.Name, plan)
	a.checks[c.Name] = plan.HealthCheck
}

// program has the kernel do what is planned, in a sync that began at that time.
func (a *Agent) program(started time.Time) error {
	planned := a.clock.Now()
	o, err := a.programmer.commit(a.rules(), a.view.Network)
	now := a.clock.Now()
	s := metrics.Sync{Full: o.whole != "", Took: now.Sub(started), Err: err}
	if o.asked {
		s.Kernel = now.Sub(planned)
	}
	a.tellOf(o)
	a.settle(started, s, o.asked)
	if o.asked && len(a.unplanned) > 0 {
		a.tracker.Wake() // there may be room now
	}
	return err
}

// tellOf tells of a comparison of the whole table. One that was made for suspicion alone, and found nothing, is no news.
func (a *Agent) tellOf(o outcome) {
	switch {
	case o.whole == "":
	case o.whole != metrics.Foreign:
		a.metrics.Resynced(o.whole)
	case o.mended > 0:
		a.metrics.Resynced(o.whole)
		a.log.Info("Somebody else has changed the node's table; it is mended", "elements", o.mended)
	}
}

// rules are what the table's rules do on this node.
func (a *Agent) rules() nft.Rules {
	r := nft.Rules{
		IPv4:      a.masquerading(a.view.PodsKnown.IPv4),
		IPv6:      a.masquerading(a.view.PodsKnown.IPv6),
		GuardOnly: a.options.Selection.Mode == v1alpha1.ProxyModeNone,
		Closed:    a.guardian.closes(),
	}
	if a.localhost != nil {
		r.Localhost = a.localhost.Port()
	}
	return r
}

func (a *Agent) masquerading(podsKnown bool) nft.Masquerading {
	switch {
	case a.options.MasqueradeAll:
		return nft.MasqueradeAll
	case !podsKnown:
		return nft.MasqueradeNone
	}
	return nft.MasqueradeOutside
}

// leave is the loop's end. What the kernel has serves on, but for what ends with this process.
func (a *Agent) leave() {
	rules := a.rules()
	if rules.Localhost == 0 {
		return
	}
	rules.Localhost = 0 // else somebody else might get the connections to our port
	if _, err := a.programmer.commit(rules, a.view.Network); err != nil {
		a.log.Error(err, "Node ports at loopback addresses still lead here")
	}
}
