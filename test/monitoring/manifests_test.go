package monitoring

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/yaml"
)

// repository is where the checkout begins.
const repository = "../.."

// Manifests, by where they are.
const (
	managerRules = "config/prometheus/rules.yaml"
	nodeRules    = "config/components/node-metrics/rules.yaml"
)

var promQL = parser.NewParser(parser.Options{})

// read decodes a manifest strictly: a field that its kind does not have fails.
func read[T any](t *testing.T, path string) T {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, path))
	if err != nil {
		t.Fatal(err)
	}
	var object T
	if err := yaml.UnmarshalStrict(text, &object); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return object
}

// rulesIn are the groups of a PrometheusRule, as Prometheus reads them.
func rulesIn(t *testing.T, path string) []rulefmt.RuleGroup {
	t.Helper()
	rule := read[monitoringv1.PrometheusRule](t, path)
	text, err := json.Marshal(rule.Spec) // which is YAML, too
	if err != nil {
		t.Fatal(err)
	}
	groups, errs := rulefmt.Parse(text, false, model.UTF8Validation, promQL, slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Errorf("%s: %v", path, err)
	}
	if len(errs) > 0 {
		t.FailNow()
	}
	return groups.Groups
}

// allRules are the groups of all rules that are shipped.
func allRules(t *testing.T) []rulefmt.RuleGroup {
	t.Helper()
	return slices.Concat(rulesIn(t, managerRules), rulesIn(t, nodeRules))
}

func TestTheServiceMonitorFindsTheManagersMetrics(t *testing.T) {
	monitor := read[monitoringv1.ServiceMonitor](t, "config/prometheus/monitor.yaml")
	service := read[corev1.Service](t, "config/default/metrics_service.yaml")
	webhooks := read[corev1.Service](t, "config/webhook/service.yaml")
	wantSelected(t, monitor.Spec.Selector, service.Labels)
	if selector, _ := metav1.LabelSelectorAsSelector(&monitor.Spec.Selector); selector.Matches(labels.Set(webhooks.Labels)) {
		t.Error("it selects the webhooks' Service as well")
	}
	endpoint := monitor.Spec.Endpoints[0]
	if !slices.ContainsFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == endpoint.Port }) {
		t.Errorf("the Service has no port %q", endpoint.Port)
	}
	// As the manager serves them: a certificate of its own making, and a token that the API server is asked about.
	if endpoint.Scheme == nil || *endpoint.Scheme != "https" || endpoint.TLSConfig == nil || !*endpoint.TLSConfig.InsecureSkipVerify || endpoint.BearerTokenFile == "" { //nolint:staticcheck // a ServiceMonitor has no other way to Prometheus' own token
		t.Errorf("the endpoint is %+v", endpoint)
	}
	wantJob(t, endpoint.RelabelConfigs, managerJob)
}

func TestThePodMonitorFindsNodeProxysMetrics(t *testing.T) {
	monitor := read[monitoringv1.PodMonitor](t, "config/components/node-metrics/pod_monitor.yaml")
	daemonSet := read[appsv1.DaemonSet](t, "config/node-proxy/daemon_set.yaml")
	wantSelected(t, monitor.Spec.Selector, daemonSet.Spec.Template.Labels)
	endpoint := monitor.Spec.PodMetricsEndpoints[0]
	wantJob(t, endpoint.RelabelConfigs, nodeProxyJob)
	patch := read[[]struct{ Op, Path, Value string }](t, "config/components/node-metrics/daemon_set_patch.yaml")
	if got, want := patch[0].Value, "--metrics-bind-address="+":10349"; got != want {
		t.Errorf("node-proxy gets %s, want %s", got, want)
	}
	for ip, want := range map[string]string{"192.0.2.1": "192.0.2.1:10349", "2001:db8::1": "[2001:db8::1]:10349"} {
		got := relabelled(t, endpoint.RelabelConfigs, map[string]string{"__meta_kubernetes_pod_ip": ip, "__meta_kubernetes_pod_node_name": "node-1", "__address__": ip})
		if got["__address__"] != want || got["node"] != "node-1" {
			t.Errorf("of %s becomes %v", ip, got)
		}
	}
}

func wantSelected(t *testing.T, by metav1.LabelSelector, set map[string]string) {
	t.Helper()
	selector, err := metav1.LabelSelectorAsSelector(&by)
	if err != nil {
		t.Fatal(err)
	}
	if selector.Empty() || !selector.Matches(labels.Set(set)) {
		t.Errorf("%s does not select %v", selector, set)
	}
}

func wantJob(t *testing.T, by []monitoringv1.RelabelConfig, want string) {
	t.Helper()
	if got := relabelled(t, by, map[string]string{"job": "other"})["job"]; got != want {
		t.Errorf("the job is %q, want %q: alerts and dashboard name that", got, want)
	}
}
