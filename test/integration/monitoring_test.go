package integration

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/portolan-dev/portolan/internal/manager"
	"github.com/portolan-dev/portolan/test/install"
)

func TestAPrometheusReadsTheMetricsWithItsTokenAndTheRoleForThat(t *testing.T) {
	w := alone(t)
	port := freePort(w)
	w.start(func(o *manager.Options) {
		o.MetricsBindAddress, o.MetricsSecure = fmt.Sprintf("127.0.0.1:%d", port), true
	})
	namespace := w.namespace("monitoring")
	prometheus, other := w.accountToken(namespace, "prometheus"), w.accountToken(namespace, "other")
	binding := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "metrics-reader-of-" + namespace}}
	binding.RoleRef = rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "portolan-metrics-reader"}
	binding.Subjects = []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: "prometheus"}}
	w.must(w.Create(t.Context(), binding))
	defer func() { w.must(w.Delete(t.Context(), binding)) }()

	w.eventually("the metrics are served", func() error {
		answer, served := w.scrape(port, prometheus)
		// Of managers in one process, as these tests have them, the one that was made last says when its certificate ends.
		end, err := strconv.ParseFloat(served["portolan_certificate_expiration_timestamp_seconds"], 64)
		left := time.Until(time.Unix(int64(end), 0))
		if answer != http.StatusOK || err != nil || left < 364*24*time.Hour || left > 366*24*time.Hour || served["portolan_unprogrammed_node_ports"] == "" {
			return fmt.Errorf("the answer is %d, the certificate ends in %s, %w", answer, left, err)
		}
		return nil
	})
	for token, want := range map[string]int{"": http.StatusUnauthorized, other: http.StatusForbidden} {
		if answer, values := w.scrape(port, token); answer != want || len(values) > 1 {
			t.Errorf("with the token %.10q the answer is %d, want %d", token, answer, want)
		}
	}
}

// accountToken makes a ServiceAccount, and returns a token of it.
func (w *world) accountToken(namespace, name string) string {
	w.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	w.must(w.Create(w.Context(), account))
	token := &authenticationv1.TokenRequest{}
	w.must(w.SubResource("token").Create(w.Context(), account, token))
	return token.Status.Token
}

// scrape reads the manager's metrics with a token, and returns the answer's code, and values by series.
func (w *world) scrape(port int, token string) (code int, values map[string]string) {
	w.Helper()
	request, err := http.NewRequestWithContext(w.Context(), http.MethodGet, fmt.Sprintf("https://127.0.0.1:%d/metrics", port), nil)
	w.must(err)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	insecure := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // as the ServiceMonitor has it
	response, err := (&http.Client{Transport: insecure}).Do(request)
	if err != nil {
		w.Log(err) // nobody listens yet
		return 0, nil
	}
	defer response.Body.Close()
	values = map[string]string{}
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		if series, value, ok := strings.Cut(lines.Text(), " "); ok && !strings.HasPrefix(series, "#") {
			values[series] = value
		}
	}
	return response.StatusCode, values
}

func TestWithTheComponentMonitoringTheMonitorIsBesideItsService(t *testing.T) {
	r := onShared(t).render("monitoring")
	monitors, services := r.named("ServiceMonitor", "portolan-"), r.named("Service", "portolan-controller-manager-metrics")
	if len(monitors) != 1 || len(services) != 1 || monitors[0].GetNamespace() != services[0].GetNamespace() {
		t.Fatalf("there are monitors %v of Services %v", namesOf(monitors), namesOf(services))
	}
	selected, _, _ := unstructured.NestedStringMap(monitors[0].Object, "spec", "selector", "matchLabels")
	for label, value := range selected {
		if services[0].GetLabels()[label] != value {
			t.Errorf("the monitor wants %s=%s, the Service has %v", label, value, services[0].GetLabels())
		}
	}
	if rules := r.named("PrometheusRule", "portolan-rules"); len(rules) != 1 {
		t.Errorf("there are rules %v", namesOf(rules))
	}
	dashboards := r.named("ConfigMap", "portolan-dashboard")
	if len(dashboards) != 1 || dashboards[0].GetLabels()["grafana_dashboard"] != "1" || dashboards[0].GetNamespace() != install.Namespace ||
		!strings.HasPrefix(text(dashboards[0], "data", "portolan.json"), "{") {
		t.Errorf("there are dashboards %v", namesOf(dashboards))
	}
}

func namesOf(objects []*unstructured.Unstructured) (names []string) {
	for _, o := range objects {
		names = append(names, o.GetNamespace()+"/"+o.GetName())
	}
	return names
}

func TestWithTheComponentNodeMetricsAPrometheusReachesNodeProxy(t *testing.T) {
	r := onShared(t).render("node-metrics")
	daemonSet := &appsv1.DaemonSet{}
	r.the("DaemonSet", daemonSet)
	var addresses []string
	for _, arg := range daemonSet.Spec.Template.Spec.Containers[0].Args {
		if address, ok := strings.CutPrefix(arg, "--metrics-bind-address="); ok {
			addresses = append(addresses, address)
		}
	}
	if !slices.Equal(addresses, []string{":10349"}) {
		t.Errorf("node-proxy serves its metrics at %q", addresses)
	}
	monitors := r.named("PodMonitor", "")
	if len(monitors) != 1 || monitors[0].GetNamespace() != daemonSet.Namespace {
		t.Errorf("there are monitors %v", namesOf(monitors))
	}
	if rules := r.named("PrometheusRule", ""); len(rules) != 1 {
		t.Errorf("there are rules %v", namesOf(rules))
	}
}
