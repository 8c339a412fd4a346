package health

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
)

// families are what is reported on: kube-proxy has a proxy for each, here both are written to the kernel together.
var families = []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol}

// Proxy knows whether this proxy keeps up: it does unless a change waits for its timeout.
type Proxy struct {
	timeout time.Duration
	waiting func() time.Time
	clock   clock.PassiveClock

	mu      sync.Mutex // guards what follows
	updated time.Time
	queued  time.Time // the oldest change that was queued since; zero for none
}

// NewProxy makes a Proxy that begins as one that keeps up. The timeout is how long a change may wait to be in the
// kernel; kube-proxy's is twice its sync period, by default a minute. waiting, if not nil, says since when the oldest change
// waits that nobody has Queued; the zero time for none. It is called for each answer.
func NewProxy(timeout time.Duration, waiting func() time.Time, c clock.PassiveClock) *Proxy {
	return &Proxy{timeout: timeout, waiting: waiting, clock: c, updated: c.Now()}
}

// Queued says that changes are being worked on of which the oldest has waited since then.
func (p *Proxy) Queued(since time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.queued.IsZero() || since.Before(p.queued) {
		p.queued = since
	}
}

// Updated says that all that was Queued is in the kernel.
func (p *Proxy) Updated() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.updated, p.queued = p.clock.Now(), time.Time{}
}

// Healthy says whether the proxy keeps up.
func (p *Proxy) Healthy() bool {
	healthy, _ := p.state(p.clock.Now())
	return healthy
}

// WaitingSince is since when the oldest change waits that is not in the kernel; the zero time where none does.
func (p *Proxy) WaitingSince() time.Time {
	oldest, _ := p.oldest()
	return oldest
}

// state is whether the proxy keeps up, and when it was last updated.
func (p *Proxy) state(now time.Time) (healthy bool, updated time.Time) {
	oldest, updated := p.oldest()
	return oldest.IsZero() || now.Sub(oldest) < p.timeout, updated
}

// oldest is since when the oldest change waits, and when the proxy was last updated.
func (p *Proxy) oldest() (oldest, updated time.Time) {
	p.mu.Lock()
	oldest, updated = p.queued, p.updated
	p.mu.Unlock()
	if p.waiting == nil {
		return oldest, updated
	}
	if since := p.waiting(); !since.IsZero() && (oldest.IsZero() || since.Before(oldest)) {
		oldest = since
	}
	return oldest, updated
}

// report is the body of an answer, field by field kube-proxy's ProxyHealth.
type report struct {
	LastUpdated  time.Time                        `json:"lastUpdated"`
	CurrentTime  time.Time                        `json:"currentTime"`
	NodeEligible *bool                            `json:"nodeEligible,omitempty"`
	Healthy      bool                             `json:"healthy"`
	Status       map[corev1.IPFamily]familyReport `json:"status,omitempty"`
}

type familyReport struct {
	LastUpdated time.Time `json:"lastUpdated"`
	Healthy     bool      `json:"healthy"`
}

func (p *Proxy) report() report {
	now := p.clock.Now()
	healthy, updated := p.state(now)
	r := report{LastUpdated: updated, CurrentTime: now, Healthy: healthy, Status: map[corev1.IPFamily]familyReport{}}
	for _, family := range families {
		r.Status[family] = familyReport{LastUpdated: updated, Healthy: healthy}
	}
	return r
}
