package metrics

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// Asked is a gauge that asks for its value when it is read. Before it knows whom to ask, and while there is no value, it
// has no series. It implements prometheus.Collector, and may be used by any number of goroutines.
type Asked struct {
	desc   *prometheus.Desc
	source atomic.Pointer[func() (float64, bool)]
}

func newAsked(name, help string) *Asked {
	return &Asked{desc: prometheus.NewDesc(name, help, nil, nil)}
}

// Ask says whom to ask from now on, at any time and from any goroutine; false: there is no value.
func (a *Asked) Ask(source func() (value float64, ok bool)) { a.source.Store(&source) }

// Describe implements prometheus.Collector.
func (a *Asked) Describe(descs chan<- *prometheus.Desc) { descs <- a.desc }

// Collect implements prometheus.Collector.
func (a *Asked) Collect(found chan<- prometheus.Metric) {
	source := a.source.Load()
	if source == nil {
		return
	}
	if value, ok := (*source)(); ok {
		found <- prometheus.MustNewConstMetric(a.desc, prometheus.GaugeValue, value)
	}
}
