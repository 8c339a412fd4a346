package health

import (
	"net/netip"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/google/go-cmp/cmp"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
)

func TestAnswersAreThoseOfKubeProxy(t *testing.T) {
	clock := testingclock.NewFakeClock(start)
	proxy := NewProxy(time.Minute, nil, clock)
	var leaving atomic.Bool
	probes := netip.AddrPortFrom(localhost4, freePort(t))
	background(t, Probes{Address: probes.String(), Proxy: proxy, Eligible: func() bool { return !leaving.Load() }, Log: testr.New(t), Clock: clock}.Run)
	services := NewServices(ServicesOptions{Healthy: proxy.Healthy, Log: testr.New(t), Clock: clock})
	background(t, services.Run)
	port := freePort(t)
	services.Listen([]netip.Addr{localhost4})
	services.Set(web, route.HealthCheck{Port: port})
	until(t, "probes", func() bool { return code(probes, "/livez") != 0 })

	want := recorded(t)
	compare := func(what string, at netip.AddrPort, path string) {
		t.Helper()
		if diff := cmp.Diff(want[what], answer(t, at, path)); diff != "" {
			t.Errorf("%s:\n%s", what, diff)
		}
		delete(want, what)
	}
	service := netip.AddrPortFrom(localhost4, port)
	compare("healthz", probes, "/healthz")
	compare("livez", probes, "/livez")
	compare("service without endpoint", service, "/")
	services.Set(web, route.HealthCheck{Port: port, IPv4: 2})
	compare("service with 2 endpoints", service, "/")
	leaving.Store(true)
	compare("healthz, leaving", probes, "/healthz")
	compare("livez, leaving", probes, "/livez")
	compare("service with 2 endpoints, leaving", service, "/")
	leaving.Store(false)
	proxy.Queued(clock.Now())
	clock.Step(time.Minute)
	compare("healthz, stale", probes, "/healthz")
	compare("livez, stale", probes, "/livez")
	compare("service with 2 endpoints, stale", service, "/")
	delete(want, "")
	for what := range want {
		t.Errorf("%s: nobody compared it", what)
	}
}
