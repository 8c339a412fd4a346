package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/portolan-dev/portolan/test/proxysite"
)

const oneChangeHow = `
The only endpoint of a Service changes between one that takes connections and one that refuses them, and connections are
made from the node all the time, with each proxy in the same way. "Told" is from the API server's event, as a watch of the
benchmark's own sees it, until a connection meets the new endpoint; "sent" is from the moment that the change is sent to
the API server. "Idle": nothing else changes, and each change waits until longer than kube-proxy's
minSyncPeriod after the last. "Churn": 100 EndpointSlices of other Services change each second meanwhile. Both kinds of
kube-proxy have their default minSyncPeriod, a second.`

const (
	changesOfPeers = 10 // a round, idle and in churn
	changesOfOurs  = 200
	pauseOfPeers   = 1100 * time.Millisecond
	pauseOfOurs    = 20 * time.Millisecond
	churnForGood   = 2 * time.Second // until it is as it stays
)

type oneChange struct {
	*trial
	*flip
}

func runOneChange(ctx context.Context, o options) (measured, error) {
	return runTrial(ctx, o, func(ctx context.Context, t *trial) (_ measured, err error) {
		c := &oneChange{trial: t}
		if c.flip, err = newFlip(ctx, t.nodeSite); err != nil {
			return measured{}, err
		}
		for _, n := range o.services {
			size := shape{n, 2}
			if err := c.size(ctx, size, func(kind proxysite.Kind) error { return c.once(ctx, size, kind) }); err != nil {
				return measured{}, err
			}
		}
		return c.report(), nil
	})
}

// once measures one proxy, idle and in churn.
func (c *oneChange) once(ctx context.Context, size shape, kind proxysite.Kind) error {
	if err := c.wipe(); err != nil {
		return err
	}
	p, err := c.launch(kind)
	if err != nil {
		return err
	}
	defer p.Kill()
	ctx, cancel := watched(ctx, p)
	defer cancel()
	if err := c.awaitFirst(ctx, p, c.race.options.patience); err != nil {
		return err
	}
	if err := c.changes(ctx, size, kind, "idle"); err != nil {
		return err
	}
	churn := c.startChurn(ctx)
	time.Sleep(churnForGood)
	err = c.changes(ctx, size, kind, "churn")
	rate, failure := churn.stop()
	c.add(fmt.Sprintf("%d churn rate", size.services), sides[kind], rate)
	return errors.Join(err, failure)
}

func (c *oneChange) changes(ctx context.Context, size shape, kind proxysite.Kind, state string) error {
	n, pause := changesOfPeers, pauseOfPeers
	if kind == proxysite.NodeProxy {
		n, pause = changesOfOurs, pauseOfOurs
	}
	sent, told, err := c.measure(ctx, n, pause)
	if err != nil {
		return err
	}
	name, of := fmt.Sprintf("%d %s", size.services, state), sides[kind]
	for what, s := range map[string]sample{"sent": sent, "told": told} {
		c.add(name+" "+what+" p50", of, s.p50())
		c.add(name+" "+what+" p99", of, s.p99())
	}
	fmt.Fprintf(c.race.options.log, "  %s, %s: told p50 %.1f ms, p99 %.1f ms; sent p50 %.1f ms, p99 %.1f ms\n",
		name, of, told.p50(), told.p99(), sent.p50(), sent.p99())
	return nil
}

func (c *oneChange) report() measured {
	var rows []row
	for _, n := range c.race.options.services {
		for _, state := range []string{"idle", "churn"} {
			for _, what := range []string{"told p50", "told p99", "sent p50", "sent p99"} {
				kind := what
				if what == "told p50" && n == 10000 {
					kind = "told p50, 10,000 Services"
				}
				rows = append(rows, c.againstPeers(fmt.Sprintf("%s, %d Services, %s", what, n, state), kind, "ms", fmt.Sprintf("%d %s %s", n, state, what))...)
			}
		}
	}
	rows = append(rows, c.flatness()...)
	notes := []string{fmt.Sprintf("Changes a round: %d of each kube-proxy, %d of the node-proxy, in both states.", changesOfPeers, changesOfOurs)}
	for _, n := range c.race.options.services {
		notes = append(notes, fmt.Sprintf("With %d Services, churn was %s.", n, c.texts(fmt.Sprintf("%d churn rate", n), "%.0f/s")))
	}
	return measured{Rows: rows, Notes: append(notes, c.race.notes()...)}
}

// flatness compares our medians with the most Services and with the fewest.
func (c *oneChange) flatness() []row {
	sizes := c.race.options.services
	fewest, most := sizes[0], sizes[len(sizes)-1]
	var rows []row
	for _, state := range []string{"idle", "churn"} {
		p50 := func(n int) []float64 { return c.figures[fmt.Sprintf("%d %s told p50", n, state)][portolan] }
		r := compared(fmt.Sprintf("told p50, %d Services to %d, %s", most, fewest, state), "ms", fmt.Sprintf("%d Services", fewest), p50(most), p50(fewest))
		r.Kind = "flatness"
		rows = append(rows, r)
	}
	return rows
}
