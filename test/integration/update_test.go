package integration

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestAPutWithoutNumbersKeepsThem(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	w.pool("team-a", w.allot(5), serving(shop))
	web := w.create(makeService(shop+"/web").LoadBalancer().LocalTraffic().
		NodePort(80, 0, Named("http")).NodePort(443, 0, Named("https")))
	before := numbersOf(web)
	changed := w.change(web, func(svc *corev1.Service) {
		withoutNumbers(svc)
		svc.Spec.Selector = map[string]string{"app": "web"}
	})
	for i := range web.Spec.Ports {
		if changed.Spec.Ports[i].NodePort != web.Spec.Ports[i].NodePort {
			t.Errorf("port %d went from %d to %d", i, web.Spec.Ports[i].NodePort, changed.Spec.Ports[i].NodePort)
		}
	}
	if changed.Spec.HealthCheckNodePort != web.Spec.HealthCheckNodePort {
		t.Errorf("healthCheckNodePort went from %d to %d", web.Spec.HealthCheckNodePort, changed.Spec.HealthCheckNodePort)
	}
	want := ledger{}
	for _, n := range before {
		want[n] = "web Bound Automatic team-a"
	}
	w.wantLedger(shop, want)
}

func TestARenamedPortKeepsItsNumber(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	w.pool("team-a", w.allot(5), serving(shop))
	web := w.create(makeService(shop+"/web").NodePort(80, 0, Named("http")).NodePort(443, 0, Named("https")))
	renamed := w.change(web, func(svc *corev1.Service) {
		withoutNumbers(svc)
		svc.Spec.Ports[0].Name = "web"
	})
	if number(renamed) != number(web) {
		t.Errorf("the number went from %d to %d", number(web), number(renamed))
	}
	w.eventually("the claim has the new name", func() error {
		if got := w.claim(number(web)).Spec.Ports[0].Name; got != "web" {
			return fmt.Errorf("it has %q", got)
		}
		return nil
	})
	w.wantLedger(shop, ledger{number(web): "web Bound Automatic team-a", web.Spec.Ports[1].NodePort: "web Bound Automatic team-a"})
}

func TestAnAddedPortGetsANumberAndARemovedOneIsHeld(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(5)
	w.pool("team-a", numbers, serving(shop))
	web := w.create(makeService(shop+"/web").NodePort(80, 0, Named("http")))
	both := w.change(web, addPort)
	added := both.Spec.Ports[1].NodePort
	w.wantWithin(both, numbers, 2)
	w.wantLedger(shop, ledger{number(web): "web Bound Automatic team-a", added: "web Bound Automatic team-a"})

	w.change(web, func(svc *corev1.Service) { svc.Spec.Ports = svc.Spec.Ports[:1] })
	w.wantLedger(shop, ledger{number(web): "web Bound Automatic team-a", added: "web Held Automatic team-a"})
	again := w.change(web, func(svc *corev1.Service) { svc.Spec.Ports = both.Spec.Ports; svc.Spec.Ports[1].NodePort = 0 })
	if got := again.Spec.Ports[1].NodePort; got != added {
		t.Errorf("the port came back with %d, want its old number %d", got, added)
	}
}

func TestAnExplicitChangeMovesTheClaim(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(5)
	w.pool("team-a", numbers, serving(shop))
	web := w.create(makeService(shop+"/web").NodePort(80, numbers.From))
	w.change(web, func(svc *corev1.Service) { svc.Spec.Ports[0].NodePort = numbers.To })
	w.wantLedger(shop, ledger{numbers.From: "web Held Explicit team-a", numbers.To: "web Bound Explicit team-a"})

	_, err := w.tryChange(web, func(svc *corev1.Service) { svc.Spec.Ports[0].NodePort = numbers.To + 1 })
	w.wantRefusal(err, `not in the node port ranges of namespace "shop"`)
	w.wantLedger(shop, ledger{numbers.From: "web Held Explicit team-a", numbers.To: "web Bound Explicit team-a"})
}

func TestAServiceThatIsOutsideOfItsRangesTakesALabelAndLosesAFinalizer(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers, elsewhere := w.allot(3), w.allot(3)
	pool := w.pool("team-a", numbers, serving(shop))
	svc := makeService(shop+"/web").NodePort(80, 0).Obj()
	svc.Finalizers = []string{"example.com/cleanup"}
	w.must(w.Create(t.Context(), svc))
	w.wantLedger(shop, ledger{number(svc): "web Bound Automatic team-a"})
	w.changePool(pool, func(s *v1alpha1.NodePortPoolSpec) { s.Ranges = []v1alpha1.PortRange{elsewhere} })

	labelled := w.change(svc, func(svc *corev1.Service) { svc.Labels = map[string]string{"tier": "front"} })
	if number(labelled) != number(svc) || labelled.Labels["tier"] != "front" {
		t.Errorf("got number %d and labels %v, want %d and the label", number(labelled), labelled.Labels, number(svc))
	}
	// What is new is judged.
	_, err := w.tryChange(svc, func(svc *corev1.Service) { svc.Spec.Ports[0].NodePort = numbers.To })
	if number(svc) == numbers.To {
		_, err = w.tryChange(svc, func(svc *corev1.Service) { svc.Spec.Ports[0].NodePort = numbers.From })
	}
	w.wantRefusal(err, `not in the node port ranges of namespace "shop"`)

	w.remove(svc)
	w.dropFinalizers(svc)
	w.eventually("the Service goes", func() error {
		return stillThere(w.Get(t.Context(), client.ObjectKeyFromObject(svc), &corev1.Service{}))
	})
}

func TestDryRunAnswersWithANumberOfThePoolAndWritesNothing(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(5)
	w.pool("team-a", numbers, serving(shop))

	dry := w.create(makeService(shop+"/web").NodePort(80, 0), client.DryRunAll)
	w.wantWithin(dry, numbers, 1)
	dry = w.create(makeService(shop+"/web").NodePort(80, numbers.From), client.DryRunAll)
	w.wantWithin(dry, numbers, 1)
	_, err := w.tryCreate(makeService(shop+"/web").NodePort(80, numbers.To+1), client.DryRunAll)
	w.wantRefusal(err, `not in the node port ranges of namespace "shop"`)
	if got := w.ledgerOf(shop); len(got) > 0 {
		t.Errorf("dry-runs of a create left %v", got)
	}

	web := w.create(makeService(shop+"/web").NodePort(80, 0, Named("http")))
	want := ledger{number(web): "web Bound Automatic team-a"}
	w.wantLedger(shop, want)
	changed, err := w.tryChange(web, addPort, client.DryRunAll)
	w.must(err)
	w.wantWithin(changed, numbers, 2)
	if number(changed) != number(web) {
		t.Errorf("dry-run answers with %d for the port that has %d", number(changed), number(web))
	}
	w.wantLedger(shop, want)
	if got := w.fetch(web); len(got.Spec.Ports) != 1 {
		t.Errorf("a dry-run changed the Service: %v", got.Spec.Ports)
	}
	// Another type of request that must not write: one of a dry-run for a Service that exists.
	if _, err := w.tryCreate(makeService(shop+"/web").NodePort(80, 0), client.DryRunAll); err == nil {
		t.Error("a dry-run of creating what exists succeeded")
	}
	w.wantLedger(shop, want)
}

func TestDryRunOfANumberPickedNativelyIsNotRefused(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(1)
	// Kubernetes' dummies for a dry-run are outside of the pool, and nobody asked for them.
	w.pool("team-a", numbers, serving(shop), func(s *v1alpha1.NodePortPoolSpec) { s.Enforcement = v1alpha1.EnforcementWarn })
	w.create(makeService(shop+"/web").NodePort(80, numbers.From))
	w.create(makeService(shop+"/api").NodePort(80, 0), client.DryRunAll)
}

const webManifest = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: LoadBalancer
  externalTrafficPolicy: Local
  ports: [{name: http, port: 80}, {name: dns, port: 53, protocol: TCP}, {name: dns-udp, port: 53, protocol: UDP}]
  selector: {app: web}
`

func TestServerSideApplyTwiceChangesNothingAndLeavesNoDiff(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(6)
	w.pool("team-a", numbers, serving(shop))
	w.mustKubectl(webManifest, "apply", "-n", shop, "--server-side", "-f", "-")
	first := w.fetch(makeService(shop + "/web").Obj())
	w.wantWithin(first, numbers, 3)
	w.wantAllBound(first)

	w.mustKubectl(webManifest, "apply", "-n", shop, "--server-side", "-f", "-")
	if second := w.fetch(first); second.ResourceVersion != first.ResourceVersion {
		t.Errorf("the second apply wrote: numbers %v, were %v", numbersOf(second), numbersOf(first))
	}
	for _, how := range []string{"--server-side", "--server-side=false"} {
		if diff, err := w.kubectl(webManifest, "diff", "-n", shop, how, "-f", "-"); err != nil || diff != "" {
			t.Errorf("kubectl diff %s: %v\n%s", how, err, diff)
		}
	}
	w.wantNumbersWithoutManager(first)
}

func TestClientSideApplyTwiceChangesNothingAndLeavesNoDiff(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(6)
	w.pool("team-a", numbers, serving(shop))
	w.mustKubectl(webManifest, "apply", "-n", shop, "-f", "-")
	first := w.fetch(makeService(shop + "/web").Obj())
	w.wantWithin(first, numbers, 3)
	w.wantAllBound(first)
	if got, want := w.mustKubectl(webManifest, "apply", "-n", shop, "-f", "-"), "service/web unchanged\n"; got != want {
		t.Errorf("the second apply prints %q, want %q", got, want)
	}
	if diff, err := w.kubectl(webManifest, "diff", "-n", shop, "-f", "-"); err != nil || diff != "" {
		t.Errorf("kubectl diff: %v\n%s", err, diff)
	}
	w.wantNumbersWithoutManager(first)
}

// wantAllBound waits until each number of a Service is its own in the ledger.
func (w *world) wantAllBound(svc *corev1.Service) {
	w.Helper()
	for _, n := range numbersOf(svc) {
		w.eventually("claims are bound", func() error {
			if a := w.claim(n); a == nil || a.Spec.ServiceUID != svc.UID {
				return fmt.Errorf("%d: %+v", n, a)
			}
			return nil
		})
	}
}

// wantNumbersWithoutManager fails the test if a field manager owns a number: then tools would want to keep it.
func (w *world) wantNumbersWithoutManager(svc *corev1.Service) {
	w.Helper()
	for _, entry := range w.fetch(svc).ManagedFields {
		if entry.Operation == metav1.ManagedFieldsOperationApply || entry.Subresource == "" {
			if fields := entry.FieldsV1.GetRawString(); containsAny(fields, "f:nodePort", "f:healthCheckNodePort") {
				w.Errorf("%s owns a number: %s", entry.Manager, fields)
			}
		}
	}
}
