package health

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"

	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
)

// ServicesOptions are what Services need.
type ServicesOptions struct {
	// Healthy says whether this proxy keeps up: one that does not has no endpoints to offer.
	Healthy func() bool
	// Failed is told once of each port that cannot be had on an address. nil: only the log is. It is called by whoever
	// calls a method.
	Failed func(name types.NamespacedName, at netip.AddrPort, err error)
	Log    logr.Logger
	Clock  clock.WithTicker
}

// Services answer on the healthCheckNodePorts of Services: 200 where this node has a ready endpoint of the address's
// family and the proxy keeps up, else 503. Where a Service has no cluster IP of a family they say 503 too, while
// kube-proxy has no port open.
type Services struct {
	options ServicesOptions

	mu        sync.RWMutex // guards what follows
	addresses []netip.Addr
	services  map[types.NamespacedName]*served
	ended     bool
}

// NewServices makes Services that have no address to listen on yet.
func NewServices(o ServicesOptions) *Services {
	return &Services{options: o, services: map[types.NamespacedName]*served{}}
}

// Run asks again for ports that could not be had, until ctx ends. Then it closes all, and none is opened any more.
func (s *Services) Run(ctx context.Context) {
	retry := s.options.Clock.NewTicker(retryPeriod)
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
		s.options.Log.Error(f.err, "Cannot serve a healthCheckNodePort; trying again", "service", f.name, "address", f.at)
		if s.options.Failed != nil {
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

// settle opens what is to be open of a Service.
func (s *Services) settle(svc *served) []failure {
	return svc.openAt(s.addresses, func(ip netip.Addr) http.Handler { return s.handler(svc.name, ip.Is4()) })
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
