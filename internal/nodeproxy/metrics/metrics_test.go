package metrics

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	corev1 "k8s.io/api/core/v1"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

var start = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// world is a registry with the metrics in it.
type world struct {
	*testing.T
	*Metrics
	registry *prometheus.Registry
	clock    *testingclock.FakeClock
	waiting  time.Time // since then
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, registry: prometheus.NewPedanticRegistry(), clock: testingclock.NewFakeClock(start)}
	w.Metrics = New(w.registry, Sources{
		Changes:          func() (int, int) { return 5, 7 },
		Pending:          func() int { return 3 },
		WaitingSince:     func() time.Time { return w.waiting },
		HealthCheckPorts: func() (int, int) { return 2, 1 },
	}, w.clock)
	return w
}

// everything gives every metric a value.
func (w *world) everything() {
	w.Queued()
	w.Answered("healthz", 200)
	w.Answered("livez", 503)
	w.FlowsDeleted(corev1.IPv4Protocol, time.Millisecond, map[corev1.Protocol]int{corev1.ProtocolUDP: 2})
	w.Resynced(Start)
	w.Clashing(nil, nil)
	w.Serves(Table{})
	w.Synced(Sync{Full: true})
	w.Synced(Sync{Since: []time.Time{start}, Triggers: []time.Time{start}})
	w.Synced(Sync{Err: errors.New("refused")})
}

func (w *world) gather() []*dto.MetricFamily {
	w.Helper()
	families, err := w.registry.Gather()
	if err != nil {
		w.Fatal(err)
	}
	return families
}

// shapes are the type, labels and buckets of each metric by its name, as they are recorded.
func (w *world) shapes() map[string]string {
	w.Helper()
	shapes := map[string]string{}
	for _, f := range w.gather() {
		var labels, buckets []string
		for _, l := range f.Metric[0].Label {
			labels = append(labels, l.GetName())
		}
		for _, b := range f.Metric[0].GetHistogram().GetBucket() {
			buckets = append(buckets, fmt.Sprint(b.GetUpperBound()))
		}
		shapes[f.GetName()] = strings.TrimSpace(fmt.Sprintf("%s {%s} %s", strings.ToLower(f.GetType().String()), strings.Join(labels, ","), strings.Join(buckets, ",")))
	}
	return shapes
}

// value is that of one series, its labels' values in the order of their names; a histogram's is how many it has seen.
func (w *world) value(name string, labels ...string) float64 {
	w.Helper()
	for _, f := range w.gather() {
		for _, m := range f.Metric {
			var values []string
			for _, l := range m.Label {
				values = append(values, l.GetValue())
			}
			if f.GetName() == name && slices.Equal(values, labels) {
				return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return -1
}

func TestKubeProxysMetricsAreAsItHasThem(t *testing.T) {
	text, err := os.ReadFile("testdata/kube-proxy-1.36.3-nftables.txt")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for line := range strings.Lines(string(text)) {
		kind, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, shape, _ := strings.Cut(rest, " ")
		want[name] = kind + " " + shape
	}
	delete(want, "kubeproxy_sync_proxy_rules_nftables_cleanup_failures_total") // see doc.go
	w := newWorld(t)
	w.everything()
	got := w.shapes()
	for name := range got {
		if !strings.HasPrefix(name, "kubeproxy_") {
			delete(got, name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestOurOwnMetrics(t *testing.T) {
	w := newWorld(t)
	w.everything()
	got := map[string]string{}
	for name, shape := range w.shapes() {
		if !strings.HasPrefix(name, "kubeproxy_") {
			kind, labels, _ := strings.Cut(shape, " ")
			labels, _, _ = strings.Cut(labels, " ")
			got[name] = kind + " " + labels
		}
	}
	want := map[string]string{
		"portolan_node_services":                        "gauge {}",
		"portolan_node_frontends":                       "gauge {ip_family}",
		"portolan_node_endpoints":                       "gauge {ip_family}",
		"portolan_node_conflicts":                       "gauge {}",
		"portolan_node_kernel_elements":                 "gauge {}",
		"portolan_node_waiting_since_timestamp_seconds": "gauge {}",
		"portolan_node_batches_total":                   "counter {result}",
		"portolan_node_batch_duration_seconds":          "histogram {}",
		"portolan_node_change_duration_seconds":         "histogram {}",
		"portolan_node_resyncs_total":                   "counter {reason}",
		"portolan_node_conntrack_deletions_total":       "counter {protocol}",
		"portolan_node_conntrack_entries":               "gauge {}",
		"portolan_node_conntrack_limit":                 "gauge {}",
		"portolan_node_healthcheck_ports":               "gauge {state}",
		"portolan_node_clashes":                         "gauge {allocated,kind}",
		"portolan_node_guard_stale":                     "gauge {}",
		"portolan_node_guard_crowded_ports":             "gauge {}",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTheReferenceHasEveryMetric(t *testing.T) {
	text, err := os.ReadFile("../../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.everything()
	for name := range w.shapes() {
		if !strings.Contains(string(text), "| `"+name+"` |") {
			t.Errorf("docs/reference/metrics.md says nothing of %s", name)
		}
	}
}

// count is a series and its value, or how many it has seen.
type count struct {
	name   string
	labels []string
	want   float64
}

func (w *world) expect(counts []count) {
	w.Helper()
	for _, c := range counts {
		if got := w.value(c.name, c.labels...); got != c.want {
			w.Errorf("%s%q: got %v, want %v", c.name, c.labels, got, c.want)
		}
	}
}

func TestASyncCountsForBothFamilies(t *testing.T) {
	now := float64(start.Unix())
	for _, tc := range []struct {
		name string
		sync Sync
		want []count
	}{
		{"two Services", Sync{Kernel: time.Millisecond, Since: []time.Time{start, start}, Triggers: []time.Time{start}}, []count{
			{SyncDuration, []string{"IPv4"}, 1}, {SyncDuration, []string{"IPv6"}, 1},
			{SyncPartialDuration, []string{"IPv4"}, 1}, {SyncFullDuration, []string{"IPv4"}, -1},
			{SyncLast, []string{"IPv4"}, now}, {SyncFailures, []string{"IPv4"}, -1},
			{NetworkProgramming, []string{"IPv4"}, 1}, {NetworkProgramming, []string{"IPv6"}, 1},
			{ChangeDuration, nil, 2}, {BatchDuration, nil, 1},
			{Batches, []string{"applied"}, 1}, {Batches, []string{"failed"}, 0},
		}},
		{"all Services", Sync{Full: true, Kernel: time.Millisecond, Since: []time.Time{start}}, []count{
			{SyncDuration, []string{"IPv4"}, 1}, {SyncDuration, []string{"IPv6"}, 1},
			{SyncPartialDuration, []string{"IPv4"}, -1}, {SyncFullDuration, []string{"IPv6"}, 1},
			{ChangeDuration, nil, 0}, {BatchDuration, nil, 1},
		}},
		{"nothing to write", Sync{Since: []time.Time{start}}, []count{
			{SyncDuration, []string{"IPv4"}, 1}, {SyncLast, []string{"IPv6"}, now}, {ChangeDuration, nil, 1},
			{BatchDuration, nil, 0}, {Batches, []string{"applied"}, 0},
		}},
		{"refused", Sync{Err: errors.New("refused"), Kernel: time.Millisecond, Since: []time.Time{start}, Triggers: []time.Time{start}}, []count{
			{SyncDuration, []string{"IPv4"}, 1}, {SyncFailures, []string{"IPv6"}, 1},
			{SyncLast, []string{"IPv4"}, -1}, {NetworkProgramming, []string{"IPv4"}, -1},
			{ChangeDuration, nil, 0}, {BatchDuration, nil, 1},
			{Batches, []string{"applied"}, 0}, {Batches, []string{"failed"}, 1},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.Synced(tc.sync)
			w.expect(tc.want)
		})
	}
}

func TestDurationsEndWhenTheKernelHasTheChange(t *testing.T) {
	w := newWorld(t)
	w.clock.Step(2 * time.Second)
	w.Synced(Sync{Took: 30 * time.Millisecond, Kernel: 20 * time.Millisecond,
		Since: []time.Time{start.Add(time.Second)}, Triggers: []time.Time{start}})
	sums := map[string]float64{}
	for _, f := range w.gather() {
		if f.GetType() == dto.MetricType_HISTOGRAM {
			sums[f.GetName()] = f.Metric[0].GetHistogram().GetSampleSum()
		}
	}
	want := map[string]float64{SyncDuration: .03, SyncPartialDuration: .03, NetworkProgramming: 2, ChangeDuration: 1, BatchDuration: .02}
	if diff := cmp.Diff(want, sums); diff != "" {
		t.Error(diff)
	}
}

func TestNothingWaitsSinceZero(t *testing.T) {
	w := newWorld(t)
	w.expect([]count{{WaitingSince, nil, 0}})
	w.waiting = start
	w.expect([]count{{WaitingSince, nil, float64(start.Unix())}})
}

func TestWhatIsServedAndSeenIsWhatWasSaid(t *testing.T) {
	w := newWorld(t)
	w.Serves(Table{Services: 1, Conflicts: 2, KernelElements: 3, Frontends: PerFamily{4, 5}, Endpoints: PerFamily{6, 7},
		NoLocalInternal: PerFamily{8, 9}, NoLocalExternal: PerFamily{10, 11}, GuardStale: true, CrowdedPorts: 15})
	w.Queued()
	w.Answered("healthz", 503)
	w.FlowsDeleted(corev1.IPv6Protocol, time.Second, map[corev1.Protocol]int{corev1.ProtocolUDP: 2, corev1.ProtocolSCTP: 1})
	w.Cut(map[corev1.Protocol]int{corev1.ProtocolTCP: 4, corev1.ProtocolUDP: 3})
	w.Resynced(BatchFailed)
	w.Clashing(map[v1alpha1.ClashKind]int{v1alpha1.ClashHostListener: 12, v1alpha1.ClashEphemeral: 13}, map[v1alpha1.ClashKind]int{v1alpha1.ClashHostPort: 14})
	w.expect([]count{
		{Services, nil, 1}, {Conflicts, nil, 2}, {KernelElements, nil, 3}, {GuardStale, nil, 1}, {GuardCrowdedPorts, nil, 15},
		{Frontends, []string{"IPv4"}, 4}, {Frontends, []string{"IPv6"}, 5},
		{Endpoints, []string{"IPv4"}, 6}, {Endpoints, []string{"IPv6"}, 7},
		{NoLocalEndpoints, []string{"IPv4", "internal"}, 8}, {NoLocalEndpoints, []string{"IPv6", "internal"}, 9},
		{NoLocalEndpoints, []string{"IPv4", "external"}, 10}, {NoLocalEndpoints, []string{"IPv6", "external"}, 11},
		{SyncLastQueued, []string{"IPv4"}, float64(start.Unix())},
		{Healthz, []string{"503"}, 1}, {Livez, []string{"503"}, -1},
		{ConntrackDeleted, []string{"IPv6"}, 3}, {ConntrackDuration, []string{"IPv6"}, 1},
		{ConntrackDeletions, []string{"TCP"}, 4}, {ConntrackDeletions, []string{"UDP"}, 5}, {ConntrackDeletions, []string{"SCTP"}, 1},
		{Resyncs, []string{"batch_failed"}, 1}, {Resyncs, []string{"start"}, 0},
		{ServiceChanges, nil, 5}, {EndpointChanges, nil, 7}, {ServicesPending, nil, 3}, {EndpointsPending, nil, 3},
		{Clashes, []string{"true", "HostListener"}, 12}, {Clashes, []string{"true", "Ephemeral"}, 13}, {Clashes, []string{"false", "HostPort"}, 14},
		{Clashes, []string{"true", "HostPort"}, 0},
		{HealthCheckPorts, []string{"open"}, 2}, {HealthCheckPorts, []string{"failing"}, 1},
	})
}
