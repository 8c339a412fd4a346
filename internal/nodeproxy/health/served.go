package health

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
)

// served is a Service with a healthCheckNodePort.
type served struct {
	name  types.NamespacedName
	check route.HealthCheck
	// open has a serving for each address at which the port is; failing has those at which it could not be had.
	open    map[netip.Addr]*serving
	failing map[netip.Addr]failing
}

// failing is since when a port cannot be had, and whether Failed was told.
type failing struct {
	since time.Time
	told  bool
}

// failure is what there is to say of a port that cannot be had: to the log, to Failed, or to both.
type failure struct {
	name           types.NamespacedName
	at             netip.AddrPort
	err            error
	begun, lasting bool
}

func newServed(name types.NamespacedName, check route.HealthCheck) *served {
	return &served{name: name, check: check, open: map[netip.Addr]*serving{}, failing: map[netip.Addr]failing{}}
}

// closeOthers closes the port at all addresses but these.
func (s *served) closeOthers(addresses []netip.Addr) {
	for ip, serving := range s.open {
		if !slices.Contains(addresses, ip) {
			serving.close()
			delete(s.open, ip)
		}
	}
	for ip := range s.failing {
		if !slices.Contains(addresses, ip) {
			delete(s.failing, ip)
		}
	}
}

// openAt opens the port at addresses where it is not open. It returns where that fails.
func (s *served) openAt(addresses []netip.Addr, handler func(netip.Addr) http.Handler) []failure {
	var failures []failure
	for _, ip := range addresses {
		if s.open[ip] != nil {
			continue
		}
		at := netip.AddrPortFrom(ip, s.check.Port)
		listener, err := listen(at)
		if err != nil {
			failures = append(failures, failure{name: s.name, at: at, err: err})
			continue
		}
		s.open[ip] = serve(listener, handler(ip))
		delete(s.failing, ip)
	}
	return failures
}

func listen(at netip.AddrPort) (net.Listener, error) {
	network := "tcp6" // without what is IPv4 in IPv6, so that [::] and 0.0.0.0 are two
	if at.Addr().Is4() {
		network = "tcp4"
	}
	return net.Listen(network, at.String())
}
