package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// errDone, returned by a request, ends a load without an error: no more requests are made, those under way count if
// they succeed.
var errDone = errors.New("nothing is left to do")

// sample is what a load has found.
type sample struct {
	latencies []time.Duration // sorted
	elapsed   time.Duration
}

func (s sample) rate() float64 { return float64(len(s.latencies)) / s.elapsed.Seconds() }
func (s sample) p50() float64  { return milliseconds(quantile(s.latencies, 0.5)) }
func (s sample) p99() float64  { return milliseconds(quantile(s.latencies, 0.99)) }

// load makes requests 0 to n-1 by this many workers: each makes its next request when its last one is answered.
func load(ctx context.Context, workers, n int, request func(ctx context.Context, i int) error) (sample, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var done atomic.Bool
	var next atomic.Int64
	found := make([][]time.Duration, workers)
	var wg sync.WaitGroup
	start := time.Now()
	for w := range workers {
		wg.Go(func() {
			for ctx.Err() == nil && !done.Load() {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				began := time.Now()
				err := request(ctx, i)
				if errors.Is(err, errDone) {
					done.Store(true)
					return
				}
				if err != nil {
					cancel(err)
					return
				}
				found[w] = append(found[w], time.Since(began))
			}
		})
	}
	wg.Wait()
	s := sample{elapsed: time.Since(start), latencies: slices.Concat(found...)}
	slices.Sort(s.latencies)
	return s, context.Cause(ctx)
}
