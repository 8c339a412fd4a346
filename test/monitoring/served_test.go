package monitoring

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	corev1 "k8s.io/api/core/v1"
	admissionmetrics "k8s.io/apiserver/pkg/admission/metrics"
	"k8s.io/component-base/metrics/legacyregistry"
	"k8s.io/utils/clock"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/portolan-dev/portolan/internal/metrics"
	nodemetrics "github.com/portolan-dev/portolan/internal/nodeproxy/metrics"
)

// Jobs, by the names that the monitors give them.
const (
	managerJob   = "portolan-manager"
	nodeProxyJob = "portolan-node-proxy"
)

// served are the labels of metrics by their names.
type served map[string][]string

// collector is a registry, as all are.
type collector interface {
	prometheus.Gatherer
	prometheus.Collector
}

// add adds all that is registered, whether or not it has a value, and of histograms the series that they are made of.
func (s served) add(t *testing.T, registry prometheus.Gatherer) {
	t.Helper()
	if all, ok := registry.(collector); ok {
		s.describe(all)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		var names []string
		for _, l := range f.Metric[0].Label {
			names = append(names, l.GetName())
		}
		s[f.GetName()] = names
		if f.GetType() == dto.MetricType_HISTOGRAM {
			s[f.GetName()+"_bucket"] = append(names, "le")
			s[f.GetName()+"_count"], s[f.GetName()+"_sum"] = names, names
		}
	}
}

// described is how a description is printed, which is the only way to its parts.
var described = regexp.MustCompile(`fqName: "([^"]*)".*constLabels: {([^}]*)}, variableLabels: {([^}]*)}`)

var constLabel = regexp.MustCompile(`(\w+)="[^"]*"`)

func (s served) describe(c prometheus.Collector) {
	descs := make(chan *prometheus.Desc)
	go func() {
		c.Describe(descs)
		close(descs)
	}()
	for d := range descs {
		parts := described.FindStringSubmatch(d.String())
		names := strings.FieldsFunc(parts[3], func(r rune) bool { return r == ',' })
		for _, found := range constLabel.FindAllStringSubmatch(parts[2], -1) {
			names = append(names, found[1])
		}
		s[parts[1]] = names
	}
}

// managers are the manager's metrics.
func managers(t *testing.T) served {
	t.Helper()
	metrics.AdmissionDuration.WithLabelValues("default") // for what a histogram is made of
	s := served{}
	s.add(t, ctrlmetrics.Registry)
	return s
}

// nodeProxys are node-proxy's metrics.
func nodeProxys(t *testing.T) served {
	t.Helper()
	registry := prometheus.NewRegistry()
	m := nodemetrics.New(registry, nodemetrics.Sources{
		Changes:          func() (int, int) { return 0, 0 },
		Pending:          func() int { return 0 },
		WaitingSince:     func() time.Time { return time.Time{} },
		HealthCheckPorts: func() (int, int) { return 0, 0 },
	}, clock.RealClock{})
	m.Queued()
	m.FlowsDeleted(corev1.IPv4Protocol, 0, nil)
	m.Synced(nodemetrics.Sync{Full: true})
	m.Synced(nodemetrics.Sync{Since: []time.Time{{}}, Triggers: []time.Time{{}}})
	m.Synced(nodemetrics.Sync{Err: errors.New("refused")})
	s := served{}
	s.add(t, registry)
	return s
}

// apiServers are the API server's metrics of webhooks.
func apiServers(t *testing.T) served {
	t.Helper()
	admissionmetrics.Metrics.ObserveWebhookFailOpen(t.Context(), "mservice.portolan.dev", "admit")
	admissionmetrics.Metrics.ObserveWebhookRejection(t.Context(), "mservice.portolan.dev", "admit", "CREATE", admissionmetrics.WebhookRejectionCallingWebhookError, 0)
	s := served{}
	s.add(t, legacyregistry.DefaultGatherer)
	return s
}

// row is one of the reference: a metric, its labels with their values, and what it counts.
type row struct{ labels, whole string }

var rowOf = regexp.MustCompile("(?m)^\\| `((?:portolan|kubeproxy)_[a-z_]+)` \\| (.*?) \\|.*$")

// reference are the rows of docs/reference/metrics.md by the names of metrics.
func reference(t *testing.T) map[string]row {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "docs/reference/metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]row{}
	for _, found := range rowOf.FindAllStringSubmatch(string(text), -1) {
		rows[found[1]] = row{labels: found[2], whole: found[0]}
	}
	return rows
}

var quoted = regexp.MustCompile("`(\\w+)`")

func TestTheReferenceHasTheMetricsThatAreServedAndTheirLabels(t *testing.T) {
	got := served{}
	for name, row := range reference(t) {
		got[name] = []string{}
		for _, label := range quoted.FindAllStringSubmatch(row.labels, -1) {
			got[name] = append(got[name], label[1])
		}
		slices.Sort(got[name])
	}
	want := served{}
	for _, from := range []served{managers(t), nodeProxys(t)} {
		for name, labels := range from {
			ours := strings.HasPrefix(name, "portolan_") || strings.HasPrefix(name, "kubeproxy_")
			if ours && !slices.Contains(labels, "le") && !partOfHistogram(from, name) {
				want[name] = slices.Sorted(slices.Values(append([]string{}, labels...)))
			}
		}
	}
	for name := range want {
		if want[name] == nil {
			want[name] = []string{}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("docs/reference/metrics.md (-served +written):\n%s", diff)
	}
}

func partOfHistogram(s served, name string) bool {
	for _, suffix := range []string{"_count", "_sum"} {
		if whole, cut := strings.CutSuffix(name, suffix); cut && s[whole+"_bucket"] != nil {
			return true
		}
	}
	return false
}
