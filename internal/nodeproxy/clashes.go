package nodeproxy

import (
	"context"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy/clash"
	"github.com/portolan-dev/portolan/internal/nodeproxy/ephemeral"
	"github.com/portolan-dev/portolan/internal/nodeproxy/listeners"
	"github.com/portolan-dev/portolan/internal/nodeproxy/track"
)

const (
	// clashPause is the least time between two looks for clashes: of a burst of changes there are few.
	clashPause = time.Second
	// settingsInterval is how often it is read from which ports the node's own connections have theirs. Hardly anybody
	// ever changes that.
	settingsInterval = time.Minute
)

// clashes keeps what else on the node uses numbers of the node port range.
type clashes struct {
	within    v1alpha1.PortRange
	localhost bool // node ports are served at loopback addresses, too
	listeners *listeners.Watcher
	numbers   *numbers
	root      string // of the file system that has /proc/sys
	// reserver keeps the numbers of Services out of what the kernel chooses from; nil: it is not to.
	reserver *ephemeral.Reserver

	wake   chan struct{} // holds one when the loop has noted something
	begun  chan struct{} // closed once it has noted all Services there are
	ignite func()        // closes that

	// What follows is the own of the goroutine that looks.
	settings    ephemeral.Settings
	settingsDue time.Time
	failures    clashFailures
	report      clash.Report
	known       bool // there is a report
}

// clashFailures are what is not known, or not done.
type clashFailures struct{ settings, reserving error }

func newClashes(o Options) *clashes {
	c := &clashes{
		within:    o.Range,
		localhost: o.Localhost,
		numbers:   newNumbers(),
		wake:      make(chan struct{}, 1),
		begun:     make(chan struct{}),
	}
	c.ignite = sync.OnceFunc(func() { close(c.begun) })
	return c
}

// note takes note of what has changed; of all there is, for the first time. It never waits.
func (c *clashes) note(changes []track.Change) {
	c.numbers.note(changes)
	c.ignite()
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// look finds the clashes there are now, and says whether they are others than before.
func (c *clashes) look(pods []clash.HostPort, now time.Time) (before clash.Report, changed bool) {
	if c.numbers.take() || !now.Before(c.settingsDue) {
		c.settle()
		c.settingsDue = now.Add(settingsInterval)
	}
	report := clash.Find(clash.Facts{
		Range:     c.within,
		Listeners: c.listeners.Listeners(),
		HostPorts: pods,
		Ephemeral: c.settings,
		Services:  c.numbers.all,
		Localhost: c.localhost,
	})
	before, changed = c.report, !c.known || !report.Equal(c.report)
	c.report, c.known = report, true
	return before, changed
}

// settle keeps the numbers of Services out of what the kernel chooses from, if that is asked for, and reads what that is.
func (c *clashes) settle() {
	if c.reserver != nil {
		c.failures.reserving = c.reserver.Reserve(c.numbers.sorted()...)
	}
	settings, err := ephemeral.Read(c.root)
	if err != nil {
		settings = ephemeral.Settings{}
	}
	c.settings, c.failures.settings = settings, err
}

// await returns once the node's listeners and pods and the cluster's Services are known. If that takes too long, late is
// called, and it goes on waiting. It returns false when ctx ends.
func (c *clashes) await(ctx context.Context, pods <-chan struct{}, cl clock.WithTicker, late func()) bool {
	enough := cl.NewTimer(nodeWait)
	defer enough.Stop()
	for _, known := range []<-chan struct{}{c.begun, pods, c.listeners.Changed()} {
		for waiting := true; waiting; {
			select {
			case <-known:
				waiting = false
			case <-enough.C():
				late()
			case <-ctx.Done():
				return false
			}
		}
	}
	return true
}
