package health

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
)

// world is Services on both loopback addresses.
type world struct {
	*testing.T
	*Services
	clock *testingclock.FakeClock
	stop  func()

	mu     sync.Mutex // guards failed
	failed []string
}

func newWorld(t *testing.T) *world {
	w := newIdleWorld(t)
	w.stop = background(t, w.Services.Run)
	until(t, "running", w.clock.HasWaiters)
	return w
}

// newIdleWorld asks for no port again by itself.
func newIdleWorld(t *testing.T) *world {
	w := &world{T: t, clock: testingclock.NewFakeClock(start)}
	w.Services = NewServices(ServicesOptions{
		Healthy: func() bool { return true },
		Failed: func(name types.NamespacedName, at netip.AddrPort, _ error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.failed = append(w.failed, fmt.Sprint(name, " ", at))
		},
		Log:   testr.New(t),
		Clock: w.clock,
	})
	w.Listen([]netip.Addr{localhost4, localhost6})
	t.Cleanup(w.Services.end)
	return w
}

// expect compares what is answered on a port of both addresses; 0: it is closed.
func (w *world) expect(what string, port uint16, ipv4, ipv6 int) {
	w.Helper()
	got := [2]int{code(netip.AddrPortFrom(localhost4, port), "/"), code(netip.AddrPortFrom(localhost6, port), "/")}
	if got != [2]int{ipv4, ipv6} {
		w.Errorf("%s: the answers are %v, want %d and %d", what, got, ipv4, ipv6)
	}
}

// settleAfter lets time pass, and ports that could not be had be asked for again.
func (w *world) settleAfter(d time.Duration) {
	w.clock.SetTime(w.clock.Now().Add(d))
	w.change(w.settleAll)
}

func (w *world) expectCounts(open, failing int) {
	w.Helper()
	if gotOpen, gotFailing := w.Counts(); gotOpen != open || gotFailing != failing {
		w.Errorf("%d are open and %d failing, want %d and %d", gotOpen, gotFailing, open, failing)
	}
}

func TestEachFamilyAnswersForItsOwnEndpoints(t *testing.T) {
	w, port := newWorld(t), freePort(t)
	w.Set(web, route.HealthCheck{Port: port, IPv4: 1})
	w.expect("IPv4", port, 200, 503)
	w.Set(web, route.HealthCheck{Port: port, IPv6: 1})
	w.expect("IPv6", port, 503, 200)
	w.Set(web, route.HealthCheck{Port: port})
	w.expect("none", port, 503, 503)
	w.expectCounts(2, 0)
}

func TestPortsOpenMoveAndCloseWithTheirServices(t *testing.T) {
	w, first, second := newWorld(t), freePort(t), freePort(t)
	w.Set(web, route.HealthCheck{})
	w.expectCounts(0, 0)
	w.Set(web, route.HealthCheck{Port: first, IPv4: 1, IPv6: 1})
	w.expect("open", first, 200, 200)
	w.Set(web, route.HealthCheck{Port: second, IPv4: 1, IPv6: 1})
	w.expect("moved away", first, 0, 0)
	w.expect("moved", second, 200, 200)
	w.Set(web, route.HealthCheck{})
	w.expect("closed", second, 0, 0)
	w.expectCounts(0, 0)
}

func TestPortsFollowTheAddresses(t *testing.T) {
	w, port := newWorld(t), freePort(t)
	w.Set(web, route.HealthCheck{Port: port, IPv4: 1, IPv6: 1})
	w.Listen([]netip.Addr{localhost4})
	w.expect("IPv4 only", port, 200, 0)
	w.Listen([]netip.Addr{netip.IPv4Unspecified(), netip.IPv6Unspecified()})
	w.expect("everywhere", port, 200, 200)
	w.Listen([]netip.Addr{localhost6})
	w.expect("IPv6 only", port, 0, 200)
	w.expectCounts(1, 0)
}

func TestAPortThatSomebodyElseHasIsTakenWhenItIsFree(t *testing.T) {
	w, port := newWorld(t), freePort(t)
	taken := netip.AddrPortFrom(localhost4, port)
	other := take(t, taken)
	w.Set(web, route.HealthCheck{Port: port, IPv4: 1, IPv6: 1})
	w.expectCounts(1, 1)
	if got := code(netip.AddrPortFrom(localhost6, port), "/"); got != 200 {
		t.Errorf("on the address where the port is free the answer is %d", got)
	}
	other.Close()
	w.clock.Step(RetryPeriod)
	until(t, "the port", func() bool {
		_, failing := w.Counts()
		return failing == 0
	})
	w.expect("free", port, 200, 200)
}

func TestAPortThatSomebodyElseHasIsToldOnceAfterAWhile(t *testing.T) {
	w, port := newIdleWorld(t), freePort(t)
	taken := netip.AddrPortFrom(localhost4, port)
	take(t, taken)
	w.Set(web, route.HealthCheck{Port: port})
	w.settleAfter(tellAfter - 1)
	if len(w.failed) > 0 {
		t.Errorf("at first: %q", w.failed)
	}
	for range 2 {
		w.settleAfter(1)
		if diff := cmp.Diff([]string{fmt.Sprint("shop/web ", taken)}, w.failed); diff != "" {
			t.Error(diff)
		}
	}
}

func TestOfVeryManyPortsThatSomebodyElseHasFewAreToldAtATime(t *testing.T) {
	w := newIdleWorld(t)
	w.Listen([]netip.Addr{localhost4})
	const all = tellAtOnce + 3
	for i := range all {
		port := freePort(t)
		take(t, netip.AddrPortFrom(localhost4, port))
		w.Set(types.NamespacedName{Namespace: "shop", Name: fmt.Sprint(i)}, route.HealthCheck{Port: port})
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{tellAfter, tellAtOnce}, {tellEvery - time.Second, tellAtOnce}, {2 * time.Second, tellAtOnce + 1}, {tellEvery, tellAtOnce + 2}, {tellEvery, all}, {tellEvery, all}} {
		w.settleAfter(step.after)
		if got := len(w.failed); got != step.want {
			t.Errorf("%d are told, want %d", got, step.want)
		}
	}
}

func TestAPortGoesFromOneServiceToTheNext(t *testing.T) {
	w, port := newWorld(t), freePort(t)
	w.Set(web, route.HealthCheck{Port: port, IPv4: 1})
	w.Set(api, route.HealthCheck{Port: port, IPv6: 1})
	w.expect("the first has it", port, 200, 503)
	w.expectCounts(2, 2)
	w.Set(web, route.HealthCheck{})
	w.expect("the next has it", port, 503, 200)
	w.expectCounts(2, 0)
}

func TestAtTheEndAllPortsAreClosedAndStayClosed(t *testing.T) {
	w, port := newWorld(t), freePort(t)
	w.Set(web, route.HealthCheck{Port: port, IPv4: 1, IPv6: 1})
	w.stop()
	w.expect("ended", port, 0, 0)
	w.Set(api, route.HealthCheck{Port: port, IPv4: 1, IPv6: 1})
	w.expect("after the end", port, 0, 0)
}

// Run it with -race.
func TestServicesMayBeSetAndAskedAtOnce(t *testing.T) {
	w := newWorld(t)
	var all sync.WaitGroup
	for i := range 4 {
		port, name := freePort(t), types.NamespacedName{Namespace: "shop", Name: fmt.Sprint(i)}
		all.Go(func() {
			for n := range 20 {
				w.Set(name, route.HealthCheck{Port: port, IPv4: n})
				code(netip.AddrPortFrom(localhost4, port), "/")
				w.Counts()
			}
			w.Set(name, route.HealthCheck{})
		})
	}
	all.Wait()
	w.expectCounts(0, 0)
}
