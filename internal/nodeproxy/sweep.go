package nodeproxy

import (
	"context"
	"errors"
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

// sweeper has the kernel forget flows that lead where nothing serves any more, and connections of those who may no longer
// reach a node port. It does so beside the loop, which has the next change to make: a look takes milliseconds, and seconds
// where there are millions of entries, and what fails here leaves the rules as right as they are.
//
// The loop asks, since it alone knows what serves, and who may reach what; when it is time to look once more, it is to ask
// again.
type sweeper struct {
	table   flowTable
	metrics *metrics.Metrics
	clock   clock.PassiveClock
	// again is called when something is due.
	again func()
	// told is called with what has become of a look, and how many connections it has cut.
	told func(cut int, err error)

	wake chan struct{}
	mu   sync.Mutex // guards all below
	// asked are to be looked at, looked are, and due are to be asked for once more.
	asked, looked looks
	due           due
	done          *sync.Cond // looked.flows is empty again
}

// looks are what to look at.
type looks struct {
	flows map[route.Frontend]look
	gates map[nft.Port]gate
}

func newLooks() looks { return looks{map[route.Frontend]look{}, map[nft.Port]gate{}} }

// due are what to look at once more; true: for the second time.
type due struct {
	flows map[route.Frontend]bool
	gates map[nft.Port]bool
}

func newDue() due { return due{map[route.Frontend]bool{}, map[nft.Port]bool{}} }

// look is a flow to look at.
type look struct {
	conntrack.Flow
	second bool
}

func newSweeper(table flowTable, m *metrics.Metrics, c clock.PassiveClock, again func(), told func(int, error)) *sweeper {
	s := &sweeper{
		table: table, metrics: m, clock: c, again: again, told: told,
		wake:  make(chan struct{}, 1),
		asked: newLooks(),
		due:   newDue(),
	}
	s.done = sync.NewCond(&s.mu)
	return s
}

// ask has flows, and connections to ports, looked at. They belong to a table that the kernel has: else a flow's next packet
// would go the old way again.
func (s *sweeper) ask(l looks) {
	if len(l.flows)+len(l.gates) == 0 {
		return
	}
	s.mu.Lock()
	maps.Copy(s.asked.flows, l.flows)
	maps.Copy(s.asked.gates, l.gates)
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// meet is called before the kernel has a change, and says what a frontend's flow and a port's gate are with it. A look that
// knows nothing of an endpoint that is to come would take its first flows for stale, and their answers would be lost. So one
// that is yet to begin learns of it, and one under way is waited for. Of a gate it learns while it is under way.
func (s *sweeper) meet(flow func(route.Frontend) conntrack.Flow, gate func(nft.Port) gate) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for f, l := range s.asked.flows {
		s.asked.flows[f] = look{flow(f), l.second}
	}
	for _, l := range []looks{s.asked, s.looked} {
		for port, g := range l.gates {
			l.gates[port] = gate(port).at(g.second)
		}
	}
	for s.mistakes(flow) {
		s.done.Wait()
	}
}

// mistakes says whether a look is under way that would take for stale what is about to serve.
func (s *sweeper) mistakes(now func(route.Frontend) conntrack.Flow) bool {
	for f, l := range s.looked.flows {
		for _, endpoint := range now(f).Serving {
			if !slices.Contains(l.Serving, endpoint) {
				return true
			}
		}
	}
	return false
}

// takeDue hands out what to ask for once more.
func (s *sweeper) takeDue() due {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := s.due
	s.due = newDue()
	return taken
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
		s.asked, s.looked = newLooks(), asked
		s.mu.Unlock()
		err := s.sweep(asked.flows)
		s.mu.Lock()
		s.looked.flows = nil
		s.done.Broadcast()
		s.mu.Unlock()
		cut, failed := s.cut()
		s.mu.Lock()
		s.looked.gates = nil
		s.mu.Unlock()
		err = errors.Join(err, failed)
		s.told(cut, err)
		if err == nil {
			backoff = newBackoff()
		}
		s.schedule(asked, err, backoff)
	}
}

// schedule has asked for once more what was looked at for the first time, or in vain.
func (s *sweeper) schedule(asked looks, err error, backoff *wait.Backoff) {
	after := secondLook
	if err != nil {
		after = backoff.Step()
	} else {
		maps.DeleteFunc(asked.flows, func(_ route.Frontend, l look) bool { return l.second })
		maps.DeleteFunc(asked.gates, func(_ nft.Port, g gate) bool { return g.second })
	}
	if len(asked.flows)+len(asked.gates) == 0 {
		return
	}
	time.AfterFunc(after, func() {
		s.mu.Lock()
		for f := range asked.flows {
			s.due.flows[f] = err == nil
		}
		for port := range asked.gates {
			s.due.gates[port] = err == nil
		}
		s.mu.Unlock()
		s.again()
	})
}

// sweep looks at flows once.
func (s *sweeper) sweep(asked map[route.Frontend]look) error {
	if len(asked) == 0 {
		return nil
	}
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
	l := newLooks()
	for front, f := range a.programmer.flows {
		l.flows[front] = look{Flow: a.flow(f), second: second[front]}
	}
	for port, second := range a.guardian.narrowed {
		l.gates[port] = a.gate(port).at(second)
	}
	clear(a.programmer.flows)
	clear(a.guardian.narrowed)
	a.sweeper.ask(l)
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

// swept tells what has become of a look.
func (a *Agent) swept(cut int, err error) {
	if cut > 0 {
		a.log.Info("Cut connections of those who may no longer reach a node port", "connections", cut)
	}
	if isNews(a.Status().FlowFailure, err) {
		a.log.Error(err, "Flows to what has gone, or connections of those who may no longer reach a node port, may be left, it is tried again")
	}
	a.publish(func(now *Status) { now.FlowFailure = err })
}
