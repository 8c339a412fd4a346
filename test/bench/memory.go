package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/portolan-dev/portolan/test/proxysite"
)

const memoryHow = `
The resident memory and the CPU time of a proxy that is in step: first with nothing to do, then while 100 EndpointSlices
change each second. "Resident" is the process's own at the end of that time; "at most" is the highest of ten samples a
second, with the commands that it runs (kube-proxy runs nft or iptables), and for the start from the process's first moment
on. CPU time includes those commands' too.`

const (
	settleTime = 20 * time.Second // after the start, until memory is as it stays
	idleTime   = 40 * time.Second
	churnTime  = 40 * time.Second
)

type memory struct {
	*trial
	*flip
}

func runMemory(ctx context.Context, o options) (measured, error) {
	return runTrial(ctx, o, func(ctx context.Context, t *trial) (_ measured, err error) {
		m := &memory{trial: t}
		if m.flip, err = newFlip(ctx, t.nodeSite); err != nil {
			return measured{}, err
		}
		size := shape{min(10000, o.services[len(o.services)-1]), 10}
		if err := m.size(ctx, size, func(kind proxysite.Kind) error { return m.once(ctx, kind) }); err != nil {
			return measured{}, err
		}
		return m.report(size), nil
	})
}

// once measures one proxy: its start, idle, and in churn.
func (m *memory) once(ctx context.Context, kind proxysite.Kind) error {
	if err := m.wipe(); err != nil {
		return err
	}
	p, err := m.launch(kind)
	if err != nil {
		return err
	}
	defer p.Kill()
	ctx, cancel := watched(ctx, p)
	defer cancel()
	f, err := familyOf(p.Pid())
	if err != nil {
		return err
	}
	if err := m.start(ctx, f, p, sides[kind]); err != nil {
		return err
	}
	if err := m.use(ctx, f, sides[kind], "idle", idleTime); err != nil {
		return err
	}
	churn := m.startChurn(ctx)
	err = m.use(ctx, f, sides[kind], "churn", churnTime)
	rate, failure := churn.stop()
	m.add("churn rate", sides[kind], rate)
	return errors.Join(err, failure)
}

// start measures until a while after the proxy is in step.
func (m *memory) start(ctx context.Context, f family, p *proxysite.Proxy, of side) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	begun := make(chan usage, 1)
	go func() {
		u, _ := f.usage(ctx, m.race.options.patience+settleTime) // until it is told that this is enough
		begun <- u
	}()
	if err := m.awaitFirst(ctx, p, m.race.options.patience); err != nil {
		return err
	}
	time.Sleep(settleTime)
	cancel()
	m.add("start most", of, (<-begun).most)
	return nil
}

func (m *memory) use(ctx context.Context, f family, of side, state string, during time.Duration) error {
	u, err := f.usage(ctx, during)
	if err != nil {
		return fmt.Errorf("%s: %w", state, err)
	}
	m.add(state+" resident", of, u.resident)
	m.add(state+" most", of, u.most)
	m.add(state+" cpu", of, 1000*u.cores)
	fmt.Fprintf(m.race.options.log, "  %s, %s: %.0f MB, at most %.0f MB, %.1f ms of CPU time a second\n", of, state, u.resident, u.most, 1000*u.cores)
	return nil
}

func (m *memory) report(size shape) measured {
	rows := m.againstPeers("at most, start", "", "MB", "start most")
	for _, state := range []string{"idle", "churn"} {
		rows = append(rows, m.againstPeers("resident, "+state, "", "MB", state+" resident")...)
		rows = append(rows, m.againstPeers("at most, "+state, "", "MB", state+" most")...)
		rows = append(rows, m.againstPeers("CPU time a second, "+state, "", "ms", state+" cpu")...)
	}
	notes := []string{
		fmt.Sprintf("%s endpoints.", size),
		fmt.Sprintf("Idle and churn are %s each, %s after the start.", idleTime, settleTime),
		"Churn was " + m.texts("churn rate", "%.0f/s") + ".",
	}
	return measured{Rows: rows, Notes: append(notes, m.race.notes()...)}
}
