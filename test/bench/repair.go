package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const (
	// repairEvery is how often the manager repairs where that is measured; long enough to tell one from the next.
	repairEvery = 10 * time.Second
	// repairsCounted is over how many repairs CPU time is taken.
	repairsCounted = 3
	// repairOver is how long nothing is looked at when a repair is over.
	repairOver = 2 * time.Second
)

// repair measures a full repair of a manager that does nothing else.
func (m *managed) repair(ctx context.Context) error {
	m.stopManager()
	metrics, err := freeAddress()
	if err != nil {
		return err
	}
	if err := m.startManager(ctx, "--repair-every="+repairEvery.String(), "--metrics-secure=false", "--metrics-bind-address="+metrics); err != nil {
		return err
	}
	looked := func() (float64, error) { return reconciled(ctx, "http://"+metrics+"/metrics", "nodeportallocation") }
	if _, _, err := awaitStill(ctx, looked); err != nil {
		return err
	}
	took, numbers, err := burst(ctx, looked)
	if err != nil {
		return err
	}
	if int(numbers) < m.census.numbers {
		return fmt.Errorf("%.0f numbers were looked at, of %d", numbers, m.census.numbers)
	}
	m.add("repair", portolan, took.Seconds())
	before, err := m.servers.now()
	if err := errors.Join(err, pause(ctx, repairsCounted*repairEvery)); err != nil { // and nobody reads the metrics
		return err
	}
	after, err := m.servers.now()
	each := after.since(before)["manager"] / repairsCounted
	m.add("repair CPU", portolan, each)
	fmt.Fprintf(m.options.log, "  a full repair: %.0f numbers in %.2f s, %.2f s of CPU time\n", numbers, took.Seconds(), each)
	return err
}

// reconciled is how often a controller has looked at something.
func reconciled(ctx context.Context, url, controller string) (float64, error) {
	text, err := get(ctx, url)
	if err != nil {
		return 0, err
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return 0, err
	}
	total := 0.0
	for _, metric := range families["controller_runtime_reconcile_total"].GetMetric() {
		if label(metric, "controller") == controller {
			total += metric.GetCounter().GetValue()
		}
	}
	return total, nil
}

// burst waits until a counter begins to count, and returns how long it goes on and how much it counts.
func burst(ctx context.Context, count func() (float64, error)) (took time.Duration, counted float64, err error) {
	first, err := count()
	for began := time.Now(); err == nil; {
		asked := time.Now()
		now, failure := count()
		if now != first && failure == nil {
			ended, total, err := awaitStill(ctx, count)
			return ended.Sub(began), total - first, err
		}
		began, err = asked, errors.Join(failure, pause(ctx, 10*time.Millisecond))
	}
	return 0, 0, err
}

// awaitStill waits until a counter has stood still for repairOver, and returns since when, and at what.
func awaitStill(ctx context.Context, count func() (float64, error)) (since time.Time, total float64, err error) {
	for since = time.Now(); time.Since(since) < repairOver; {
		now, err := count()
		if err := errors.Join(err, pause(ctx, 10*time.Millisecond)); err != nil {
			return since, total, err
		}
		if now != total {
			since, total = time.Now(), now
		}
	}
	return since, total, nil
}
