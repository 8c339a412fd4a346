package nodeproxy

import (
	"context"
	"fmt"
	"time"

	"github.com/portolan-dev/portolan/internal/nodeproxy/conntrack"
)

// fillInterval is how often it is asked how full the connection tracking is. Whoever would ask node-proxy for a metric may
// not get through once it is full: then the log alone tells.
const fillInterval = 5 * time.Second

// fillReader knows how full the connection tracking is; *conntrack.Table is one.
type fillReader interface {
	Fill() (conntrack.Fill, error)
}

// watchTracking tells how full the connection tracking is, until ctx ends. Where that cannot be asked, neither can flows be
// forgotten, and that is said.
func (a *Agent) watchTracking(ctx context.Context) {
	for ok := true; ok; ok = a.wait(ctx, fillInterval) {
		if fill, err := a.tracking.Fill(); err == nil {
			a.tell(fill)
		}
	}
}

// tell says how full the connection tracking is, in the log when it becomes full and when it no longer is.
func (a *Agent) tell(fill conntrack.Fill) {
	a.metrics.Tracks(fill.Entries, fill.Limit)
	before := a.Status().Tracked
	a.publish(func(now *Status) { now.Tracked = fill })
	switch {
	case fill.Full() && !before.Full():
		a.log.Info("The connection tracking is full, or nearly: the kernel drops the first packets of new connections, of the node's own, too; net.netfilter.nf_conntrack_max is its limit",
			"entries", fill.Entries, "limit", fill.Limit)
	case before.Full() && !fill.Full():
		a.log.Info("The connection tracking has room again", "entries", fill.Entries, "limit", fill.Limit)
	}
}

// trackingLines say that there is no room for new connections.
func (s Status) trackingLines() []string {
	if !s.Tracked.Full() {
		return nil
	}
	return []string{fmt.Sprintf("The connection tracking has %d of %d entries (net.netfilter.nf_conntrack_max): when it is full, the kernel drops new connections.",
		s.Tracked.Entries, s.Tracked.Limit)}
}
