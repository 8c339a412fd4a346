package controllers

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// reservingWorld is a reservation, shop/promise, among Services and claims. Its namespace may have 30000-30007.
type reservingWorld struct {
	*reservationReconciler
	numbers     *allocator.FakeStore
	carriers    map[int32]*corev1.Service // the live Service that carries a number
	reservation *v1alpha1.NodePortReservation
}

var (
	// drawnNumber is of the namespace's pool mostly, else of another one, or of none.
	drawnNumber = rapid.Int32Range(30000, 30009)
	entryName   = rapid.SampledFrom([]string{"http", "admin", "dns"})
	serviceName = rapid.SampledFrom([]string{"shop/web", "shop/web", "shop/api", "blog/web"})
)

func drawReservingWorld(t *rapid.T) *reservingWorld {
	w := &reservingWorld{numbers: &allocator.FakeStore{}, carriers: map[int32]*corev1.Service{}}
	clock := testingclock.NewFakePassiveClock(noon)
	ledger := allocator.New(w.numbers, clock)
	w.numbers.Watchers = []allocator.FakeWatcher{ledger}
	w.reservationReconciler = &reservationReconciler{store: w.numbers, ledger: ledger, clock: clock}
	ledger.SetClusterRange(v1alpha1.PortRange{From: 30000, To: 30009})
	for name, numbers := range map[string]v1alpha1.PortRange{"team-a": {From: 30000, To: 30007}, "team-b": {From: 30008, To: 30008}} {
		pool := poolOn(name, 0, numbers)
		pool.Spec.NamespaceSelector.MatchLabels = map[string]string{"pool": name}
		pool.Spec.HoldSeconds, pool.Spec.MaxPortsPerService = new(int32(60)), 32
		ledger.PoolSeen(&pool)
	}
	w.drawServices(t)
	for n := int32(30000); n <= 30009; n++ {
		if rapid.IntRange(0, 2).Draw(t, "claimed") > 0 {
			claim := w.drawClaim(t, n)
			if err := w.numbers.Create(t.Context(), claim); err != nil {
				t.Fatal(err)
			}
		}
	}
	if rapid.IntRange(0, 7).Draw(t, "there") > 0 {
		w.reservation = drawReservation(t)
	}
	return w
}

// drawServices draws who carries what.
func (w *reservingWorld) drawServices(t *rapid.T) {
	services, names := map[string]*Service{}, map[string][]string{}
	for n := int32(30000); n <= 30009; n++ {
		if rapid.IntRange(0, 2).Draw(t, "carried") > 0 {
			continue
		}
		name := serviceName.Draw(t, "carrier")
		if services[name] == nil {
			services[name] = MakeService(name).UID(types.UID("of " + name))
			names[name] = rapid.Permutation([]string{"http", "admin", "dns", "a", "b", "c"}).Draw(t, "entries")
		}
		for _, protocol := range [][]PortOption{nil, {UDP}}[:rapid.IntRange(1, 2).Draw(t, "protocols")] {
			if len(names[name]) == 0 {
				break
			}
			services[name].NodePort(n, n, append(protocol, Named(names[name][0]))...)
			names[name] = names[name][1:]
		}
		if slices.Contains(numbersOf(services[name].Obj()), n) {
			w.carriers[n] = services[name].Obj()
		}
	}
	for n := range w.carriers {
		w.carriers[n] = services[nameOf(w.carriers[n]).String()].Obj() // with all of its numbers
		w.ledger.ServiceSeen(w.carriers[n])
	}
}

// drawClaim draws what the ledger has of a number.
func (w *reservingWorld) drawClaim(t *rapid.T, n int32) *v1alpha1.NodePortAllocation {
	name := serviceName.Draw(t, "owner")
	carrier := w.carriers[n]
	if carrier != nil && rapid.IntRange(0, 3).Draw(t, "another's") > 0 {
		name = nameOf(carrier).String()
	}
	a := reservedClaim(n, rapid.SliceOfNDistinct(entryName, 0, 2, rapid.ID).Draw(t, "names")...)
	a.Spec.ReservationName = ""
	_, _ = fmt.Sscanf(name, "%4s/%s", &a.Spec.ServiceRef.Namespace, &a.Spec.ServiceRef.Name)
	if a.Spec.ServiceRef.Namespace == "shop" {
		a.Spec.ReservationName = rapid.SampledFrom([]string{"", "promise", "promise", "another"}).Draw(t, "by reservation")
	}
	a.Spec.Role = rapid.SampledFrom([]v1alpha1.Role{v1alpha1.RoleTraffic, v1alpha1.RoleTraffic, v1alpha1.RoleHealthCheck}).Draw(t, "role")
	switch {
	case carrier != nil && nameOf(carrier).String() == name && rapid.IntRange(0, 2).Draw(t, "bound") > 0:
		a.Spec.ServiceUID = carrier.UID
	case carrier == nil && rapid.IntRange(0, 3).Draw(t, "its Service has just gone") == 0:
		a.Spec.ServiceUID = "gone"
	}
	if rapid.Bool().Draw(t, "claimed at a time") {
		claimed(seconds(t, 0, 2*allocator.ClaimGrace))(&a.Spec)
	}
	if rapid.Bool().Draw(t, "held until a time") {
		heldUntil(seconds(t, -time.Minute, time.Minute))(&a.Spec)
	}
	return a
}

func drawReservation(t *rapid.T) *v1alpha1.NodePortReservation {
	r := reservationOf()
	for _, name := range rapid.SliceOfNDistinct(entryName, 0, 3, rapid.ID).Draw(t, "entries") {
		entry := v1alpha1.ReservedPort{Name: name}
		if rapid.Bool().Draw(t, "names a number") {
			entry.NodePort = drawnNumber.Draw(t, "number")
		}
		r.Spec.Ports = append(r.Spec.Ports, entry)
		if rapid.Bool().Draw(t, "had a number") {
			r.Status.Ports = append(r.Status.Ports, v1alpha1.ReservedPortStatus{Name: name, NodePort: drawnNumber.Draw(t, "number")})
		}
	}
	if len(r.Spec.Ports) == 0 || rapid.IntRange(0, 4).Draw(t, "health check") == 0 {
		r.Spec.HealthCheckNodePort = drawnNumber.Draw(t, "number")
	}
	return r
}

// observe is what the reconciler's observe reads.
func (w *reservingWorld) observe() reserving {
	o := reserving{
		name: types.NamespacedName{Namespace: "shop", Name: "promise"}, reservation: w.reservation, now: noon,
		chart: w.ledger.Chart(), ledger: rules.Quiet{Ledger: w.ledger}, claims: map[int32]*v1alpha1.NodePortAllocation{},
		namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{"pool": "team-a"}}},
	}
	for n, a := range w.claims() {
		if allocator.OwnerOf(a).Namespace == "shop" {
			o.claims[n] = a
		}
	}
	for _, svc := range w.carriers {
		if nameOf(svc).String() == "shop/web" {
			o.service = svc
		}
	}
	return o
}

func (w *reservingWorld) claims() map[int32]*v1alpha1.NodePortAllocation {
	claims := map[int32]*v1alpha1.NodePortAllocation{}
	for _, a := range w.numbers.List() {
		n, _ := allocator.NumberOf(a)
		claims[n] = a
	}
	return claims
}

// keep does what the reconciler's keep does.
func (w *reservingWorld) keep(t *rapid.T) {
	o := w.observe()
	var p *promise
	if o.reservation != nil {
		p = promiseFor(o)
		problems, err := w.claim(t.Context(), o, p)
		if err != nil {
			t.Fatal(err)
		}
		w.reservation = w.reservation.DeepCopy()
		w.reservation.Status = reservationStatus(p, append(problemsOf(p.answer.Breaches...), problems...), noon)
	}
	if err := w.correct(t.Context(), o, p); err != nil {
		t.Fatal(err)
	}
}

// promises says whether the reservation says of a number that it is kept.
func (w *reservingWorld) promises(n int32) bool {
	if w.reservation == nil {
		return false
	}
	for _, p := range w.reservation.Status.Ports {
		if p.NodePort == n {
			return true
		}
	}
	return w.reservation.Status.HealthCheckNodePort == n
}

// wrongs says who is wronged by what has become of a number's claim; "": nobody is.
func (w *reservingWorld) wrongs(n int32, before, after *v1alpha1.NodePortAllocation) string {
	carrier := w.carriers[n]
	mine := after != nil && allocator.OwnerOf(after).String() == "shop/web" && after.Spec.ReservationName == "promise"
	switch {
	case w.promises(n) != mine:
		return "what is promised is not what is claimed"
	case before == nil && after == nil || before != nil && after != nil && cmp.Equal(before.Spec, after.Spec):
		return ""
	case before == nil && carrier != nil && nameOf(carrier).String() != "shop/web":
		return "another carries it"
	case before == nil && !mine:
		return "it is claimed for nobody"
	case before == nil:
		return ""
	}
	return w.wrongsOwner(carrier, before, after)
}

// wrongsOwner speaks for the Service that had a claim, or to which it was promised.
func (w *reservingWorld) wrongsOwner(carrier *corev1.Service, before, after *v1alpha1.NodePortAllocation) string {
	owner := allocator.OwnerOf(before)
	lost := after == nil || allocator.OwnerOf(after) != owner
	switch {
	case before.Spec.ReservationName == "another":
		return "another reservation keeps it"
	case carrier != nil && nameOf(carrier) == owner && (lost || after.Spec.ServiceUID != before.Spec.ServiceUID):
		return "its Service carries it"
	case lost:
		return wrongsHolder(before, after)
	}
	return ""
}

// wrongsHolder speaks for who has lost a claim, to another Service or (nil) to nobody: that may happen to a hold only.
func wrongsHolder(before, after *v1alpha1.NodePortAllocation) string {
	state := allocator.StateOf(before, noon)
	switch {
	case before.Spec.HoldUntil == nil || state != allocator.Held && state != allocator.Lapsed:
		return "it is no hold"
	case after != nil && after.UID == before.UID && after.Spec.ServiceRef.Namespace != before.Spec.ServiceRef.Namespace:
		return "another namespace's hold is taken, and not only given up for room"
	}
	return ""
}

// lacks is an entry that names no number, and has none though enough are free in the pool; "": none is.
func (w *reservingWorld) lacks(before map[int32]*v1alpha1.NodePortAllocation) string {
	free := 0
	for n := int32(30000); n <= 30007; n++ {
		if before[n] == nil && w.carriers[n] == nil {
			free++
		}
	}
	if w.reservation == nil || free < len(w.reservation.Spec.Ports)+1 { // the health check's may be one of them
		return ""
	}
	for _, p := range w.reservation.Spec.Ports {
		if p.NodePort == 0 && !slices.ContainsFunc(w.reservation.Status.Ports, func(s v1alpha1.ReservedPortStatus) bool { return s.Name == p.Name }) {
			return p.Name
		}
	}
	return ""
}

// kind says in a word what has become of a claim.
func kind(before, after *v1alpha1.NodePortAllocation) string {
	switch {
	case before == nil && after == nil || before != nil && after != nil && cmp.Equal(before.Spec, after.Spec):
		return "untouched"
	case before == nil:
		return "made"
	case after == nil:
		return "given up"
	case before.Spec.ReservationName == "":
		return "promised"
	case after.Spec.ReservationName == "":
		return "promised no more"
	}
	return "renamed"
}

// What holds whatever a reservation meets. reservation_plan_test.go is tables of cases; this is what the cases are there for.
func TestAReservationTakesNoNumberFromAnybodyAndComesToRest(t *testing.T) {
	met := map[string]int{}
	rapid.Check(t, func(t *rapid.T) {
		for range 10 {
			w := drawReservingWorld(t)
			before := w.claims()
			w.keep(t)
			after := w.claims()
			for n := int32(30000); n <= 30009; n++ {
				met[kind(before[n], after[n])]++
				if wrong := w.wrongs(n, before[n], after[n]); wrong != "" {
					t.Fatalf("%d: %s (-before +after):\n%s", n, wrong, cmp.Diff(before[n], after[n]))
				}
			}
			if entry := w.lacks(before); entry != "" {
				t.Fatalf("%s has no number: %+v", entry, w.reservation.Status)
			}
			w.rests(t)
		}
	})
	for _, kind := range []string{"untouched", "made", "promised", "promised no more", "renamed"} {
		if met[kind] == 0 {
			t.Errorf("no claim was %s", kind)
		}
	}
}

// rests wants a third look to change nothing: the second gives claims that have been promised the names of their entries. Where
// something is lacking it is the fourth: the second may claim what the first has given up.
func (w *reservingWorld) rests(t *rapid.T) {
	if w.reservation != nil && !meta.IsStatusConditionTrue(w.reservation.Status.Conditions, v1alpha1.ReservationReady) {
		w.keep(t)
	}
	w.keep(t)
	claims, reservation := w.claims(), w.reservation
	w.keep(t)
	if diff := cmp.Diff(claims, w.claims()); diff != "" {
		t.Fatalf("another look changes claims (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(reservation, w.reservation); diff != "" {
		t.Fatalf("another look changes what is said (-before +after):\n%s", diff)
	}
}
