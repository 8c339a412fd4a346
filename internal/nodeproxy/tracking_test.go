package nodeproxy

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/funcr"

	"github.com/portolan-dev/portolan/internal/nodeproxy/conntrack"
	"github.com/portolan-dev/portolan/internal/nodeproxy/metrics"
)

// fakeFill is a connection tracking that is as full as a test says; nil: it cannot be asked.
type fakeFill struct{ atomic.Pointer[conntrack.Fill] }

func (f *fakeFill) Fill() (conntrack.Fill, error) {
	if fill := f.Load(); fill != nil {
		return *fill, nil
	}
	return conntrack.Fill{}, errors.New("no module")
}

func TestThatTheConnectionTrackingIsFullIsSaidOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		tracking := &fakeFill{}
		var lines atomic.Int64
		w.beside = append(w.beside, func(ctx context.Context, a *Agent) { a.watchTracking(ctx) })
		w.prepare = func(a *Agent) {
			a.tracking = tracking
			a.log = funcr.New(func(_, line string) {
				if strings.Contains(line, "connection tracking") {
					lines.Add(1)
				}
			}, funcr.Options{})
		}
		w.start()
		for _, c := range []struct {
			fill  conntrack.Fill
			full  bool
			lines int64 // in the log, so far
		}{
			{conntrack.Fill{Entries: 10, Limit: 1000}, false, 0},
			{conntrack.Fill{Entries: 1000, Limit: 1000}, true, 1},
			{conntrack.Fill{Entries: 960, Limit: 1000}, true, 1},
			{conntrack.Fill{Entries: 900, Limit: 1000}, false, 2},
			{conntrack.Fill{Entries: 5000}, false, 2}, // the kernel does not say the limit
		} {
			tracking.Store(&c.fill)
			w.pass(time.Minute)
			if said := strings.Contains(w.agent.Status().String(), "the kernel drops new connections"); said != c.full {
				t.Errorf("%+v: that it is full is said: %t", c.fill, said)
			}
			if n := lines.Load(); n != c.lines {
				t.Errorf("%+v: %d lines in the log, want %d", c.fill, n, c.lines)
			}
			w.wantMetric(metrics.ConntrackEntries, "", float64(c.fill.Entries), float64(c.fill.Entries))
			w.wantMetric(metrics.ConntrackLimit, "", float64(c.fill.Limit), float64(c.fill.Limit))
		}
	})
}
