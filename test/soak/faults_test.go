package soak

import (
	"context"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"
)

// The kinds of faults.
const (
	killOne       = "kill a manager"
	pauseOne      = "pause a manager for longer than its lease"
	killAll       = "kill all managers"
	keepBack      = "keep lists and leases back"
	killAPIServer = "kill the API server"
	killEtcd      = "kill etcd"
	cut           = "cut connections"
	stall         = "stall connections"
	delay         = "delay connections"
	wrong         = "answer " // and what
)

// fault breaks something for a while, and mends it. What it draws it draws before it waits for anything, so that the seed
// alone says what comes after what.
type fault func(ctx context.Context, random *rand.Rand)

// lanes are the faults that come one after the other; one of each lane may be there at a time.
func (s *site) lanes(d *drill) [][]fault {
	processes := []fault{s.killManager, s.pauseManager, s.killAPIServer, s.killEtcd, func(ctx context.Context, _ *rand.Rand) {
		s.quiet.Lock()
		defer s.quiet.Unlock()
		d.run(ctx)
	}}
	beside := func(f fault) fault {
		return func(ctx context.Context, random *rand.Rand) {
			s.quiet.RLock()
			defer s.quiet.RUnlock()
			f(ctx, random)
		}
	}
	var connections []fault
	for _, how := range []struct {
		name   string
		broken state
		atMost time.Duration
	}{
		{cut, state{cut: true}, 1500 * time.Millisecond},
		{stall, state{stalled: true}, 2500 * time.Millisecond},
		{delay, state{delay: 60 * time.Millisecond}, 4 * time.Second},
	} {
		connections = append(connections, beside(func(ctx context.Context, random *rand.Rand) {
			name, l := s.someLink(random)
			lasts := upTo(random, how.atMost)
			s.fault(how.name, name, " for ", lasts.Round(time.Millisecond))
			l.set(how.broken)
			pause(ctx, lasts)
			l.set(state{})
		}))
	}
	answers := []fault{beside(s.wrongAnswers), func(ctx context.Context, random *rand.Rand) { pause(ctx, upTo(random, 4*time.Second)) }}
	return [][]fault{processes, connections, answers}
}

// breakAll runs the lanes until ctx is done, and mends all.
func (s *site) breakAll(ctx context.Context, lanes [][]fault) {
	var all sync.WaitGroup
	for i, faults := range lanes {
		all.Go(func() { s.breakOne(ctx, faults, rand.New(rand.NewPCG(s.seed, uint64(1000+i)))) })
	}
	all.Wait()
}

// breakOne runs the faults of a lane, all of them in each round, in an order of its own.
func (s *site) breakOne(ctx context.Context, faults []fault, random *rand.Rand) {
	for ctx.Err() == nil {
		for _, i := range random.Perm(len(faults)) {
			draws := rand.New(rand.NewPCG(random.Uint64(), 0))
			if !pause(ctx, upTo(random, 800*time.Millisecond)) {
				return
			}
			faults[i](ctx, draws)
		}
	}
}

// upTo is a time at random.
func upTo(random *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(random.Int64N(int64(most)))
}

func (s *site) someManager(random *rand.Rand) *manager {
	return s.managers[random.IntN(len(s.managers))]
}

func (s *site) killManager(ctx context.Context, random *rand.Rand) {
	m, away := s.someManager(random), upTo(random, 2*time.Second)
	s.fault(killOne, m.name)
	m.kill()
	pause(ctx, away)
	m.revive()
}

// pauseManager is how a lease's clock jumps: a leader wakes up, and its lease is another's.
func (s *site) pauseManager(ctx context.Context, random *rand.Rand) {
	m, away := s.someManager(random), leaseDuration+upTo(random, 2*time.Second)
	s.fault(pauseOne, m.name)
	m.signal(syscall.SIGSTOP)
	pause(ctx, away)
	m.signal(syscall.SIGCONT)
}

func (s *site) killAPIServer(ctx context.Context, random *rand.Rand) {
	away := upTo(random, time.Second)
	s.fault(killAPIServer)
	s.KillAPIServer()
	pause(ctx, away)
	s.back(s.StartAPIServer)
}

func (s *site) killEtcd(ctx context.Context, random *rand.Rand) {
	away := upTo(random, time.Second)
	s.fault(killEtcd)
	s.KillEtcd()
	pause(ctx, away)
	s.back(s.StartEtcd)
}

// back starts a part of the control plane again, also when the time is over.
func (s *site) back(start func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := start(ctx); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lame = err
	}
}

// someLink is one of all links.
func (s *site) someLink(random *rand.Rand) (name string, l *link) {
	m := s.someManager(random)
	switch random.IntN(4) {
	case 0:
		return "API server to etcd", s.etcd
	case 1:
		return "clients to API server", s.users
	case 2:
		return m.name + " to API server", m.gate.link
	}
	return "API server to " + m.name, m.webhooks
}

// wrongAnswers has one manager, or all of them, answered wrongly for a while.
func (s *site) wrongAnswers(ctx context.Context, random *rand.Rand) {
	some := s.managers
	if random.IntN(2) == 0 {
		some = []*manager{s.someManager(random)}
	}
	part, lasts := 0.1+0.3*random.Float64(), time.Second+upTo(random, 2*time.Second)
	for _, m := range some {
		m.gate.answerWrongly(part)
	}
	pause(ctx, lasts)
	for _, m := range some {
		m.gate.answerWrongly(0)
	}
}
