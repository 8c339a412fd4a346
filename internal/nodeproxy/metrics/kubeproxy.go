package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// kubeProxy are the metrics with kube-proxy's names.
type kubeProxy struct {
	syncDuration, syncFullDuration, syncPartialDuration *prometheus.HistogramVec
	syncLastQueued, syncLast                            *prometheus.GaugeVec
	syncFailures                                        *prometheus.CounterVec
	networkProgramming                                  *prometheus.HistogramVec
	noLocalEndpoints                                    *prometheus.GaugeVec
	healthz, livez                                      *prometheus.CounterVec
	conntrackDuration                                   *prometheus.HistogramVec
	conntrackDeleted                                    *prometheus.CounterVec
	changes                                             []prometheus.Collector
}

// syncBuckets are from 1 ms to 16 s.
var syncBuckets = prometheus.ExponentialBuckets(.001, 2, 15)

// programmingBuckets are from nothing to five minutes.
var programmingBuckets = slices.Concat(
	[]float64{0}, // kube-proxy has it by a slip of its MergeBuckets
	prometheus.LinearBuckets(.25, .25, 2),
	prometheus.LinearBuckets(1, 1, 59),
	prometheus.LinearBuckets(60, 5, 12),
	prometheus.LinearBuckets(120, 30, 7),
)

func newKubeProxy(s Sources) kubeProxy {
	return kubeProxy{
		syncDuration:        histogram(SyncDuration, "How long a sync takes, full or not: to plan a batch and to write it, in seconds.", syncBuckets, labelFamily),
		syncFullDuration:    histogram(SyncFullDuration, "How long a sync of all Services takes, in seconds.", syncBuckets, labelFamily),
		syncPartialDuration: histogram(SyncPartialDuration, "How long a sync of the Services that have changed takes, in seconds.", syncBuckets, labelFamily),
		syncLastQueued:      gauge(SyncLastQueued, "When a change of a Service that this node serves was last taken up, in Unix time.", labelFamily),
		syncLast:            gauge(SyncLast, "When the kernel last took a batch, or had nothing to be asked for a change, in Unix time.", labelFamily),
		syncFailures:        counter(SyncFailures, "Batches that the kernel has refused.", labelFamily),
		networkProgramming:  histogram(NetworkProgramming, "How long it takes from the change of a pod or a Service, as noted in its EndpointSlices, until the kernel has it, in seconds. Off by how much the clocks are.", programmingBuckets, labelFamily),
		noLocalEndpoints:    gauge(NoLocalEndpoints, "Ports of Services with a Local traffic policy (internal, external) that have endpoints, but none on this node.", labelTrafficPolicy, labelFamily),
		healthz:             counter(Healthz, "Answers of /healthz.", labelCode),
		livez:               counter(Livez, "Answers of /livez.", labelCode),
		conntrackDuration:   histogram(ConntrackDuration, "How long it takes to find and delete the conntrack entries to endpoints that have gone, in seconds.", syncBuckets, labelFamily),
		conntrackDeleted:    counter(ConntrackDeleted, "Conntrack entries to endpoints that have gone, which were deleted.", labelFamily),
		changes:             changesOf(s),
	}
}

// changesOf are the metrics that are read from their source. What waits is a Service, whichever of the two has changed.
func changesOf(s Sources) []prometheus.Collector {
	serviceChanges := func() float64 { n, _ := s.Changes(); return float64(n) }
	endpointChanges := func() float64 { _, n := s.Changes(); return float64(n) }
	pending := func() float64 { return float64(s.Pending()) }
	return []prometheus.Collector{
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: ServiceChanges, Help: "Changes of Services that were seen."}, serviceChanges),
		prometheus.NewCounterFunc(prometheus.CounterOpts{Name: EndpointChanges, Help: "Changes of EndpointSlices that were seen."}, endpointChanges),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: ServicesPending, Help: "Services with changes that wait to be synced."}, pending),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: EndpointsPending, Help: "The same: what waits are Services, whether they or their endpoints have changed."}, pending),
	}
}

func (k kubeProxy) collectors() []prometheus.Collector {
	return append(slices.Clone(k.changes), k.syncDuration, k.syncFullDuration, k.syncPartialDuration, k.syncLastQueued, k.syncLast,
		k.syncFailures, k.networkProgramming, k.noLocalEndpoints, k.healthz, k.livez, k.conntrackDuration, k.conntrackDeleted)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
}

func gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels)
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}
