package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const scaleHow = `
A cluster of many teams: 10,000 Services in 1,000 namespaces, 2,768 of them with a node port, a pool for each team of five
namespaces, and 5,000 nodes, which are simulated as in use and report as often as they typically do. NodePort Services are
created in all teams, by one worker and by eight, and deleted again; "at rest" is half a minute in which nothing else
happens than that the nodes report. The peer is the same API server, with the same Services, without Portolan: no webhook
is registered, the manager is stopped, no policy is there and no node reports. CPU time a creation is counted until all is
bound, the nodes' reports included.`

// scaleRest is how long a cluster is measured at rest.
const scaleRest = 30 * time.Second

// scaleWorkers are by how many Services are created.
var scaleWorkers = []int{1, 8}

type scale struct {
	*admission
	town *town
}

func runScale(ctx context.Context, o options) (measured, error) {
	t, err := startTown(ctx, o)
	if err != nil {
		return measured{}, err
	}
	defer t.stop()
	if err := t.settle(ctx); err != nil {
		return measured{}, err
	}
	s := &scale{town: t, admission: &admission{site: t.site, figures: figures{}}}
	for i := range o.rounds {
		order := []side{native, portolan}
		if i%2 == 1 {
			slices.Reverse(order)
		}
		for _, of := range order {
			fmt.Fprintf(o.log, "scale: round %d of %d, %s\n", i+1, o.rounds, of)
			if err := s.round(ctx, of); err != nil {
				return measured{}, fmt.Errorf("round %d, %s: %w", i+1, of, err)
			}
		}
	}
	return s.report(), nil
}

// turn has Portolan be there, at rest, or not.
func (s *scale) turn(ctx context.Context, of side) error {
	if of == portolan {
		return errors.Join(s.with(ctx), s.town.awaitRest(ctx))
	}
	return s.without(ctx)
}

// round measures one side of a round; where Portolan is there, the nodes report.
func (s *scale) round(ctx context.Context, of side) error {
	if err := s.turn(ctx, of); err != nil {
		return err
	}
	before, err := s.count(ctx)
	if err != nil {
		return err
	}
	if of == native {
		err = s.both(ctx, of)
	} else {
		err = s.reporting(ctx, func() error { return s.both(ctx, of) })
	}
	if err != nil {
		return err
	}
	after, err := s.count(ctx)
	s.add("calls", of, after.since(before).calls)
	s.add("unanswered", of, after.since(before).unanswered)
	return errors.Join(err, s.addMemory(of))
}

// both measures the cluster at rest, and creations.
func (s *scale) both(ctx context.Context, of side) error {
	err := s.spend(ctx, s.site, "rest", of, func() error { return pause(ctx, scaleRest) })
	if err != nil {
		return err
	}
	for _, workers := range scaleWorkers {
		if err := s.fillUp(ctx, of, workers); err != nil {
			return fmt.Errorf("by %d workers: %w", workers, err)
		}
	}
	return nil
}

// reporting has the nodes report while something is done.
func (s *scale) reporting(ctx context.Context, do func() error) error {
	ctx, stop := context.WithCancel(ctx)
	reported := make(chan error, 1)
	go func() {
		_, err := s.town.nodes.write(ctx, useLoads[0], time.Hour)
		reported <- err
	}()
	err := do()
	stop()
	return errors.Join(err, <-reported)
}

// pause waits so long.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// fillUp has every team use the numbers that it has left, and give them back.
func (s *scale) fillUp(ctx context.Context, of side, workers int) error {
	if err := s.createExtra(ctx, of, workers); err != nil {
		return err
	}
	_, err := load(ctx, workers, s.town.spare(), func(ctx context.Context, i int) error {
		return s.services.CoreV1().Services(s.town.service(extra(i), i).Namespace).Delete(ctx, extra(i), metav1.DeleteOptions{})
	})
	if err != nil || of == native {
		return err
	}
	return s.awaitNoted(ctx, s.town.census.numbers)
}

// extra is the name of a Service that is not of the census.
func extra(i int) string { return fmt.Sprint("extra-", i) }

// createExtra measures creations, until all that comes of them is done.
func (s *scale) createExtra(ctx context.Context, of side, workers int) error {
	name, n := create(workers), s.town.spare()
	requests, err := s.count(ctx)
	if err != nil {
		return err
	}
	before, err := s.servers.now()
	if err != nil {
		return err
	}
	finish := s.profile(ctx, fmt.Sprintf("scale-%d", workers))
	made, err := load(ctx, workers, n, func(ctx context.Context, i int) error { return s.town.open(ctx, extra(i), i) })
	if err = finish(err); err != nil {
		return err
	}
	s.addSample(name, of, made)
	if began := time.Now(); of == portolan {
		if err := s.awaitNoted(ctx, s.town.census.numbers+n); err != nil {
			return err
		}
		s.add(name+" bound after", of, time.Since(began).Seconds())
	}
	after, err := s.servers.now()
	if err != nil {
		return err
	}
	for server, used := range after.since(before) {
		s.add(name+" CPU "+server, of, 1000*used/float64(n))
	}
	return s.addRequests(ctx, name, of, requests, n)
}

// addMemory adds what the manager has of memory, and had at most.
func (s *scale) addMemory(of side) error {
	if of == native {
		return nil
	}
	now, most, err := memoryOf(s.servers["manager"])
	s.add("resident", of, now)
	s.add("most", of, most)
	return err
}

func (s *scale) report() measured {
	var rows []row
	for _, workers := range scaleWorkers {
		name, at := create(workers), workersText(workers)
		rows = append(rows,
			s.row("creates/s, "+at, "1/s", name+" rate"),
			s.row("p50, "+at, "ms", name+" p50"),
			s.row("p99, "+at, "ms", name+" p99"))
	}
	rows = append(rows, s.cpu(create(8))...)
	rows = append(rows,
		s.alone("all bound after the last creation, 8 workers", "s", create(8)+" bound after"),
		s.row("CPU time at rest, API server", "ms/s", "rest CPU API server"),
		s.row("CPU time at rest, etcd", "ms/s", "rest CPU etcd"),
		s.alone("CPU time at rest, manager", "ms/s", "rest CPU manager"),
		s.row("requests/s at rest", "1/s", "rest requests"),
		s.alone("manager's memory", "MB", "resident"),
		s.alone("manager's memory, at most", "MB", "most"),
		row{Name: "requests let through unanswered", Value: sum(s.figures["unanswered"][portolan])})
	return measured{Rows: rows, Notes: []string{
		s.town.census.String() + ".",
		fmt.Sprintf("%d creations a round and number of workers.", s.town.spare()),
		"One API server, one etcd (with --unsafe-no-fsync, on both sides), one manager and the load share the cores.",
		"Requests that the API server was sent for each creation by 8 workers, with Portolan: " + s.requestsText(create(8)) + ".",
	}}
}
