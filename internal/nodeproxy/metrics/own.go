package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
)

// own are the metrics that only we have.
type own struct {
	services, conflicts, kernelElements prometheus.Gauge
	frontends, endpoints                *prometheus.GaugeVec
	batches, resyncs                    *prometheus.CounterVec
	batchDuration, changeDuration       prometheus.Histogram
	conntrackDeletions                  *prometheus.CounterVec
	conntrackEntries, conntrackLimit    prometheus.Gauge
	waitingSince                        prometheus.Collector
	healthCheckPorts                    []prometheus.Collector
	clashes                             *prometheus.GaugeVec
	guardStale, guardCrowdedPorts       prometheus.Gauge
}

func newOwn(s Sources) own {
	o := own{
		services:       prometheus.NewGauge(prometheus.GaugeOpts{Name: Services, Help: "Services that this node serves."}),
		conflicts:      prometheus.NewGauge(prometheus.GaugeOpts{Name: Conflicts, Help: "Claims of Services to a frontend that another Service has, which has it instead."}),
		kernelElements: prometheus.NewGauge(prometheus.GaugeOpts{Name: KernelElements, Help: "Elements in the maps of this node's table."}),
		frontends:      gauge(Frontends, "Addresses and ports at which Services are served; a node port is one.", labelFamily),
		endpoints:      gauge(Endpoints, "Endpoints that frontends lead to.", labelFamily),
		batches:        counter(Batches, "Batches by result: applied, or failed, which leaves the kernel as it was.", labelResult),
		resyncs:        counter(Resyncs, "How often the whole table was compared with the kernel's, by reason (start, batch_failed, foreign_change).", labelReason),
		batchDuration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: BatchDuration, Help: "How long the kernel takes for a batch, in seconds.",
			Buckets: prometheus.ExponentialBuckets(10e-6, 2, 18)}), // to 1.3 s
		changeDuration: prometheus.NewHistogram(prometheus.HistogramOpts{Name: ChangeDuration, Help: "How long it takes from when a change of a Service is seen until the kernel has it, in seconds. Full syncs are left out.",
			Buckets: prometheus.ExponentialBuckets(100e-6, 2, 18)}), // to 13 s
		conntrackDeletions: counter(ConntrackDeletions, "Conntrack entries that were deleted, by protocol: to endpoints that have gone, and of those who may no longer reach a node port.", labelProtocol),
		conntrackEntries:   prometheus.NewGauge(prometheus.GaugeOpts{Name: ConntrackEntries, Help: "Connections that the kernel tracks in the node's network namespace."}),
		conntrackLimit:     prometheus.NewGauge(prometheus.GaugeOpts{Name: ConntrackLimit, Help: "How many connections the kernel tracks at most; 0 while that is not known."}),
		clashes: gauge(Clashes, "Uses of numbers of the node port range on this node by something else than a Service, by kind (HostListener, HostPort, Ephemeral) and whether a Service has the number.",
			labelKind, labelAllocated),
		guardStale:        prometheus.NewGauge(prometheus.GaugeOpts{Name: GuardStale, Help: "1 while NodePortAccess or pools cannot be read, so that who may reach node ports stays as it was; else 0."}),
		guardCrowdedPorts: prometheus.NewGauge(prometheus.GaugeOpts{Name: GuardCrowdedPorts, Help: "Node ports that are closed, as the NodePortAccess objects of their namespaces are too large for the node."}),
	}
	o.waitingSince, o.healthCheckPorts = waitingSince(s), healthCheckPorts(s)
	o.begin()
	return o
}

// begin has the counters there from the start, so that the first increase shows.
func (o own) begin() {
	for _, result := range []string{"applied", "failed"} {
		o.batches.WithLabelValues(result)
	}
	for _, why := range []Reason{Start, BatchFailed, Foreign} {
		o.resyncs.WithLabelValues(string(why))
	}
	for _, protocol := range []string{"TCP", "UDP", "SCTP"} {
		o.conntrackDeletions.WithLabelValues(protocol)
	}
}

func waitingSince(s Sources) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: WaitingSince,
		Help: "Since when the oldest change waits that the kernel does not have, in Unix time; 0 while it has all.",
	}, func() float64 {
		since := s.WaitingSince()
		if since.IsZero() {
			return 0
		}
		return seconds(since)
	})
}

func healthCheckPorts(s Sources) []prometheus.Collector {
	state := func(state string, n func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        HealthCheckPorts,
			Help:        "healthCheckNodePorts by state: open, or failing as somebody else has the port. One on two addresses counts twice.",
			ConstLabels: prometheus.Labels{labelState: state},
		}, n)
	}
	return []prometheus.Collector{
		state("open", func() float64 { n, _ := s.HealthCheckPorts(); return float64(n) }),
		state("failing", func() float64 { _, n := s.HealthCheckPorts(); return float64(n) }),
	}
}

func (o own) collectors() []prometheus.Collector {
	return append(o.healthCheckPorts, o.services, o.conflicts, o.kernelElements, o.frontends, o.endpoints, o.waitingSince, o.batches,
		o.resyncs, o.batchDuration, o.changeDuration, o.conntrackDeletions, o.conntrackEntries, o.conntrackLimit, o.clashes, o.guardStale, o.guardCrowdedPorts)
}
