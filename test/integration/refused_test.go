package integration

import (
	"testing"
	"time"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// Kubernetes keeps what it allocated for an update that then lost from everybody, until its repair some ten minutes later.
func TestACreationThatKubernetesRefusesGetsAnotherNumberInTheEnd(t *testing.T) {
	w := alone(t)
	clock := w.withFakeClock()
	shop := w.namespace("shop")
	kept, other := leaky.From+35, leaky.From+36
	loser := w.create(makeService(shop+"/loser").NodePort(80, leaky.From+34))
	w.loseUpdate(loser, kept)
	w.remove(loser)
	w.pool("team-a", v1alpha1.PortRange{From: kept, To: other}, serving(shop), holding(0))
	w.start(nil)

	api := w.create(makeService(shop+"/api").NodePort(80, other))
	w.wantAllBound(api)
	web := makeService(shop+"/web").NodePort(80, 0)
	if _, err := w.tryCreate(web); !refusedByKubernetes(err) {
		t.Fatalf("got %v, want Kubernetes to refuse %d", err, kept)
	}
	w.remove(api)
	w.wantLedger(shop, ledger{kept: "web Pending Automatic team-a"})
	clock.SetTime(clock.Now().Add(11 * time.Second))
	if got := number(w.create(web)); got != other {
		t.Errorf("got %d, want %d", got, other)
	}
}
