package health

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/flowcontrol"
	"k8s.io/utils/clock"

	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
)

// ServicesOptions are what Services need.
type ServicesOptions struct {
	// Healthy says whether this proxy keeps up: one that does not has no endpoints to offer.
	Healthy func() bool
	// Failed is told once of each port that could not be had on an address for two minutes: for less, kube-proxy may have
	// it, which is about to go, or the proxy before this one. Of very many ports it is told one after the other, one in
	// six minutes, and of no more than ten at a time. nil: only the log is told, and at once. It is called by whoever calls
	// a method.
	Failed func(name types.NamespacedName, at netip.AddrPort, err error)
	Log    logr.Logger
	Clock  clock.WithTicker
}

const (
	// tellAfter is how long a port fails until Failed is told.
	tellAfter = 2 * time.Minute
	// tellAtOnce is of how many it is told at a time, and tellEvery how soon of a further one. Each may be an event, and
	// there may be thousands of Services on thousands of nodes.
	tellAtOnce = 10
	tellEvery  = 6 * time.Minute
)

// Services answer on the healthCheckNodePorts of Services: 200 where this node has a ready endpoint of the address's
// family and the proxy keeps up, else 503. Where a Service has no cluster IP of a family they say 503 too, while
// kube-proxy has no port open.
type Services struct {
	options ServicesOptions

	mu        sync.RWMutex // guards what follows
	addresses []netip.Addr
	services  map[types.NamespacedName]*served
	ended     bool
	telling   flowcontrol.PassiveRateLimiter
}

// NewServices makes Services that have no address to listen on yet.
func NewServices(o ServicesOptions) *Services {
	return &Services{
		options:  o,
		services: map[types.NamespacedName]*served{},
		telling:  flowcontrol.NewTokenBucketPassiveRateLimiterWithClock(float32(1/tellEvery.Seconds()), tellAtOnce, o.Clock),
	}
}

// Run asks again for ports that could not be had, until ctx ends. Then it closes all, and none is opened any more.
func (s *Services) Run(ctx context.Context) {
	retry := s.options.Clock.NewTicker(RetryPeriod)
	defer retry.Stop()
	for {
		select {
		case <-ctx.Done():
			s.end()
			return
		case <-retry.C():
			s.change(s.settleAll)
		}
	}
}

// Listen says on which addresses the ports are to be: the unspecified one of a family is all of it.
func (s *Services) Listen(addresses []netip.Addr) {
	s.change(func() []failure {
		s.addresses = slices.Clone(addresses)
		return s.settleAll()
	})
}

// Set says what is to be answered for a Service; without a port, nothing is.
func (s *Services) Set(name types.NamespacedName, check route.HealthCheck) {
	s.mu.RLock()
	_, known := s.services[name]
	s.mu.RUnlock()
	if known || check.Port != 0 {
		s.change(func() []failure { return s.set(name, check) })
	}
}

func (s *Services) set(name types.NamespacedName, check route.HealthCheck) []failure {
	svc := s.services[name]
	if svc != nil && svc.check.Port == check.Port {
		svc.check = check
		return nil
	}
	var failures []failure
	if svc != nil {
		svc.closeOthers(nil)
		delete(s.services, name)
		failures = s.settleAll() // another one may have waited for its port
	}
	if check.Port != 0 {
		s.services[name] = newServed(name, check)
		failures = append(failures, s.settle(s.services[name])...)
	}
	return failures
}

// Counts are how many ports are open, and how many could not be had; a port on two addresses is two.
func (s *Services) Counts() (open, failing int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, svc := range s.services {
		open += len(svc.open)
		failing += len(svc.failing)
	}
	return open, failing
}

// change changes what is guarded, and then tells of what has failed.
func (s *Services) change(f func() []failure) {
	s.mu.Lock()
	var failures []failure
	if !s.ended {
		failures = f()
	}
	s.mu.Unlock()
	for _, f := range failures {
		if f.begun {
			s.options.Log.Error(f.err, "Cannot serve a healthCheckNodePort; trying again", "service", f.name, "address", f.at)
		}
		if f.lasting && s.options.Failed != nil {
			s.options.Failed(f.name, f.at, f.err)
		}
	}
}

// settleAll closes what is not to be open any more, then opens what is to be.
func (s *Services) settleAll() []failure {
	var failures []failure
	for _, svc := range s.services {
		svc.closeOthers(s.addresses)
	}
	for _, svc := range s.services {
		failures = append(failures, s.settle(svc)...)
	}
	return failures
}

// settle opens what is to be open of a Service. It returns what is new of what fails.
func (s *Services) settle(svc *served) []failure {
	var news []failure
	for _, f := range svc.openAt(s.addresses, func(ip netip.Addr) http.Handler { return s.handler(svc.name, ip.Is4()) }) {
		if s.note(svc, &f); f.begun || f.lasting {
			news = append(news, f)
		}
	}
	return news
}

// note says what is new of a failure.
func (s *Services) note(svc *served, f *failure) {
	now := s.options.Clock.Now()
	is, known := svc.failing[f.at.Addr()]
	if !known {
		f.begun, is.since = true, now
	}
	if !is.told && now.Sub(is.since) >= tellAfter && s.telling.TryAccept() {
		f.lasting, is.told = true, true
	}
	svc.failing[f.at.Addr()] = is
}

func (s *Services) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for _, svc := range s.services {
		svc.closeOthers(nil)
	}
	clear(s.services)
}

// handler answers for a Service in one family.
func (s *Services) handler(name types.NamespacedName, ipv4 bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		endpoints, healthy := s.endpoints(name, ipv4), s.options.Healthy()
		code := http.StatusServiceUnavailable
		if endpoints > 0 && healthy {
			code = http.StatusOK
		}
		w.Header().Set("X-Load-Balancing-Endpoint-Weight", strconv.Itoa(endpoints))
		writeJSON(w, code, fmt.Appendf(nil, body, name.Namespace, name.Name, endpoints, healthy))
	})
}

// body is kube-proxy's, to the last tab.
const body = `{
	"service": {
		"namespace": %q,
		"name": %q
	},
	"localEndpoints": %d,
	"serviceProxyHealthy": %v
}`

// endpoints are how many ready ones of a Service this node has in a family.
func (s *Services) endpoints(name types.NamespacedName, ipv4 bool) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	svc, ok := s.services[name]
	switch {
	case !ok:
		return 0
	case ipv4:
		return svc.check.IPv4
	default:
		return svc.check.IPv6
	}
}
