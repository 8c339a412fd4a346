package nodeproxy

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/node"
	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
	"github.com/portolan-dev/portolan/internal/nodeproxy/track"
)

// nodeWait is how long the first change waits for what the API server knows of the node. What the kernel has from
// before serves meanwhile.
const nodeWait = 10 * time.Second

// newBackoff is how long after each failure it is tried again.
func newBackoff() *wait.Backoff {
	return &wait.Backoff{Duration: 100 * time.Millisecond, Factor: 2, Jitter: 0.1, Steps: 10, Cap: 30 * time.Second}
}

// loop takes what has changed and programs it, until ctx ends.
func (a *Agent) loop(ctx context.Context) {
	changes, err := a.tracker.Next(ctx)
	if err != nil {
		return
	}
	a.awaitNode(ctx)
	go a.followNode(ctx)
	a.sync(changes)
	a.limitConntrack()
	for {
		if changes, err = a.tracker.Next(ctx); err != nil {
			return
		}
		a.sync(changes)
	}
}

// limitConntrack sets what the options ask of the connection tracking, which works since there is a table.
func (a *Agent) limitConntrack() {
	if err := a.options.Conntrack.Apply("/"); err != nil {
		a.log.Error(err, "Going on without limits and timeouts of connection tracking that could not be set")
	}
}

// awaitNode returns when all is known of the node, or when it has taken too long: most Services can do without.
func (a *Agent) awaitNode(ctx context.Context) {
	enough := a.clock.NewTimer(nodeWait)
	defer enough.Stop()
	for {
		select {
		case <-a.node.Changed():
			if len(a.node.View().Missing) == 0 {
				return
			}
		case <-enough.C():
			a.log.Info("Going on without what is not known of the node", "missing", a.node.View().Missing)
			return
		case <-ctx.Done():
			return
		}
	}
}

// followNode has the loop look at the node when that has changed.
func (a *Agent) followNode(ctx context.Context) {
	for {
		select {
		case <-a.node.Changed():
			a.tracker.Wake()
		case <-ctx.Done():
			return
		}
	}
}

// sync has the kernel do what has changed, and tells all who care.
func (a *Agent) sync(changes []track.Change) {
	started := a.clock.Now()
	a.look(a.node.View())
	for _, c := range changes {
		a.plan(c)
		a.waiting.Since = append(a.waiting.Since, c.Since)
		a.waiting.Triggers = append(a.waiting.Triggers, c.Triggers...)
	}
	if len(changes) > 0 {
		a.proxy.Queued(changes[0].Since)
	}
	if why, whole := a.programmer.whole(); whole {
		a.waiting.Full = true
		a.metrics.Resynced(why)
	}
	kernel, err := a.program()
	a.settle(a.clock.Since(started), kernel, err)
	if err != nil {
		a.retry(err)
	}
}

// program has the kernel do what is planned, and says how long the kernel took.
func (a *Agent) program() (time.Duration, error) {
	started := a.clock.Now()
	if err := a.programmer.commit(a.rules(), a.view.Network); err != nil {
		return a.clock.Since(started), err
	}
	return a.clock.Since(started), a.sweep()
}

// look takes in what the node has become.
func (a *Agent) look(view node.View) {
	if a.programmer.begun && !view.Node.Equal(a.view.Node) {
		a.tracker.All() // endpoints here are others now; they come with the next sync
	}
	a.view = view
	a.healthChecks.Listen(view.ListenAddresses())
}

// rules are what the table's rules do on this node.
func (a *Agent) rules() nft.Rules {
	r := nft.Rules{IPv4: a.masquerading(a.view.PodsKnown.IPv4), IPv6: a.masquerading(a.view.PodsKnown.IPv6)}
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

// plan plans a Service as it is now.
func (a *Agent) plan(c track.Change) {
	plan := route.Service(c.Service, c.Slices, a.view.Node, a.options.Selection)
	if err := a.programmer.set(c.Name, plan); err != nil {
		a.log.Error(err, "A Service is not served as it should be", "service", c.Name)
		a.unplanned[c.Name] = struct{}{}
		return
	}
	delete(a.unplanned, c.Name)
	a.served.set(c.Name, plan)
	a.healthChecks.Set(c.Name, plan.HealthCheck)
}

// retry has the loop try again in a while.
func (a *Agent) retry(err error) {
	pause := a.backoff.Step()
	a.log.Error(err, "The kernel is out of step, it is tried again", "in", pause)
	time.AfterFunc(pause, a.tracker.Wake)
}
