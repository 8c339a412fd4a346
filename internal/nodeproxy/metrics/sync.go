package metrics

import "time"

// Sync is a batch that the kernel has taken or refused, or one that had nothing in it: then all is as it should be, too.
type Sync struct {
	// Full: it was made from all Services, not from those that have changed.
	Full bool
	// Took is how long it took to plan it and to write it, Kernel how long of that the kernel took; 0: it was not asked.
	Took, Kernel time.Duration
	// Since are when the changes that are in it were first seen. Those of a full one are not counted: at the start all
	// Services have been seen for as long as the longest list took.
	Since []time.Time
	// Triggers are when that happened to which the changes answer, by the clock of who noted it in the EndpointSlices.
	Triggers []time.Time
	// Err is why the kernel has refused it.
	Err error
}

// Synced counts a Sync. Durations until the kernel has a change end now.
func (m *Metrics) Synced(s Sync) {
	now := m.clock.Now()
	for _, family := range both {
		m.syncedFamily(string(family), s, now)
	}
	m.countBatch(s)
	if s.Full || s.Err != nil {
		return
	}
	for _, since := range s.Since {
		m.changeDuration.Observe(now.Sub(since).Seconds())
	}
}

func (m *Metrics) countBatch(s Sync) {
	if s.Kernel > 0 {
		m.batchDuration.Observe(s.Kernel.Seconds())
	}
	switch {
	case s.Err != nil:
		m.batches.WithLabelValues("failed").Inc()
	case s.Kernel > 0:
		m.batches.WithLabelValues("applied").Inc()
	}
}

// syncedFamily counts a Sync as kube-proxy's proxy of the family would.
func (m *Metrics) syncedFamily(family string, s Sync, now time.Time) {
	m.syncDuration.WithLabelValues(family).Observe(s.Took.Seconds())
	if s.Full {
		m.syncFullDuration.WithLabelValues(family).Observe(s.Took.Seconds())
	} else {
		m.syncPartialDuration.WithLabelValues(family).Observe(s.Took.Seconds())
	}
	if s.Err != nil {
		m.syncFailures.WithLabelValues(family).Inc()
		return
	}
	m.syncLast.WithLabelValues(family).Set(seconds(now))
	for _, at := range s.Triggers {
		m.networkProgramming.WithLabelValues(family).Observe(now.Sub(at).Seconds())
	}
}

func seconds(t time.Time) float64 { return float64(t.UnixNano()) / 1e9 }
