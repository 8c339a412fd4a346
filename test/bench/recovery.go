package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/portolan-dev/portolan/test/proxysite"
)

const recoveryHow = `
A proxy that is in step is ended by SIGKILL, the endpoint of a Service changes, and the proxy is started again: it is in
step when a connection from the node meets the new endpoint. All the while a client outside of the cluster opens 200
connections a second to a node port; lost are those that are not there within a second. CPU time is the second process's,
with the commands that it runs, until it is in step.`

const (
	steadyWorkers  = 32
	steadyPeriod   = 5 * time.Millisecond
	steadyPatience = time.Second
	steadyLead     = 500 * time.Millisecond // before the end of the first process
)

type recovery struct {
	*trial
	*flip
}

func runRecovery(ctx context.Context, o options) (measured, error) {
	return runTrial(ctx, o, func(ctx context.Context, t *trial) (_ measured, err error) {
		r := &recovery{trial: t}
		if r.flip, err = newFlip(ctx, t.nodeSite); err != nil {
			return measured{}, err
		}
		sizes := fewAndMany(o)
		for _, n := range sizes {
			size := shape{n, 2}
			if err := r.size(ctx, size, func(kind proxysite.Kind) error { return r.once(ctx, size, kind) }); err != nil {
				return measured{}, err
			}
		}
		return r.report(sizes), nil
	})
}

// once ends and starts one proxy.
func (r *recovery) once(ctx context.Context, size shape, kind proxysite.Kind) error {
	if err := r.wipe(); err != nil {
		return err
	}
	first, err := r.launch(kind)
	if err != nil {
		return err
	}
	defer first.Kill()
	watching, cancel := watched(ctx, first)
	defer cancel()
	if err := r.awaitFirst(watching, first, r.race.options.patience); err != nil {
		return err
	}
	steady := startSteady(ctx, r.Client, netip.AddrPortFrom(r.Node.IPv4, nodePortOf(0)))
	time.Sleep(steadyLead)
	first.Kill()
	took, err := r.again(ctx, size, kind)
	made, failure := steady.stop()
	if err := errors.Join(err, failure); err != nil {
		return err
	}
	name, of := fmt.Sprint(size.services), sides[kind]
	r.add(name+" in step", of, 1000*took.Seconds())
	r.add(name+" made", of, float64(made))
	r.add(name+" lost", of, float64(steady.lost.Load()))
	fmt.Fprintf(r.race.options.log, "  %s, %s: in step after %.3f s, %d of %d connections lost\n", size, of, took.Seconds(), steady.lost.Load(), made)
	return nil
}

// again starts a proxy once more, after a change, and says how long it took until it was in step.
func (r *recovery) again(ctx context.Context, size shape, kind proxysite.Kind) (time.Duration, error) {
	if _, err := r.change(ctx); err != nil {
		return 0, err
	}
	began := time.Now()
	p, err := r.launch(kind)
	if err != nil {
		return 0, err
	}
	defer p.Kill()
	ctx, cancel := context.WithTimeoutCause(ctx, r.race.options.patience, errLate)
	defer cancel()
	var at time.Time
	err = r.Node.Do(func() (err error) {
		at, err = r.await(ctx, r.takes, began)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("%w; the end of the proxy's log:\n%s", err, p.Log())
	}
	p.Kill()
	r.add(fmt.Sprint(size.services)+" cpu", sides[kind], 1000*(p.State().UserTime()+p.State().SystemTime()).Seconds())
	return at.Sub(began), nil
}

func (r *recovery) report(sizes []int) measured {
	var rows []row
	notes := []string{}
	for _, n := range sizes {
		name := fmt.Sprint(n)
		rows = append(rows, r.againstPeers(fmt.Sprintf("started again to in step, %d Services", n), "", "ms", name+" in step")...)
		rows = append(rows, r.againstPeers(fmt.Sprintf("CPU time, %d Services", n), "", "ms", name+" cpu")...)
		lost := row{Name: fmt.Sprintf("connections lost, %d Services", n), Kind: "connections lost", Value: sum(r.figures[name+" lost"][portolan])}
		rows = append(rows, lost)
		for _, kind := range proxysite.Kinds {
			of := sides[kind]
			if made := sum(r.figures[name+" made"][of]); made > 0 {
				notes = append(notes, fmt.Sprintf("With %d Services, %s: %.0f of %.0f connections lost.", n, of, sum(r.figures[name+" lost"][of]), made))
			}
		}
	}
	return measured{Rows: rows, Notes: append(notes, r.race.notes()...)}
}
