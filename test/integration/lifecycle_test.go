package integration

import (
	"errors"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// stillThere is nil where err is NotFound.
func stillThere(err error) error {
	if err == nil {
		return errors.New("it is still there")
	}
	return client.IgnoreNotFound(err)
}

// dropFinalizers lets go of a Service that waits for them.
func (w *world) dropFinalizers(svc *corev1.Service) {
	w.Helper()
	w.must(w.Patch(w.Context(), svc, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))))
}

func TestANumberIsInUseUntilItsServiceIsReallyGone(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	w.pool("team-a", w.allot(1), serving(shop))
	web := makeService(shop+"/web").NodePort(80, 0).Obj()
	web.Finalizers = []string{"example.com/cleanup"}
	w.must(w.Create(t.Context(), web))
	w.wantLedger(shop, ledger{number(web): "web Bound Automatic team-a"})

	w.remove(web)
	_, err := w.tryCreate(makeService(shop+"/api").NodePort(80, number(web)))
	w.wantRefusal(err, `already allocated to Service "web" in this namespace`)
	w.wantLedger(shop, ledger{number(web): "web Bound Automatic team-a"})
	w.dropFinalizers(web)
	w.wantLedger(shop, ledger{number(web): "web Held Automatic team-a"})
}

func TestADeletedNamespaceGoesAndItsNumbersAreHeld(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	w.pool("team-a", w.allot(5), serving(shop))
	web, api := w.create(makeService(shop+"/web").NodePort(80, 0)), w.create(makeService(shop+"/api").NodePort(80, 0))
	w.must(w.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: shop}}))
	w.eventually("the namespace goes", func() error {
		return stillThere(w.Get(t.Context(), client.ObjectKey{Name: shop}, &corev1.Namespace{}))
	})
	w.wantLedger(shop, ledger{number(web): "web Held Automatic team-a", number(api): "api Held Automatic team-a"})
}

func TestADeletedServiceComesBackWithItsNumbers(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	pool := w.pool("team-a", w.allot(20), serving(shop))
	manifest := makeService(shop+"/web").LoadBalancer().LocalTraffic().
		NodePort(80, 0, Named("http")).NodePort(443, 0, Named("https"))
	web := w.create(manifest)
	w.wantAllBound(web)
	w.remove(web)
	w.wantCounts(pool, v1alpha1.PoolPorts{Total: 20, Held: 3, Free: 17})

	restored := w.create(manifest) // as Velero does: without numbers
	for i := range web.Spec.Ports {
		if got, want := restored.Spec.Ports[i].NodePort, web.Spec.Ports[i].NodePort; got != want {
			t.Errorf("port %d came back with %d, want %d", i, got, want)
		}
	}
	if got, want := restored.Spec.HealthCheckNodePort, web.Spec.HealthCheckNodePort; got != want {
		t.Errorf("healthCheckNodePort came back as %d, want %d", got, want)
	}
	w.wantAllBound(restored)
	w.wantCounts(pool, v1alpha1.PoolPorts{Total: 20, Bound: 3, Free: 17})
}

func TestAServiceCanBeReplacedInOneGoAgainAndAgain(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(1)
	w.pool("team-a", numbers, serving(shop))
	for _, n := range []int32{0, numbers.From, 0, numbers.From} { // the controllers need not have seen anything between
		web := w.create(makeService(shop+"/web").NodePort(80, n))
		w.wantWithin(web, numbers, 1)
		w.remove(web)
	}
	web := w.create(makeService(shop+"/web").NodePort(80, 0))
	w.wantAllBound(web)
}

func TestAnEntryOfTheLedgerThatIsDeletedUnderALiveServiceComesBack(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(1)
	w.pool("team-a", numbers, serving(shop))
	web := w.create(makeService(shop+"/web").NodePort(80, 0))
	w.wantAllBound(web)
	w.must(w.Delete(t.Context(), w.claim(number(web))))
	w.wantLedger(shop, ledger{number(web): "web Bound Adopted team-a"})
	_, err := w.tryCreate(makeService(shop+"/api").NodePort(80, 0))
	w.wantRefusal(err, "no node port is free")
	if got := number(w.fetch(web)); got != number(web) {
		t.Errorf("the Service now has %d", got)
	}
}

func TestAHoldIsTakenOverWithinItsNamespaceOnly(t *testing.T) {
	w := share(t)
	shop, other := w.namespace("shop"), w.namespace("other")
	numbers := w.allot(5)
	w.pool("team-a", numbers, serving(shop, other))
	blue := w.create(makeService(shop+"/blue").NodePort(80, 0))
	w.wantAllBound(blue)
	n := number(blue)
	w.remove(blue)
	w.wantLedger(shop, ledger{n: "blue Held Automatic team-a"})

	_, err := w.tryCreate(makeService(other+"/web").NodePort(80, n))
	w.wantRefusal(err, fmt.Sprintf("spec.ports[0].nodePort: Invalid value: %d: already allocated in another namespace; free now: ", n))
	w.wantLedger(shop, ledger{n: "blue Held Automatic team-a"})

	green := fmt.Sprintf(`{apiVersion: v1, kind: Service, metadata: {name: green, namespace: %s}, spec: {type: NodePort, ports: [{port: 80, nodePort: %d}]}}`, shop, n)
	out := w.mustKubectl(green, "create", "-f", "-")
	want := fmt.Sprintf("Warning: spec.ports[0].nodePort: %d was held for Service \"blue\" of this namespace and is taken over\nservice/green created\n", n)
	if out != want {
		t.Errorf("kubectl prints %q, want %q", out, want)
	}
	w.wantLedger(shop, ledger{n: "green Bound Explicit team-a"})
}

func TestWithoutAHoldANumberIsFreeAtOnce(t *testing.T) {
	w := share(t)
	shop, other := w.namespace("shop"), w.namespace("other")
	w.pool("team-a", w.allot(1), serving(shop, other), holding(0))
	web := w.create(makeService(shop+"/web").NodePort(80, 0))
	w.wantAllBound(web)
	w.remove(web)
	w.wantLedger(shop, ledger{})
	w.create(makeService(other+"/web").NodePort(80, number(web)))
}

func TestAShortHoldEndsByItself(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	pool := w.pool("team-a", w.allot(1), serving(shop), holding(1))
	web := w.create(makeService(shop+"/web").NodePort(80, 0))
	w.wantAllBound(web)
	w.remove(web)
	w.wantLedger(shop, ledger{})
	w.wantCounts(pool, v1alpha1.PoolPorts{Total: 1, Free: 1})
}
