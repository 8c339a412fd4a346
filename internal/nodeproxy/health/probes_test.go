package health

import (
	"net/netip"
	"testing"
	"time"

	"github.com/go-logr/logr/testr"
	testingclock "k8s.io/utils/clock/testing"
)

func TestProbesWaitForAPortThatSomebodyElseHas(t *testing.T) {
	at := netip.AddrPortFrom(localhost4, freePort(t))
	other := take(t, at)
	clock := testingclock.NewFakeClock(start)
	stop := background(t, Probes{Address: at.String(), Proxy: NewProxy(time.Minute, nil, clock), Eligible: func() bool { return true }, Log: testr.New(t), Clock: clock}.Run)
	until(t, "waiting", clock.HasWaiters)
	other.Close()
	until(t, "the port", func() bool {
		clock.Step(RetryPeriod)
		return code(at, "/healthz") == 200
	})
	stop()
	if got := code(at, "/healthz"); got != 0 {
		t.Errorf("after the end the answer is %d", got)
	}
}
