package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/test/proxysite"
)

const watchHow = `
What it costs that a node follows 10,000 Services, each with an EndpointSlice of two endpoints, and 200 pools. "Lists" is
what a proxy's node has from the API server until the proxy is in step, as TCP carries it, and "a change" what it has, and
what CPU time the proxy takes with the commands that it runs, for each of a thousand changes, 100 of them a second: of an
EndpointSlice's endpoint, of a Service's label, and of a pool's status, by which no node goes. What the API server takes is
too little to be seen of one node: 50 connections watch as a proxy of each kind does, and what the changes then cost more
than with nobody watching is divided by them. kube-proxy watches no pools.`

const (
	watchChanges  = 1000
	watchSettled  = 3 * time.Second // from the last change until nothing more comes of it
	watchersAtAll = 50
	nobody        = side("nobody")
	poolStatus    = "a pool's status"
)

type watch struct {
	*trial
	*flip
	census census
	api    servers
}

// change is a kind of object that is changed, and how.
type change struct {
	name string
	make func(ctx context.Context, i int) error
}

func (w *watch) changes() []change {
	return []change{
		{"an EndpointSlice", func(ctx context.Context, _ int) error { return (&churn{population: &w.population}).one(ctx) }},
		{"a Service", func(ctx context.Context, i int) error {
			patch := fmt.Appendf(nil, `{"metadata":{"labels":{"changed":"%d"}}}`, i)
			_, err := w.population.api.CoreV1().Services(namespace).Patch(ctx, serviceName(rand.IntN(w.services)), types.MergePatchType, patch, metav1.PatchOptions{})
			return err
		}},
		{poolStatus, func(ctx context.Context, i int) error {
			pool := &v1alpha1.NodePortPool{}
			pool.Name = team(i % w.census.pools)
			patch := fmt.Appendf(nil, `{"status":{"breaches":%d}}`, i)
			return w.Plane.Objects.Status().Patch(ctx, pool, client.RawPatch(types.MergePatchType, patch))
		}},
	}
}

func runWatch(ctx context.Context, o options) (measured, error) {
	c := whole.share(o.scale)
	o.services = counts{c.total}
	return runTrial(ctx, o, func(ctx context.Context, t *trial) (_ measured, err error) {
		w := &watch{trial: t, census: c}
		if w.flip, err = newFlip(ctx, t.nodeSite); err != nil {
			return measured{}, err
		}
		if w.api, err = findServers(); err != nil {
			return measured{}, err
		}
		if err := w.addPools(ctx); err != nil {
			return measured{}, err
		}
		if err := w.size(ctx, shape{w.census.total, 2}, func(kind proxysite.Kind) error { return w.once(ctx, kind) }); err != nil {
			return measured{}, err
		}
		for i := range o.rounds {
			fmt.Fprintf(o.log, "watch: the API server, round %d of %d\n", i+1, o.rounds)
			if err := w.server(ctx, i); err != nil {
				return measured{}, err
			}
		}
		return w.report(), nil
	})
}

// addPools makes pools with a status as the manager writes it.
func (w *watch) addPools(ctx context.Context) error {
	_, err := load(ctx, populationWorkers, w.census.pools, func(ctx context.Context, i int) error {
		p := w.census.pool(i)
		if err := w.Plane.Objects.Create(ctx, p); err != nil {
			return err
		}
		p.Status = v1alpha1.NodePortPoolStatus{Ranges: "30000-30015", NodePortRange: "30000-40000", Breaches: new(int32(0)),
			Ports: &v1alpha1.PoolPorts{Total: 16, Bound: 13, Free: 3}}
		for _, kind := range []string{v1alpha1.PoolReady, v1alpha1.PoolExhausted, v1alpha1.PoolConforming} {
			p.Status.Conditions = append(p.Status.Conditions, metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: "Available",
				Message: "all numbers of the pool can be handed out", LastTransitionTime: metav1.Now()})
		}
		return w.Plane.Objects.Status().Update(ctx, p)
	})
	return err
}

// once measures what one proxy takes.
func (w *watch) once(ctx context.Context, kind proxysite.Kind) error {
	if err := w.wipe(); err != nil {
		return err
	}
	before := w.Received()
	p, err := w.launch(kind)
	if err != nil {
		return err
	}
	defer p.Kill()
	ctx, cancel := watched(ctx, p)
	defer cancel()
	if err := w.awaitFirst(ctx, p, w.race.options.patience); err != nil {
		return err
	}
	of := sides[kind]
	w.add("lists", of, float64(w.Received()-before)/1e6)
	f, err := familyOf(p.Pid())
	if err != nil {
		return err
	}
	for _, c := range w.changes() {
		if err := pause(ctx, watchSettled); err != nil {
			return err
		}
		received := w.Received()
		used, err := f.cpu()
		if err := errors.Join(err, w.change(ctx, c)); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		now, err := f.cpu()
		if err != nil {
			return err
		}
		bytes, each := float64(w.Received()-received)/watchChanges, 1000*(now-used)/watchChanges
		w.add(c.name+" bytes", of, bytes)
		w.add(c.name+" CPU", of, each)
		fmt.Fprintf(w.race.options.log, "  %s, %s: %.0f bytes, %.2f ms of CPU time a change\n", of, c.name, bytes, each)
	}
	return nil
}

// change makes all changes, evenly spread, and waits until nothing more comes of them.
func (w *watch) change(ctx context.Context, c change) error {
	began := time.Now()
	_, err := load(ctx, churnWorkers, watchChanges, func(ctx context.Context, i int) error {
		return errors.Join(pause(ctx, time.Until(began.Add(time.Duration(i)*time.Second/churnRate))), c.make(ctx, i))
	})
	return errors.Join(err, pause(ctx, watchSettled))
}

func (w *watch) report() measured {
	rows := w.againstPeers("lists", "", "MB", "lists")
	for _, c := range w.changes() {
		for _, of := range []struct{ title, figure, unit string }{
			{" changes, bytes to the node", " bytes", ""}, {" changes, CPU time of the proxy", " CPU", "ms"},
		} {
			if c.name == poolStatus {
				rows = append(rows, w.ours(c.name+of.title, "", of.unit, c.name+of.figure))
			} else {
				rows = append(rows, w.againstPeers(c.name+of.title, "", of.unit, c.name+of.figure)...)
			}
		}
		rows = append(rows, w.serverRow(c))
	}
	notes := []string{w.shape.String() + fmt.Sprintf(" endpoints, %d pools.", w.census.pools),
		"While nobody watches, the API server takes for a change: " + w.unwatched() + "."}
	return measured{Rows: rows, Notes: append(notes, w.race.notes()...)}
}
