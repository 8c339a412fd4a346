package nodeproxy

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"

	"github.com/portolan-dev/portolan/internal/nodeproxy/conntrack"
	"github.com/portolan-dev/portolan/internal/nodeproxy/metrics"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
)

// flowTable is the node's connection tracking; *conntrack.Table is one.
type flowTable interface {
	Delete(flows []conntrack.Flow) (conntrack.Counts, error)
	Cut(cut func(conntrack.Connection) bool) (conntrack.Counts, error)
}

// secondLook is how long after the first one flows are looked at again: a packet that met the table just before the
// change may have made an entry just after the first look.
const secondLook = time.Second

// sweeper has the kernel forget flows that lead where nothing serves any more. It does so beside the loop, which has the
// next change to make: a look takes milliseconds, and what fails here leaves the rules as right as they are.
//
// The loop asks, since it alone knows what serves; when it is time to look at a frontend once more, it is to ask again.
type sweeper struct {
	table   flowTable
	metrics *metrics.Metrics
	clock   clock.PassiveClock
	// again is called when there are frontends that are due.
	again func()
	// told is called with what has become of a look.
	told func(error)

	wake chan struct{}
	mu   sync.Mutex // guards all below
	// asked are the flows to look at, looked those that are looked at, and due the frontends to ask for once more; true:
	// for the second time.
	asked, looked map[route.Frontend]look
	due           map[route.Frontend]bool
	done          *sync.Cond // looked is empty again
}

// look is a flow to look at.
type look struct {
	conntrack.Flow
	second bool
}

func newSweeper(table flowTable, m *metrics.Metrics, c clock.PassiveClock, again func(), told func(error)) *sweeper {
	s := &sweeper{
		table: table, metrics: m, clock: c, again: again, told: told,
		wake:  make(chan struct{}, 1),
		asked: map[route.Frontend]look{},
		due:   map[route.Frontend]bool{},
	}
	s.done = sync.NewCond(&s.mu)
	return s
}

// ask has flows looked at. They belong to a table that the kernel has: else a flow's next packet would go the old way
// again.
func (s *sweeper) ask(looks map[route.Frontend]look) {
	if len(looks) == 0 {
		return
	}
	s.mu.Lock()
	maps.Copy(s.asked, looks)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// meet is called before the kernel has a change, and says what a frontend's flow is with it. A look that knows nothing of
// an endpoint that is to come would take its first flows for stale, and their answers would be lost. So one that is yet to
// begin learns of it, and one under way is waited for.
func (s *sweeper) meet(now func(route.Frontend) conntrack.Flow) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for f, l := range s.asked {
		s.asked[f] = look{now(f), l.second}
	}
	for s.mistakes(now) {
		s.done.Wait()
	}
}

// mistakes says whether a look is under way that would take for stale what is about to serve.
func (s *sweeper) mistakes(now func(route.Frontend) conntrack.Flow) bool {
	for f, l := range s.looked {
		for _, endpoint := range now(f).Serving {
			if !slices.Contains(l.Serving, endpoint) {
				return true
			}
		}
	}
	return false
}

// takeDue hands out the frontends to ask for once more, and for which it is the second time.
func (s *sweeper) takeDue() map[route.Frontend]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	due := s.due
	s.due = map[route.Frontend]bool{}
	return due
}

// run looks until ctx ends.
func (s *sweeper) run(ctx context.Context) {
	backoff := newBackoff()
	for {
		select {
		case <-s.wake:
		case <-ctx.Done():
			return
		}
		s.mu.Lock()
		asked := s.asked
		s.asked, s.looked = map[route.Frontend]look{}, asked
		s.mu.Unlock()
		err := s.sweep(asked)
		s.mu.Lock()
		s.looked = nil
		s.done.Broadcast()
		s.mu.Unlock()
		s.told(err)
		if err == nil {
			backoff = newBackoff()
		}
		s.schedule(asked, err, backoff)
	}
}

// schedule has the frontends asked for once more for which that was the first look, or one that failed.
func (s *sweeper) schedule(asked map[route.Frontend]look, err error, backoff *wait.Backoff) {
	after := secondLook
	if err != nil {
		after = backoff.Step()
	} else {
		maps.DeleteFunc(asked, func(_ route.Frontend, l look) bool { return l.second })
	}
	if len(asked) == 0 {
		return
	}
	time.AfterFunc(after, func() {
		s.mu.Lock()
		for f := range asked {
			s.due[f] = err == nil
		}
		s.mu.Unlock()
		s.again()
	})
}

// sweep looks at flows once.
func (s *sweeper) sweep(asked map[route.Frontend]look) error {
	flows := make([]conntrack.Flow, 0, len(asked))
	touched := map[nft.Family]bool{}
	for f, l := range asked {
		flows = append(flows, l.Flow)
		touched[f.Family] = true
	}
	started := s.clock.Now()
	deleted, err := s.table.Delete(flows)
	for family := range touched {
		s.metrics.FlowsDeleted(families[family], s.clock.Since(started), byProtocol(deleted, family))
	}
	return err
}

var families = map[nft.Family]corev1.IPFamily{nft.IPv4: corev1.IPv4Protocol, nft.IPv6: corev1.IPv6Protocol}

// byProtocol are the counts of a family.
func byProtocol(counts conntrack.Counts, family nft.Family) map[corev1.Protocol]int {
	of := map[corev1.Protocol]int{}
	for kind, n := range counts {
		if kind.IPv6 == (family == nft.IPv6) {
			of[corev1.Protocol(nft.Protocol(kind.Protocol).Name())] = n
		}
	}
	return of
}

// sweep has the sweeper look at what the kernel's last change, and those before it that failed, make out of date.
func (a *Agent) sweep(second map[route.Frontend]bool) {
	looks := make(map[route.Frontend]look, len(a.programmer.flows))
	for front, f := range a.programmer.flows {
		looks[front] = look{Flow: a.flow(f), second: second[front]}
	}
	clear(a.programmer.flows)
	a.sweeper.ask(looks)
}

// flow is a flow with the addresses that a node port has here.
func (a *Agent) flow(f route.Flow) conntrack.Flow {
	c := conntrack.Flow{Protocol: conntrack.Protocol(f.Protocol), Port: f.Port, Serving: f.Serving, Gone: f.Gone}
	if !f.NodePort() {
		c.Addresses = []netip.Addr{f.Addr}
		return c
	}
	for _, ip := range a.view.Network.NodePortIPs {
		if nft.FamilyOf(ip) == f.Family {
			c.Addresses = append(c.Addresses, ip)
		}
	}
	return c
}

func (a *Agent) newSweeper(table flowTable) *sweeper {
	return newSweeper(table, a.metrics, a.clock, a.tracker.Wake, a.swept)
}

// swept tells what has become of a look at flows.
func (a *Agent) swept(err error) {
	if err != nil {
		a.log.Error(err, "Flows to what has gone may be left, it is tried again")
	}
	a.publish(func(now *Status) { now.FlowFailure = err })
}
