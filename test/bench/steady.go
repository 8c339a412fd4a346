package main

import (
	"context"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// steady is a client that opens a connection every steadyPeriod, whatever became of those before.
type steady struct {
	made, lost atomic.Int64
	end        context.CancelFunc
	workers    sync.WaitGroup

	mu  sync.Mutex // guards err
	err error
}

func startSteady(ctx context.Context, from *testnet.Host, to netip.AddrPort) *steady {
	s := &steady{}
	until, end := context.WithCancel(ctx)
	s.end = end
	due := make(chan struct{})
	s.workers.Go(func() { beat(until, steadyPeriod, due) })
	for range steadyWorkers {
		s.workers.Go(func() {
			err := from.Do(func() error {
				for range due {
					s.made.Add(1)
					if err := knock(to, steadyPatience); err != nil {
						s.lost.Add(1)
					}
				}
				return nil
			})
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.err == nil {
				s.err = err
			}
		})
	}
	return s
}

// stop ends it, and returns how many connections there were when all are answered or lost.
func (s *steady) stop() (made int64, err error) {
	time.Sleep(steadyLead) // so that what comes right after a restart is seen
	s.end()
	s.workers.Wait()
	return s.made.Load(), s.err
}
