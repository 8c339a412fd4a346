package main

import (
	"context"

	corev1 "k8s.io/api/core/v1"
)

const otherServicesHow = `
ClusterIP Services are created, get a label and a port, and are deleted again, by 8 workers. The peer is the same API
server without Portolan. They never reach the webhooks (which the API server's own count of calls shows), so the bar is
that nothing can be measured.`

// otherServicesMeasured is how many Services each side of a round makes.
const otherServicesMeasured = 1500

func runOtherServices(ctx context.Context, o options) (measured, error) {
	s, err := startSite(ctx, o)
	if err != nil {
		return measured{}, err
	}
	defer s.stop()
	a := &admission{site: s, figures: figures{}}
	if err := a.rounds(ctx, "other-services", a.otherRound); err != nil {
		return measured{}, err
	}
	return measured{Rows: []row{
		a.row("creates/s", "1/s", "create rate"),
		a.row("creates, p50", "ms", "create p50"),
		a.row("creates, p99", "ms", "create p99"),
		a.row("updates/s", "1/s", "update rate"),
		a.row("updates, p50", "ms", "update p50"),
		a.row("updates, p99", "ms", "update p99"),
		{Name: "webhook calls", Value: sum(a.figures["calls"][portolan])},
	}}, nil
}

func (a *admission) otherRound(ctx context.Context, of side) error {
	const workers = 8
	if err := a.turn(ctx, of); err != nil {
		return err
	}
	before, err := a.count(ctx)
	if err != nil {
		return err
	}
	warmUp := otherServicesMeasured / 10
	for _, n := range []int{warmUp, otherServicesMeasured} {
		created, err := load(ctx, workers, n, a.create(corev1.ServiceTypeClusterIP))
		if err != nil {
			return err
		}
		updated, err := load(ctx, workers, 2*n, func(ctx context.Context, i int) error {
			if i < n {
				return a.relabel(ctx, i)
			}
			return a.addPort(ctx, i-n)
		})
		if err != nil {
			return err
		}
		if _, err := load(ctx, workers, n, a.delete); err != nil {
			return err
		}
		if n != warmUp {
			a.addSample("create", of, created)
			a.addSample("update", of, updated)
		}
	}
	after, err := a.count(ctx)
	a.add("calls", of, after.since(before).calls)
	return err
}
