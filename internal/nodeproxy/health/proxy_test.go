package health

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	testingclock "k8s.io/utils/clock/testing"
)

func TestAProxyKeepsUpUnlessAChangeWaitsForItsTimeout(t *testing.T) {
	for _, tc := range []struct {
		name string
		do   func(p *Proxy, waiting *time.Time, c *testingclock.FakeClock)
		want bool
	}{
		{"at the start, for however long", func(_ *Proxy, _ *time.Time, c *testingclock.FakeClock) { c.Step(time.Hour) }, true},
		{"queued for a while", func(p *Proxy, _ *time.Time, c *testingclock.FakeClock) {
			p.Queued(c.Now())
			c.Step(59 * time.Second)
		}, true},
		{"queued for long", func(p *Proxy, _ *time.Time, c *testingclock.FakeClock) {
			p.Queued(c.Now())
			c.Step(time.Minute)
		}, false},
		{"queued for long, others after it", func(p *Proxy, _ *time.Time, c *testingclock.FakeClock) {
			p.Queued(c.Now())
			c.Step(time.Minute)
			p.Queued(c.Now())
		}, false},
		{"queued late", func(p *Proxy, _ *time.Time, c *testingclock.FakeClock) { p.Queued(c.Now().Add(-time.Minute)) }, false},
		{"updated in the end", func(p *Proxy, _ *time.Time, c *testingclock.FakeClock) {
			p.Queued(c.Now())
			c.Step(time.Hour)
			p.Updated()
			c.Step(time.Hour)
		}, true},
		{"waiting for long", func(_ *Proxy, waiting *time.Time, c *testingclock.FakeClock) {
			*waiting = c.Now()
			c.Step(time.Minute)
		}, false},
		{"waiting for a while, others updated", func(p *Proxy, waiting *time.Time, c *testingclock.FakeClock) {
			p.Queued(c.Now())
			c.Step(time.Minute)
			*waiting = c.Now()
			p.Updated()
		}, true},
		{"queued for long, others waiting for a while", func(p *Proxy, waiting *time.Time, c *testingclock.FakeClock) {
			p.Queued(c.Now())
			c.Step(time.Minute)
			*waiting = c.Now()
		}, false},
	} {
		clock := testingclock.NewFakeClock(start)
		var waiting time.Time
		p := NewProxy(time.Minute, func() time.Time { return waiting }, clock)
		tc.do(p, &waiting, clock)
		if got := p.Healthy(); got != tc.want {
			t.Errorf("%s: healthy %v", tc.name, got)
		}
	}
}

func TestLastUpdatedIsNowWhileTheAnswerIsYesElseWhenItWas(t *testing.T) {
	clock := testingclock.NewFakeClock(start)
	proxy := NewProxy(time.Minute, nil, clock)
	var answered []string
	handler := Probes{Proxy: proxy, Eligible: func() bool { return true }, Clock: clock,
		Answered: func(path string, code int) { answered = append(answered, fmt.Sprint(path, " ", code)) }}.handler()
	ask := func(path string) report {
		t.Helper()
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		var r report
		if err := json.Unmarshal(w.Body.Bytes(), &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	clock.Step(time.Second)
	now := clock.Now()
	well := report{LastUpdated: now, CurrentTime: now, NodeEligible: new(true), Healthy: true, Status: map[corev1.IPFamily]familyReport{
		"IPv4": {LastUpdated: start, Healthy: true}, "IPv6": {LastUpdated: start, Healthy: true}}}
	if diff := cmp.Diff(well, ask("/healthz")); diff != "" {
		t.Error(diff)
	}
	proxy.Queued(now.Add(-time.Hour))
	stale := report{LastUpdated: start, CurrentTime: now, Status: map[corev1.IPFamily]familyReport{"IPv4": {LastUpdated: start}, "IPv6": {LastUpdated: start}}}
	if diff := cmp.Diff(stale, ask("/livez")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"healthz 200", "livez 503"}, answered); diff != "" {
		t.Error(diff)
	}
}
