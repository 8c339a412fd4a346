package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/procfs"
)

const managerHow = `
What one manager takes, as the cluster of scale is filled: with nothing in it but namespaces; with Services that have no
node port; with pools; with Services that have one; with nodes. Each time it is started anew: "ready" is from its process's
start until it answers /readyz, that is until all is in its ledger; "at rest" until its controllers have looked at
everything, and CPU time and the most memory are taken then. After that comes a while at rest, with all nodes reporting as
often as they typically do where there are any. At last it looks at every number again, as it does from time to time: a
full repair is from the first number to the last, as its own metrics show, and its CPU time that of ten seconds in which
there is one.`

// managerRest is how long a manager is measured at rest.
const managerRest = 20 * time.Second

type managed struct {
	*town
	figures
}

// stage is a part of the population, and what fills the cluster by it.
type stage struct {
	name string
	add  func(context.Context) error
}

func (m *managed) stages() []stage {
	return []stage{
		{"nothing", func(context.Context) error { return nil }},
		{"+ Services without node ports", func(ctx context.Context) error { return m.addServices(ctx, m.census.numbers, m.total) }},
		{"+ pools", m.addPools},
		{"+ Services with node ports", func(ctx context.Context) error {
			return errors.Join(m.addServices(ctx, 0, m.census.numbers), m.awaitNoted(ctx, m.census.numbers))
		}},
		{"+ nodes", m.addNodes},
	}
}

func runManager(ctx context.Context, o options) (measured, error) {
	t, err := startTown(ctx, o)
	if err != nil {
		return measured{}, err
	}
	defer t.stop()
	m := &managed{town: t, figures: figures{}}
	for i, stage := range m.stages() {
		if err := errors.Join(stage.add(ctx), m.awaitRest(ctx)); err != nil {
			return measured{}, fmt.Errorf("%s: %w", stage.name, err)
		}
		reporting := i == len(m.stages())-1
		for range o.rounds {
			if err := m.round(ctx, stage.name, reporting); err != nil {
				return measured{}, fmt.Errorf("%s: %w", stage.name, err)
			}
		}
	}
	for range o.rounds {
		if err := m.repair(ctx); err != nil {
			return measured{}, fmt.Errorf("repair: %w", err)
		}
	}
	return m.report(), nil
}

// round measures a manager from its start.
func (m *managed) round(ctx context.Context, name string, reporting bool) error {
	m.stopManager()
	began := time.Now()
	if err := m.startManager(ctx); err != nil {
		return err
	}
	m.add(name+" ready", portolan, time.Since(began).Seconds())
	if err := m.awaitRest(ctx); err != nil {
		return err
	}
	used, err := m.servers.now()
	if err != nil {
		return err
	}
	_, most, err := memoryOf(m.servers["manager"])
	if err != nil {
		return err
	}
	m.add(name+" rest after", portolan, (time.Since(began) - restLook).Seconds())
	m.add(name+" start CPU", portolan, used["manager"])
	m.add(name+" most", portolan, most)
	err = m.spend(ctx, m.site, name+" rest", portolan, func() error { return m.rest(ctx, reporting) })
	if err != nil {
		return err
	}
	resident, _, err := memoryOf(m.servers["manager"])
	m.add(name+" resident", portolan, resident)
	fmt.Fprintf(m.options.log, "  %s: ready after %.2f s, at rest after %.0f s and %.2f s of CPU time, %.0f MB, at most %.0f MB\n", name,
		last(m.figures[name+" ready"]), last(m.figures[name+" rest after"]), used["manager"], resident, most)
	return err
}

func last(s series) float64 { return s[portolan][len(s[portolan])-1] }

func (m *managed) rest(ctx context.Context, reporting bool) error {
	if !reporting {
		return pause(ctx, managerRest)
	}
	_, err := m.nodes.write(ctx, useLoads[0], managerRest)
	return err
}

// memoryOf is the memory of a process in MB: what is resident, and the most that has been.
func memoryOf(p procfs.Proc) (now, most float64, err error) {
	status, err := p.NewStatus()
	return float64(status.VmRSS) / 1e6, float64(status.VmHWM) / 1e6, err
}

func (m *managed) report() measured {
	var rows []row
	for _, of := range []struct{ title, figure, unit string }{
		{"memory", "resident", "MB"}, {"memory at the start, at most", "most", "MB"}, {"start to ready", "ready", "s"},
		{"start to at rest", "rest after", "s"}, {"CPU time of a start", "start CPU", "s"}, {"CPU time at rest", "rest CPU manager", "ms/s"},
	} {
		for i, stage := range m.stages() {
			kind := of.title
			if i == len(m.stages())-1 {
				kind += ", all"
			}
			rows = append(rows, m.ours(of.title+", "+stage.name, kind, of.unit, stage.name+" "+of.figure))
		}
	}
	rows = append(rows, m.ours("full repair", "", "s", "repair"), m.ours("CPU time of a full repair", "", "s", "repair CPU"))
	return measured{Rows: slices.Clip(rows), Notes: []string{m.census.String() + "."}}
}
