package integration

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestServicesOlderThanPortolanAreAdoptedAndNeverChanged(t *testing.T) {
	w := alone(t)
	shop, office, none := w.namespace("shop"), w.namespace("office"), w.namespace("none")
	numbers := v1alpha1.PortRange{From: 31100, To: 31109}
	before := []*corev1.Service{
		w.create(makeService(shop+"/inside").NodePort(80, 31101)),
		w.create(makeService(shop+"/outside").NodePort(80, 34000)),
		w.create(makeService(shop+"/both").NodePort(80, 31102, Named("a")).NodePort(81, 34001, Named("b"))),
		w.create(makeService(shop+"/shared").NodePort(53, 31103, Named("tcp")).NodePort(53, 31103, Named("udp"), UDP)),
		w.create(makeService(shop+"/lb").LoadBalancer().LocalTraffic().NodePort(80, 31104).HealthCheck(31105)),
		w.create(makeService(shop + "/closed").Port(80)),
		w.create(makeService(office+"/theirs").NodePort(80, 31106)),
		w.create(makeService(none+"/common").NodePort(80, 34002)),
	}
	w.wantLedger(shop, ledger{})
	w.pool("team-a", numbers, serving(shop))
	w.start(nil)

	w.wantLedger(shop, ledger{
		31101: "inside Bound Adopted team-a", 34000: "outside Bound Adopted",
		31102: "both Bound Adopted team-a", 34001: "both Bound Adopted",
		31103: "shared Bound Adopted team-a", 31104: "lb Bound Adopted team-a", 31105: "lb Bound Adopted team-a",
	})
	w.wantLedger(office, ledger{31106: "theirs Bound Adopted team-a"})
	w.wantLedger(none, ledger{34002: "common Bound Adopted"})
	if claim := w.wantReason(31105, v1alpha1.AllocationReasonInUse); claim.Spec.Role != v1alpha1.RoleHealthCheck {
		t.Errorf("the health check's role is %q", claim.Spec.Role)
	}
	troubles := map[string]string{
		"inside": "", "shared": "", "lb": "", "closed": "", "common": "",
		"outside": `the Service keeps its number: spec.ports[0].nodePort: Invalid value: 34000: not in the node port ranges of namespace "shop": 31100-31109`,
		"both":    `the Service keeps its number: spec.ports[1].nodePort: Invalid value: 34001: not in the node port ranges of namespace "shop": 31100-31109`,
		"theirs":  `the Service keeps its number: spec.ports[0].nodePort: Invalid value: 31106: in a pool that does not serve namespace "office"`,
	}
	for _, svc := range before {
		want, reason := troubles[svc.Name], ""
		if want != "" {
			reason = reasonMisplaced
		}
		if got := w.inTestsWords(w.wantTrouble(svc, reason)); !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("%s: the condition says %q, want %q", svc.Name, got, want)
		}
		if now := w.fetch(svc); now.Generation != svc.Generation || !equality.Semantic.DeepEqual(now.Spec, svc.Spec) {
			t.Errorf("%s was changed", svc.Name)
		}
	}
	// What they have is never given to others.
	_, err := w.tryCreate(makeService(shop+"/new").NodePort(80, 31106))
	w.wantRefusal(err, "already allocated in another namespace")
	for range 10 - 6 {
		generated := makeService(shop+"/").NodePort(80, 0).Obj()
		generated.GenerateName = "new-"
		w.must(w.Create(t.Context(), generated))
	}
	_, err = w.tryCreate(makeService(shop+"/new").NodePort(80, 0))
	w.wantRefusal(err, "10 of 10 in use or held")
}

func TestWhileTheManagerIsAwayServicesAreMadeNativelyAndAdoptedLater(t *testing.T) {
	w := alone(t)
	w.start(nil)
	shop := w.namespace("shop")
	numbers := v1alpha1.PortRange{From: 31100, To: 31109}
	w.pool("team-a", numbers, serving(shop))
	web := w.create(makeService(shop+"/web").NodePort(80, 0))
	gone := w.create(makeService(shop+"/gone").NodePort(80, 0))
	moved := w.create(makeService(shop+"/moved").NodePort(80, freeOf(numbers, number(web), number(gone))))
	w.wantAllBound(web)
	w.wantAllBound(gone)
	w.wantAllBound(moved)
	w.awaitVerdict(makeService(shop+"/outside").NodePort(80, 34567), true)

	w.stop()
	w.remove(gone)
	native := w.create(makeService(shop+"/native").NodePort(80, 0))
	inside := freeOf(numbers, number(web), number(gone), number(moved), number(native))
	explicit := w.create(makeService(shop+"/explicit").NodePort(80, inside))
	was := number(moved)
	to := freeOf(numbers, number(web), number(gone), number(moved), number(native), inside)
	w.change(moved, func(svc *corev1.Service) { svc.Spec.Ports[0].NodePort = to })
	if native.Spec.Ports[0].NodePort == 0 {
		t.Fatal("no number without the manager")
	}
	w.change(web, func(svc *corev1.Service) { svc.Labels = map[string]string{"tier": "front"} })

	w.start(nil)
	want := ledger{
		number(web): "web Bound Automatic team-a", number(gone): "gone Held Automatic team-a",
		was: "moved Held Explicit team-a", to: "moved Bound Adopted team-a", inside: "explicit Bound Adopted team-a",
		number(native): "native Bound Adopted",
	}
	trouble := reasonMisplaced
	if within(numbers, number(native)) {
		want[number(native)] += " team-a"
		trouble = ""
	}
	w.wantLedger(shop, want)
	w.wantTrouble(native, trouble)
	w.wantTrouble(explicit, "")
	if got := number(w.fetch(native)); got != number(native) {
		t.Errorf("the Service that was made meanwhile went from %d to %d", number(native), got)
	}
	back := w.create(makeService(shop+"/gone").NodePort(80, 0))
	if number(back) != number(gone) {
		t.Errorf("the Service deleted meanwhile came back with %d, want %d", number(back), number(gone))
	}
}

func TestAnAdoptedServiceOutsideOfItsRangesTakesALabelAndLosesAFinalizer(t *testing.T) {
	w := alone(t)
	shop := w.namespace("shop")
	w.pool("team-a", v1alpha1.PortRange{From: 31100, To: 31109}, serving(shop))
	old := makeService(shop+"/old").NodePort(80, 34000).Obj()
	old.Finalizers = []string{"example.com/cleanup"}
	w.must(w.Create(t.Context(), old))
	w.start(nil)
	w.wantLedger(shop, ledger{34000: "old Bound Adopted"})
	w.change(old, func(svc *corev1.Service) { svc.Labels = map[string]string{"tier": "front"} })
	_, err := w.tryChange(old, func(svc *corev1.Service) { svc.Spec.Ports[0].NodePort = 34001 })
	w.wantRefusal(err, `not in the node port ranges of namespace "shop": 31100-31109; free now: 31100, 31101, 31102`)
	w.remove(old)
	w.dropFinalizers(old)
	w.wantLedger(shop, ledger{}) // it could not be given that number again, so that is not held for it
}
