package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// churnRate is how many EndpointSlices are changed a second, where any are.
	churnRate    = 100
	churnWorkers = 16
)

// churn changes EndpointSlices of a population, each of a Service drawn by lot, until it is stopped.
type churn struct {
	population *population
	begun      time.Time
	end        context.CancelFunc
	changes    atomic.Int64
	workers    sync.WaitGroup

	mu  sync.Mutex // guards err
	err error
}

func (p *population) startChurn(ctx context.Context) *churn {
	c := &churn{population: p, begun: time.Now()}
	until, end := context.WithCancel(ctx)
	c.end = end
	due := make(chan struct{})
	c.workers.Go(func() { beat(until, time.Second/churnRate, due) })
	for range churnWorkers {
		c.workers.Go(func() {
			for range due {
				c.note(c.one(ctx))
			}
		})
	}
	return c
}

// beat says every period that something is due, until ctx ends; later, where all are busy.
func beat(ctx context.Context, period time.Duration, due chan<- struct{}) {
	defer close(due)
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			select {
			case due <- struct{}{}:
			case <-ctx.Done():
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// one replaces the first endpoint of a Service by another, that nobody had at first.
func (c *churn) one(ctx context.Context) error {
	p := c.population
	slice := p.slices(rand.IntN(p.services))[0]
	slice.Endpoints[0].Addresses[0] = endpointAddress(p.services*p.endpoints + rand.IntN(p.services)).String()
	_, err := p.api.DiscoveryV1().EndpointSlices(namespace).Update(ctx, slice, metav1.UpdateOptions{})
	return err
}

func (c *churn) note(err error) {
	c.changes.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = errors.Join(c.err, err)
}

// stop ends it and says how many changes there were a second.
func (c *churn) stop() (rate float64, err error) {
	rate = float64(c.changes.Load()) / time.Since(c.begun).Seconds()
	c.end()
	c.workers.Wait()
	return rate, c.err
}
