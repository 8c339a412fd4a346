package integration

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/manager"
	"github.com/portolan-dev/portolan/internal/metrics"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestTheInstallationOnAFreshClusterPrintsNoWarning(t *testing.T) {
	for line := range strings.Lines(shared.printed) {
		if !strings.HasSuffix(line, " created\n") {
			t.Errorf("kubectl apply prints %q", line)
		}
	}
	if !strings.Contains(shared.printed, "nodeportpools.portolan.dev created") {
		t.Errorf("kubectl apply prints\n%s", shared.printed)
	}
}

func TestTheNodePortRangeIsLearnedFromTheAPIServer(t *testing.T) {
	w := alone(t)
	r := w.start(nil)
	if got := r.Ledger.Chart().ClusterRange(); got != secondRange {
		t.Errorf("learned %v, want %v", got, secondRange)
	}
	shop := w.namespace("shop")
	_, err := w.tryCreate(makeService(shop+"/web").NodePort(80, 30500))
	w.wantRefusal(err, "provided port is not in the valid range. The range of valid ports is 31000-34999")
	w.pool("team-a", v1alpha1.PortRange{From: 34990, To: 34999}, serving(shop))
	w.wantWithin(w.create(makeService(shop+"/web").NodePort(80, 0)), v1alpha1.PortRange{From: 34990, To: 34999}, 1)
	if services := w.mustKubectl("", "get", "services", "-n", "portolan-system", "-o", "name"); strings.Contains(services, "discovery") {
		t.Errorf("the discovery left %s", services)
	}
}

func TestTheNodePortRangeCanBeGiven(t *testing.T) {
	w := alone(t)
	r := w.start(func(o *manager.Options) { o.ServiceNodePortRange = "32000-32999" })
	if got, want := r.Ledger.Chart().ClusterRange(), (v1alpha1.PortRange{From: 32000, To: 32999}); got != want {
		t.Errorf("the range is %v, want %v", got, want)
	}
}

// TestOnlyServicesThatUseNodePortsReachTheWebhooks counts, so it runs by itself.
func TestOnlyServicesThatUseNodePortsReachTheWebhooks(t *testing.T) {
	w := onShared(t)
	shop := w.namespace("shop")
	w.pool("team-a", w.allot(5), serving(shop))
	decisions := func() (count float64) {
		for _, webhook := range []string{"default", "validate"} {
			for _, operation := range []string{"CREATE", "UPDATE"} {
				for _, result := range []string{"allowed", "refused", "failed"} {
					count += testutil.ToFloat64(metrics.AdmissionDecisions.WithLabelValues(webhook, operation, result))
				}
			}
		}
		return count
	}

	before := decisions()
	headless := makeService(shop + "/headless").Port(80).Obj()
	headless.Spec.ClusterIP = corev1.ClusterIPNone
	external := makeService(shop + "/external").Type(corev1.ServiceTypeExternalName).Port(80).Obj()
	external.Spec.ExternalName = "example.com"
	for _, svc := range []*corev1.Service{
		makeService(shop + "/cluster-ip").Port(80).Obj(), headless, external,
		makeService(shop + "/lb").LoadBalancer().AllocateNodePorts(false).Port(80).Obj(),
	} {
		w.must(w.Create(t.Context(), svc))
		w.change(svc, relabel)
		w.remove(svc)
	}
	if got := decisions() - before; got != 0 {
		t.Errorf("Services without node ports had %v decisions", got)
	}

	before = decisions()
	web := w.create(makeService(shop+"/web").NodePort(80, 0, Named("http")))
	w.change(web, relabel)
	if got := decisions() - before; got != 2 {
		t.Errorf("a Service with a node port had %v decisions for its create and another label, want 2 of its create", got)
	}
	before = decisions()
	w.change(web, addPort)
	if got := decisions() - before; got != 2 {
		t.Errorf("its change to two ports had %v decisions, want 2", got)
	}
	before = decisions()
	w.remove(web)
	if got := decisions() - before; got != 0 {
		t.Errorf("its deletion had %v decisions", got)
	}
	w.create(makeService(shop + "/hole").LoadBalancer().AllocateNodePorts(false).Port(80).LocalTraffic())
	if got := decisions() - before; got != 2 {
		t.Errorf("a Service with a health check alone had %v decisions, want 2", got)
	}
}
