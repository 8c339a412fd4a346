package integration

import (
	"fmt"
	"testing"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestAReservedNumberThatKubernetesGaveAwayIsItsCarriersUntilThatGoes(t *testing.T) {
	w := alone(t)
	w.start(nil)
	shop := w.namespace("shop")
	w.pool("team-a", v1alpha1.PortRange{From: 31100, To: 31109}, serving(shop), holding(0))
	r := w.reserve(shop+"/promise", "web", entry("http", 31101))
	w.stop()
	api := w.create(makeService(shop+"/api").NodePort(80, 31101))
	w.start(nil)

	w.wantMessage(w.wantReservation(r, v1alpha1.ReservationReasonNumberTaken),
		`spec.ports[0].nodePort: Invalid value: 31101: already allocated to Service "api" in this namespace`)
	w.wantLedger(shop, ledger{31101: "api Bound Adopted team-a"})
	if got := number(w.fetch(api)); got != 31101 {
		t.Errorf("the Service now has %d", got)
	}
	w.remove(api)
	w.wantReservation(r, v1alpha1.ReservationReasonReserved)
	w.wantLedger(shop, ledger{31101: "web Reserved Explicit team-a"})
}

func TestReservationsMadeAndDeletedWhileTheManagerIsAwayAreSeenLater(t *testing.T) {
	w := alone(t)
	w.start(nil)
	shop := w.namespace("shop")
	w.pool("team-a", v1alpha1.PortRange{From: 31100, To: 31109}, serving(shop))
	gone := w.reserve(shop+"/gone", "old", entry("http", 31101))
	remade := w.reserve(shop+"/remade", "old", entry("admin", 31102))
	stays := w.reserve(shop+"/stays", "api", entry("http", 0))
	w.stop()
	w.must(w.Delete(t.Context(), gone))
	w.must(w.Delete(t.Context(), remade))
	remade = w.promise(shop+"/remade", "new", entry("admin", 31102)) // now for another Service
	free := freeOf(v1alpha1.PortRange{From: 31103, To: 31109}, reservedFor(stays, "http"))
	web := w.create(makeService(shop+"/web").NodePort(80, free, Named("http")))
	made := w.promise(shop+"/made", "web", entry("http", 0))
	native := w.create(makeService(shop+"/api").NodePort(80, 0, Named("http")))
	w.start(nil)

	for _, r := range []*v1alpha1.NodePortReservation{remade, stays, made} {
		w.wantReservation(r, v1alpha1.ReservationReasonReserved)
	}
	want := ledger{31101: "old Held Explicit team-a", 31102: "new Reserved Explicit team-a", free: "web Bound Adopted team-a",
		reservedFor(stays, "http"): "api Reserved Automatic team-a", number(native): "api Bound Adopted"}
	if within(v1alpha1.PortRange{From: 31100, To: 31109}, number(native)) {
		want[number(native)] += " team-a"
	}
	w.wantLedger(shop, want)
	if kept(made) != fmt.Sprintf("http=%d", free) {
		t.Errorf("the reservation for a Service that is there keeps %s", kept(made))
	}
	if got := number(w.fetch(web)); got != free {
		t.Errorf("the Service now has %d", got)
	}
	// What the API server chose stays as long as the Service; the next one has the number that is reserved.
	w.remove(native)
	again := w.create(makeService(shop+"/api").NodePort(80, 0, Named("http")))
	if number(again) != reservedFor(stays, "http") {
		t.Errorf("the Service came back with %d, want %s", number(again), kept(stays))
	}
}
