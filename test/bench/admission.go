package main

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const admissionHow = `
NodePort Services are created by 1, 8 and 32 workers, each until the node port range is full; every fill ends with the
deletion of all. Before that, 8 workers change a label, add a port, and ask for a number that is taken. The peer is the
same API server without Portolan: no webhook is registered and the manager is stopped. In the same rounds, bare claims
(the NodePortAllocation of a number, through the API server, as the manager) are created by as many workers. "Added" is
the latency of a creation with Portolan less that of one without, the same round; its peer is a bare claim's.

A number is bound, and its status written, some time after its Service was made. "All bound" is how long that goes on
after the last creation (to a second), and CPU time and requests are counted until then: nothing that is put off is left
out.`

// updatesMeasured is how many Services are changed, and how many refused.
const updatesMeasured = 1000

// side is with Portolan or without.
type side string

const (
	native   side = "native"
	portolan side = "portolan"
	bare     side = "bare claim"
)

// series are the figures of one thing that is measured, by side, one a round.
type series map[side][]float64

// figures are series by name.
type figures map[string]series

func (f figures) add(name string, of side, v float64) {
	if f[name] == nil {
		f[name] = series{}
	}
	f[name][of] = append(f[name][of], v)
}

type admission struct {
	*site
	figures
}

func (a *admission) addSample(name string, of side, s sample) {
	fmt.Fprintf(a.options.log, "  %s, %s: %d in %.1f s, %.0f/s, p50 %.1f ms, p99 %.1f ms\n",
		name, of, len(s.latencies), s.elapsed.Seconds(), s.rate(), s.p50(), s.p99())
	a.add(name+" rate", of, s.rate())
	a.add(name+" p50", of, s.p50())
	a.add(name+" p99", of, s.p99())
}

func runAdmission(ctx context.Context, o options) (measured, error) {
	s, err := startSite(ctx, o)
	if err != nil {
		return measured{}, err
	}
	defer s.stop()
	a := &admission{site: s, figures: figures{}}
	if err := a.rounds(ctx, "admission", a.round); err != nil {
		return measured{}, err
	}
	return a.report(), nil
}

// rounds measures both sides in each round, and begins with the other one each time.
func (a *admission) rounds(ctx context.Context, name string, round func(context.Context, side) error) error {
	o := a.options
	for i := range o.rounds {
		order := []side{native, portolan}
		if i%2 == 1 {
			slices.Reverse(order)
		}
		for _, of := range order {
			fmt.Fprintf(o.log, "%s: round %d of %d, %s\n", name, i+1, o.rounds, of)
			if err := round(ctx, of); err != nil {
				return fmt.Errorf("round %d, %s: %w", i+1, of, err)
			}
		}
	}
	return nil
}

func (a *admission) turn(ctx context.Context, to side) error {
	if to == native {
		return a.without(ctx)
	}
	return a.with(ctx)
}

// round measures one side of a round.
func (a *admission) round(ctx context.Context, of side) error {
	if err := a.turn(ctx, of); err != nil {
		return err
	}
	before, err := a.count(ctx)
	if err != nil {
		return err
	}
	if err := a.changes(ctx, of); err != nil {
		return fmt.Errorf("changes: %w", err)
	}
	for _, workers := range a.options.workers {
		if of == native {
			if err := a.bareClaims(ctx, workers); err != nil {
				return fmt.Errorf("bare claims: %w", err)
			}
		}
		if err := a.fill(ctx, of, workers); err != nil {
			return fmt.Errorf("fill by %d workers: %w", workers, err)
		}
	}
	after, err := a.count(ctx)
	if err != nil {
		return err
	}
	counted := after.since(before)
	a.add("calls", of, counted.calls)
	a.add("unanswered", of, counted.unanswered)
	return nil
}

// changes measures updates and refusals, on Services made for it. It also warms up what comes after.
func (a *admission) changes(ctx context.Context, of side) error {
	const workers = 8
	n := min(updatesMeasured, a.size()/2)
	if _, err := load(ctx, workers, n, a.create(corev1.ServiceTypeNodePort)); err != nil {
		return err
	}
	if _, err := a.awaitNumbers(ctx, n); err != nil {
		return err
	}
	first, err := a.services.CoreV1().Services(namespace).Get(ctx, serviceName(0), metav1.GetOptions{})
	if err != nil {
		return err
	}
	for _, m := range []struct {
		name    string
		request func(context.Context, int) error
	}{
		{"label", a.relabel},
		{"port", a.addPort},
		{"refusal", a.refused(first.Spec.Ports[0].NodePort)},
	} {
		s, err := load(ctx, workers, n, m.request)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		a.addSample(m.name, of, s)
	}
	made := make([]int, n)
	for i := range made {
		made[i] = i
	}
	return a.empty(ctx, of, "", workers, made)
}

// bareClaims measures bare claims. It is done without Portolan: a manager would see claims without Services.
func (a *admission) bareClaims(ctx context.Context, workers int) error {
	s, err := load(ctx, workers, a.size(), a.claim)
	if err != nil {
		return err
	}
	a.addSample(create(workers), bare, s)
	return a.dropClaims(ctx)
}

// fill creates Services until no number is free, and deletes them.
func (a *admission) fill(ctx context.Context, of side, workers int) error {
	requests, err := a.count(ctx)
	if err != nil {
		return err
	}
	before, err := a.servers.now()
	if err != nil {
		return err
	}
	name := create(workers)
	finish := a.profile(ctx, fmt.Sprintf("create-%d", workers))
	s, made, err := a.createUntilFull(ctx, workers)
	if err = finish(err); err != nil {
		return err
	}
	a.addSample(name, of, s)
	settled, err := a.awaitNumbers(ctx, a.size())
	if err != nil {
		return err
	}
	a.add(name+" bound after", of, settled.Seconds())
	after, err := a.servers.now()
	if err != nil {
		return err
	}
	for server, used := range after.since(before) {
		a.add(name+" CPU "+server, of, 1000*used/float64(a.size()))
	}
	if err := a.addRequests(ctx, name, of, requests, a.size()); err != nil {
		return err
	}
	return a.empty(ctx, of, name, workers, made)
}

// addRequests adds what the API server was asked since before, for each of so many creations.
func (a *admission) addRequests(ctx context.Context, name string, of side, before counters, creations int) error {
	now, err := a.count(ctx)
	for request, n := range now.since(before).requests {
		if each := n / float64(creations); each > 0.05 {
			a.add(name+" request "+request, of, each)
		}
	}
	return err
}

// createUntilFull creates Services until no number is free. It returns which it made: who comes last is not always
// who is refused.
func (a *admission) createUntilFull(ctx context.Context, workers int) (sample, []int, error) {
	const attempts = 2 // at a number, of which the last few fail
	created := make([]bool, attempts*a.size())
	request := a.create(corev1.ServiceTypeNodePort)
	s, err := load(ctx, workers, len(created), func(ctx context.Context, i int) error {
		err := request(ctx, i)
		created[i] = err == nil
		return err
	})
	var made []int
	for i, ok := range created {
		if ok {
			made = append(made, i)
		}
	}
	if err == nil && len(made) != a.size() {
		err = fmt.Errorf("%d Services were made of a range of %d numbers", len(made), a.size())
	}
	return s, made, err
}

// empty deletes Services and waits until their numbers are free.
func (a *admission) empty(ctx context.Context, of side, name string, workers int, made []int) error {
	s, err := load(ctx, workers, len(made), func(ctx context.Context, i int) error { return a.delete(ctx, made[i]) })
	if err != nil {
		return err
	}
	released, err := a.awaitNumbers(ctx, 0)
	if name != "" {
		a.addSample(name+" delete", of, s)
		a.add(name+" free after", of, released.Seconds())
	}
	return err
}

func (a *admission) size() int { return int(a.numbers.To-a.numbers.From) + 1 }

// create names the creations by a number of workers.
func create(workers int) string { return fmt.Sprintf("create/%d", workers) }
