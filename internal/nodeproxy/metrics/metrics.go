package metrics

import (
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// both are the IP families.
var both = []corev1.IPFamily{corev1.IPv4Protocol, corev1.IPv6Protocol}

// Metrics are those of one node-proxy. All methods may be called concurrently.
type Metrics struct {
	clock clock.PassiveClock
	kubeProxy
	own
}

// Sources are asked whenever the metrics are, from any goroutine.
type Sources struct {
	// Changes are how many events of Services and of EndpointSlices there have been.
	Changes func() (services, endpointSlices int)
	// Pending are how many Services have changed, by themselves or by their EndpointSlices, and wait for it.
	Pending func() int
	// WaitingSince is since when the oldest change waits that the kernel does not have; the zero time where none does.
	WaitingSince func() time.Time
	// HealthCheckPorts are how many healthCheckNodePorts are open, and how many could not be had.
	HealthCheckPorts func() (open, failing int)
}

// New makes the metrics and registers them. It panics where they are registered already.
func New(registry prometheus.Registerer, s Sources, c clock.PassiveClock) *Metrics {
	m := &Metrics{clock: c, kubeProxy: newKubeProxy(s), own: newOwn(s)}
	registry.MustRegister(slices.Concat(m.kubeProxy.collectors(), m.own.collectors())...)
	return m
}

// Queued says that changes have been taken up that the kernel does not have yet. The next Synced is of them, too.
func (m *Metrics) Queued() {
	for _, family := range both {
		m.syncLastQueued.WithLabelValues(string(family)).Set(seconds(m.clock.Now()))
	}
}

// Answered counts an answer of "healthz" or "livez".
func (m *Metrics) Answered(path string, code int) {
	counter := m.livez
	if path == "healthz" {
		counter = m.healthz
	}
	counter.WithLabelValues(strconv.Itoa(code)).Inc()
}

// FlowsDeleted counts conntrack entries that were deleted, by protocol, and how long it took to find and delete them.
func (m *Metrics) FlowsDeleted(family corev1.IPFamily, took time.Duration, deleted map[corev1.Protocol]int) {
	m.conntrackDuration.WithLabelValues(string(family)).Observe(took.Seconds())
	for protocol, n := range deleted {
		m.conntrackDeleted.WithLabelValues(string(family)).Add(float64(n))
		m.conntrackDeletions.WithLabelValues(string(protocol)).Add(float64(n))
	}
}

// Cut counts connections of those who may no longer reach a node port, which were ended, by protocol.
func (m *Metrics) Cut(connections map[corev1.Protocol]int) {
	for protocol, n := range connections {
		m.conntrackDeletions.WithLabelValues(string(protocol)).Add(float64(n))
	}
}

// Tracks says how many connections the kernel tracks, and how many at most.
func (m *Metrics) Tracks(entries, limit int) {
	m.conntrackEntries.Set(float64(entries))
	m.conntrackLimit.Set(float64(limit))
}

// Resynced counts that the whole table was compared with the kernel's.
func (m *Metrics) Resynced(why Reason) { m.resyncs.WithLabelValues(string(why)).Inc() }

// Clashing says how many clashes there are of each kind, of numbers that Services have and of others.
func (m *Metrics) Clashing(ofServices, others map[v1alpha1.ClashKind]int) {
	for _, kind := range []v1alpha1.ClashKind{v1alpha1.ClashHostListener, v1alpha1.ClashHostPort, v1alpha1.ClashEphemeral} {
		m.clashes.WithLabelValues(string(kind), "true").Set(float64(ofServices[kind]))
		m.clashes.WithLabelValues(string(kind), "false").Set(float64(others[kind]))
	}
}

// Table is what a node serves at present.
type Table struct {
	Services, Conflicts, KernelElements int
	Frontends, Endpoints                PerFamily
	// NoLocalInternal and NoLocalExternal are ports of Services whose traffic policy of the kind is Local, and that have
	// endpoints, but none on this node.
	NoLocalInternal, NoLocalExternal PerFamily
	// GuardStale: who may reach node ports stays as it was, since it cannot be read.
	GuardStale bool
	// CrowdedPorts are how many ports are closed as there is no room for who may reach them.
	CrowdedPorts int
}

// PerFamily is a number for each IP family.
type PerFamily struct{ IPv4, IPv6 int }

// Serves says what the node serves now.
func (m *Metrics) Serves(t Table) {
	m.services.Set(float64(t.Services))
	m.conflicts.Set(float64(t.Conflicts))
	m.kernelElements.Set(float64(t.KernelElements))
	m.guardStale.Set(0)
	if t.GuardStale {
		m.guardStale.Set(1)
	}
	m.guardCrowdedPorts.Set(float64(t.CrowdedPorts))
	t.Frontends.set(m.frontends)
	t.Endpoints.set(m.endpoints)
	t.NoLocalInternal.set(m.noLocalEndpoints.MustCurryWith(prometheus.Labels{labelTrafficPolicy: "internal"}))
	t.NoLocalExternal.set(m.noLocalEndpoints.MustCurryWith(prometheus.Labels{labelTrafficPolicy: "external"}))
}

func (n PerFamily) set(gauge *prometheus.GaugeVec) {
	gauge.WithLabelValues(string(corev1.IPv4Protocol)).Set(float64(n.IPv4))
	gauge.WithLabelValues(string(corev1.IPv6Protocol)).Set(float64(n.IPv6))
}
