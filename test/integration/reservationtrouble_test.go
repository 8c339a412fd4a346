package integration

import (
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// promise makes a reservation, which need not become ready.
func (w *world) promise(name, service string, options ...reservationOption) *v1alpha1.NodePortReservation {
	w.Helper()
	r := makeReservation(name, service, options...)
	w.must(w.Create(w.Context(), r))
	return r
}

// wantMessage fails the test unless a message is as wanted.
func (w *world) wantMessage(got, want string) {
	w.Helper()
	if got != want {
		w.Errorf("the condition says\n%s\nwant\n%s", got, want)
	}
}

// wantReservationEvent waits for an event of a reservation.
func (w *world) wantReservationEvent(r *v1alpha1.NodePortReservation, kind, reason, text string) {
	w.Helper()
	w.eventually("event "+reason, func() error {
		events := &eventsv1.EventList{}
		if err := w.List(w.Context(), events, client.InNamespace(r.Namespace)); err != nil {
			return err
		}
		var notes []string
		for _, e := range events.Items {
			if e.Regarding.Name == r.Name && e.Regarding.Kind == "NodePortReservation" {
				if e.Type == kind && e.Reason == reason && w.inTestsWords(e.Note) == text {
					return nil
				}
				notes = append(notes, e.Type+" "+e.Reason+" "+e.Note)
			}
		}
		return fmt.Errorf("want %q, got %q", text, notes)
	})
}

func TestAReservationNeverTakesALiveServicesNumberAndHealsWhenItGoes(t *testing.T) {
	for _, c := range []struct{ name, owner, says string }{
		{"of its namespace", "shop", `already allocated to Service "api" in this namespace`},
		{"of another namespace", "other", "already allocated in another namespace"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := share(t)
			spaces := map[string]string{"shop": w.namespace("shop"), "other": w.namespace("other")}
			numbers := w.allot(5)
			w.pool("team-a", numbers, serving(spaces["shop"], spaces["other"]), holding(0))
			api := w.create(makeService(spaces[c.owner]+"/api").NodePort(80, numbers.From))
			w.wantAllBound(api)
			// What can be kept is kept.
			r := w.promise(spaces["shop"]+"/promise", "web", entry("http", numbers.From), entry("admin", numbers.To), entry("more", 0))
			says := fmt.Sprintf("spec.ports[0].nodePort: Invalid value: %d: %s", numbers.From, c.says)
			w.wantMessage(w.wantReservation(r, v1alpha1.ReservationReasonNumberTaken), says)
			w.wantReservationEvent(r, corev1.EventTypeWarning, v1alpha1.ReservationReasonNumberTaken, says)
			more := reservedFor(r, "more")
			if got, want := kept(r), fmt.Sprintf("admin=%d more=%d", numbers.To, more); got != want || more == 0 {
				t.Errorf("it keeps %s", got)
			}
			w.wantReason(numbers.From, v1alpha1.AllocationReasonInUse)

			w.remove(api)
			message := w.wantReservation(r, v1alpha1.ReservationReasonReserved)
			w.wantMessage(message, fmt.Sprintf(`kept for Service "web": %d, %d, %d`, numbers.From, min(more, numbers.To), max(more, numbers.To)))
			w.wantReservationEvent(r, corev1.EventTypeNormal, v1alpha1.ReservationReasonReserved, message)
			w.wantReason(numbers.From, v1alpha1.AllocationReasonReserved)
		})
	}
}

func TestAReservationTakesOverAHoldOfItsNamespaceAndOfNoOther(t *testing.T) {
	w := share(t)
	shop, other := w.namespace("shop"), w.namespace("other")
	numbers := w.allot(5)
	w.pool("team-a", numbers, serving(shop, other))
	for _, name := range []string{shop + "/old", other + "/old"} {
		n := numbers.From
		if name == other+"/old" {
			n = numbers.To
		}
		old := w.create(makeService(name).NodePort(80, n))
		w.wantAllBound(old)
		w.remove(old)
		w.wantReason(n, v1alpha1.AllocationReasonHeld)
	}
	w.reserve(shop+"/promise", "web", entry("http", numbers.From))
	w.wantLedger(shop, ledger{numbers.From: "web Reserved Explicit team-a"})
	r := w.promise(shop+"/more", "web", entry("http", numbers.To))
	w.wantMessage(w.wantReservation(r, v1alpha1.ReservationReasonNumberTaken),
		fmt.Sprintf("spec.ports[0].nodePort: Invalid value: %d: already allocated in another namespace", numbers.To))
	w.wantLedger(other, ledger{numbers.To: "old Held Explicit team-a"})
}

func TestOfTwoReservationsForOneNumberTheFirstHasItUntilItIsDeleted(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(5)
	w.pool("team-a", numbers, serving(shop))
	first := w.reserve(shop+"/first", "web", entry("http", numbers.From))
	second := w.promise(shop+"/second", "api", entry("http", numbers.From))
	w.wantMessage(w.wantReservation(second, v1alpha1.ReservationReasonNumberTaken), fmt.Sprintf(
		`spec.ports[0].nodePort: Invalid value: %d: reserved for Service "web" in this namespace by NodePortReservation "first"`, numbers.From))
	w.wantLedger(shop, ledger{numbers.From: "web Reserved Explicit team-a"})
	w.must(w.Delete(t.Context(), first))
	w.wantReservation(second, v1alpha1.ReservationReasonReserved) // out of the hold
	w.wantLedger(shop, ledger{numbers.From: "api Reserved Explicit team-a"})
}

func TestAReservationForAFullPoolHealsWhenANumberIsGivenUp(t *testing.T) {
	w := share(t)
	shop, other := w.namespace("shop"), w.namespace("other")
	numbers := w.allot(1)
	w.pool("team-a", numbers, serving(shop, other))
	api := w.create(makeService(other+"/api").NodePort(80, 0))
	w.wantAllBound(api)
	r := w.promise(shop+"/promise", "web", entry("http", 0))
	w.wantMessage(w.wantReservation(r, v1alpha1.ReservationReasonNumberTaken),
		`spec.ports: Forbidden: no node port is free in the ranges of namespace "shop" (pool "team-a": 1 of 1 in use or held)`)
	w.remove(api) // its hold is given up
	w.wantReservation(r, v1alpha1.ReservationReasonReserved)
	w.wantLedger(shop, ledger{numbers.From: "web Reserved Automatic team-a"})
}

func TestReservationsCountForTheQuotaAndHealWhenThereIsRoom(t *testing.T) {
	for _, c := range []struct {
		name string
		heal func(w *world, pool *v1alpha1.NodePortPool, other *corev1.Service)
	}{
		{"a Service of the namespace goes", func(w *world, _ *v1alpha1.NodePortPool, api *corev1.Service) { w.remove(api) }},
		{"the limit is raised", func(w *world, pool *v1alpha1.NodePortPool, _ *corev1.Service) { w.changePool(pool, limitedTo(4)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := share(t)
			shop := w.namespace("shop")
			numbers := w.allot(20)
			pool := w.pool("team-a", numbers, serving(shop), limitedTo(3))
			api := w.create(makeService(shop+"/api").NodePort(80, numbers.From))
			w.wantAllBound(api)
			r := w.promise(shop+"/promise", "web", entry("http", numbers.To), entry("admin", 0), entry("more", 0))
			w.wantMessage(w.wantReservation(r, v1alpha1.ReservationReasonQuotaExceeded),
				`spec.ports: Forbidden: pool "team-a" allows 3 node ports in a namespace, 3 are used and 1 more is asked for; give one up that is not needed (kubectl get npu -n shop), or ask an operator for more`)
			if reservedFor(r, "http") != numbers.To || len(r.Status.Ports) != 2 {
				t.Errorf("it keeps %s", kept(r))
			}
			_, err := w.tryCreate(makeService(shop+"/more").NodePort(80, 0))
			w.wantRefusal(err, `pool "team-a" allows 3 node ports in a namespace, 3 are used and 1 more is asked for`)
			w.wantAllBound(w.create(makeService(shop+"/web").NodePort(80, 0, Named("http")))) // nothing more is asked for

			c.heal(w, pool, api)
			w.wantReservation(r, v1alpha1.ReservationReasonReserved)
			if len(r.Status.Ports) != 3 {
				t.Errorf("it keeps %s", kept(r))
			}
		})
	}
}

func TestWithoutAQuotaReservationsAreCapped(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	pool := w.pool("team-a", w.allot(20), serving(shop))
	var nine []reservationOption
	for i := range 9 {
		nine = append(nine, entry(fmt.Sprintf("p%d", i), 0))
	}
	r := w.promise(shop+"/promise", "web", nine...)
	w.wantMessage(w.wantReservation(r, v1alpha1.ReservationReasonQuotaExceeded), `spec.ports: Forbidden: namespace "shop" may have `+
		`8 node ports of pool "team-a" that no Service carries: 8 are claimed, held or reserved and 1 more is asked for; try again in a minute`)
	w.wantCounts(pool, v1alpha1.PoolPorts{Total: 20, Reserved: 8, Free: 12})
	// What a Service carries does not count.
	w.wantAllBound(w.create(makeService(shop+"/web").NodePort(80, 0, Named("p0"))))
	w.wantReservation(r, v1alpha1.ReservationReasonReserved)
	w.wantCounts(pool, v1alpha1.PoolPorts{Total: 20, Bound: 1, Reserved: 8, Free: 11})
}

func TestAReservationIsAllowedWhatItsServiceIs(t *testing.T) {
	w := share(t)
	shop, other := w.namespace("shop"), w.namespace("other")
	w.label(shop, teamLabel, shop)
	mine, theirs := w.allot(5), w.allot(5)
	w.pool("team-a", mine, ofTeam(shop))
	teamB := w.pool("team-b", theirs, serving(other))
	inRanges := fmt.Sprintf(`not in the node port ranges of namespace "shop": %d-%d`, mine.From, mine.To)
	var chosen int32
	for _, c := range []struct{ name, says, pool string }{
		{"number", fmt.Sprintf("spec.ports[1].nodePort: Invalid value: %d: %s", theirs.From, inRanges), ""},
		{"foreign", `spec.poolName: Invalid value: "team-b": not a pool of namespace "shop": it has team-a`, teamB.Name},
		{"unknown", `spec.poolName: Invalid value: "nobodys": not a pool of namespace "shop": it has team-a`, "nobodys"},
	} {
		n := mine.To
		if c.pool == "" {
			n = theirs.From
		}
		r := w.promise(shop+"/"+c.name, "web", entry("http", 0), entry("admin", n), fromPool(c.pool))
		w.wantMessage(w.wantReservation(r, v1alpha1.ReservationReasonNotAllowed), c.says)
		chosen = max(chosen, reservedFor(r, "http")) // by the first alone
		if c.pool == teamB.Name {
			w.must(w.Delete(t.Context(), r)) // once allowed, it would choose a number, perhaps the one asked for below
		}
	}
	// It heals as soon as the number is the namespace's: here by a label.
	w.changePool(teamB, ofTeam("b-"+shop))
	r := w.promise(shop+"/promise", "web", entry("admin", theirs.To))
	w.wantReservation(r, v1alpha1.ReservationReasonNotAllowed)
	w.label(shop, teamLabel, "b-"+shop)
	w.wantReservation(r, v1alpha1.ReservationReasonReserved)
	// What is kept stays, whatever the label.
	w.label(shop, teamLabel, shop)
	w.changeReservation(r, entry("http", freeOf(mine, chosen)))
	w.wantReservation(r, v1alpha1.ReservationReasonReserved)
	if want := fmt.Sprintf("admin=%d http=%d", theirs.To, freeOf(mine, chosen)); kept(r) != want {
		t.Errorf("it keeps %s, want %s", kept(r), want)
	}
}

func TestADeletedPoolLeavesItsReservedNumbers(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(5)
	pool := w.pool("team-a", numbers, serving(shop))
	r := w.reserve(shop+"/promise", "web", entry("http", numbers.From), fromPool(pool.Name))
	w.must(w.Delete(t.Context(), pool))
	w.wantMessage(w.wantReservation(r, v1alpha1.ReservationReasonPoolMissing), fmt.Sprintf(`%d is kept, but its pool "team-a" has been deleted`, numbers.From))
	if want := fmt.Sprintf("http=%d", numbers.From); kept(r) != want {
		t.Errorf("it keeps %s, want %s", kept(r), want)
	}
	web := w.create(makeService(shop+"/web").NodePort(80, 0, Named("http")))
	w.wantLedger(shop, ledger{numbers.From: "web Bound Explicit team-a"})
	w.remove(web)
	w.wantLedger(shop, ledger{numbers.From: "web Reserved Explicit team-a"})
	w.must(w.Create(t.Context(), makePool(pool.Name, numbers, serving(shop))))
	w.wantReservation(r, v1alpha1.ReservationReasonReserved)
}

func TestWhoReservesReadsAtOnceWhatIsInTheWay(t *testing.T) {
	w := share(t)
	s := &transcript{world: w}
	shop, other := w.namespace("shop"), w.namespace("other")
	teamA := w.pool("team-a", w.exactly(30600, 30609), serving(shop, other))
	small := w.pool("small", w.exactly(30610, 30614), serving(shop), withAllocation(v1alpha1.AllocationExplicit))
	limited := w.pool("limited", w.exactly(30615, 30619), serving(shop), limitedTo(1), withAllocation(v1alpha1.AllocationExplicit))
	w.pool("drained", w.exactly(30620, 30629), serving(shop), withAllocation(v1alpha1.AllocationNone))
	w.wantAllBound(w.create(makeService(shop+"/api").NodePort(80, 30601, Named("a")).NodePort(81, 30610, Named("b")).NodePort(82, 30615, Named("c"))))
	w.wantAllBound(w.create(makeService(other+"/secret-project").NodePort(80, 30602)))
	old := w.create(makeService(shop+"/old").NodePort(80, 30603))
	w.wantAllBound(old)
	w.remove(old)
	w.wantReason(30603, v1alpha1.AllocationReasonHeld)
	reserve := func(title, name string, options ...reservationOption) {
		r := makeReservation(shop+"/"+name, "web", options...)
		r.APIVersion, r.Kind = v1alpha1.GroupVersion.String(), "NodePortReservation"
		s.apply(title, r)
	}
	reserve("Nothing is in the way", "fine", entry("http", 30600), entry("admin", 30604), fromPool(teamA.Name))
	w.wantReservation(makeReservation(shop+"/fine", "web"), v1alpha1.ReservationReasonReserved)
	reserve("Numbers that others have", "taken", entry("a", 30601), entry("b", 30602), entry("c", 30600))
	reserve("A hold of the namespace", "hold", entry("a", 30603))
	reserve("Numbers that the namespace may not have", "outside", entry("a", 30700), entry("b", 30620))
	reserve("A pool that is not the namespace's", "pool", entry("a", 0), fromPool("theirs"))
	reserve("More than the namespace may have", "many", entry("a", 0), entry("b", 0), fromPool(limited.Name))
	reserve("More than the pool has", "more", entry("a", 0), entry("b", 0), entry("c", 0), entry("d", 0), entry("e", 0), fromPool(small.Name))
	w.wantReservation(makeReservation(shop+"/hold", "web"), v1alpha1.ReservationReasonReserved)
	reserve("A change that nothing is in the way of", "fine", entry("http", 30600), entry("admin", 30604), entry("more", 30605), fromPool(teamA.Name))
	w.wantReservation(makeReservation(shop+"/fine", "web"), v1alpha1.ReservationReasonReserved)
	reserve("A change to a number that others have", "fine", entry("http", 30601), entry("admin", 30604), fromPool(teamA.Name))
	w.golden("reservation-warnings", s.text.String())
}
