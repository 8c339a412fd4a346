package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// reservationOption changes a reservation in the making.
type reservationOption func(*v1alpha1.NodePortReservationSpec)

// entry reserves a number for an entry of the Service; 0: one is to be chosen.
func entry(name string, n int32) reservationOption {
	return func(s *v1alpha1.NodePortReservationSpec) {
		s.Ports = append(s.Ports, v1alpha1.ReservedPort{Name: name, NodePort: n})
	}
}

func fromPool(name string) reservationOption {
	return func(s *v1alpha1.NodePortReservationSpec) { s.PoolName = name }
}

func healthCheck(n int32) reservationOption {
	return func(s *v1alpha1.NodePortReservationSpec) { s.HealthCheckNodePort = n }
}

// makeReservation makes a reservation "namespace/name" for a Service.
func makeReservation(name, service string, options ...reservationOption) *v1alpha1.NodePortReservation {
	r := &v1alpha1.NodePortReservation{}
	r.Namespace, r.Name, _ = strings.Cut(name, "/")
	r.Spec.ServiceName = service
	for _, option := range options {
		option(&r.Spec)
	}
	return r
}

// reserve creates a reservation, and returns it when it is ready.
func (w *world) reserve(name, service string, options ...reservationOption) *v1alpha1.NodePortReservation {
	w.Helper()
	r := makeReservation(name, service, options...)
	w.must(w.Create(w.Context(), r))
	w.wantReservation(r, v1alpha1.ReservationReasonReserved)
	return r
}

// wantReservation waits until the condition of a reservation's latest version has a reason, and returns its message.
func (w *world) wantReservation(r *v1alpha1.NodePortReservation, reason string) string {
	w.Helper()
	var message string
	w.eventually(fmt.Sprintf("reservation %s is %s", r.Name, reason), func() error {
		if err := w.Get(w.Context(), client.ObjectKeyFromObject(r), r); err != nil {
			return err
		}
		ready := meta.FindStatusCondition(r.Status.Conditions, v1alpha1.ReservationReady)
		if ready == nil || ready.Reason != reason || ready.ObservedGeneration != r.Generation {
			return fmt.Errorf("generation %d, its condition is %+v", r.Generation, ready)
		}
		message = ready.Message
		return nil
	})
	return w.inTestsWords(message)
}

// kept are the numbers of a reservation's status: "http=30080 admin=30081 healthCheck=30082".
func kept(r *v1alpha1.NodePortReservation) string {
	var all []string
	for _, p := range r.Status.Ports {
		all = append(all, fmt.Sprintf("%s=%d", p.Name, p.NodePort))
	}
	if n := r.Status.HealthCheckNodePort; n != 0 {
		all = append(all, fmt.Sprintf("healthCheck=%d", n))
	}
	return strings.Join(all, " ")
}

// reservedFor is the number that a reservation's status has for an entry.
func reservedFor(r *v1alpha1.NodePortReservation, entry string) int32 {
	for _, p := range r.Status.Ports {
		if p.Name == entry {
			return p.NodePort
		}
	}
	return 0
}

// numbersByName are the numbers of a Service's entries.
func numbersByName(svc *corev1.Service) map[string]int32 {
	numbers := map[string]int32{}
	for _, p := range svc.Spec.Ports {
		numbers[p.Name] = p.NodePort
	}
	return numbers
}

func TestAReservationKeepsItsNumbersBeforeBetweenAndAfterTheLivesOfItsService(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(20)
	pool := w.pool("team-a", numbers, serving(shop), holding(0))
	named := numbers.From + 7
	r := w.reserve(shop+"/promise", "web", entry("http", named), entry("admin", 0))
	chosen := reservedFor(r, "admin")
	if chosen == named || !within(numbers, chosen) || kept(r) != fmt.Sprintf("http=%d admin=%d", named, chosen) {
		t.Fatalf("it keeps %s", kept(r))
	}
	before := ledger{named: "web Reserved Explicit team-a", chosen: "web Reserved Automatic team-a"}
	w.wantLedger(shop, before)
	w.wantReason(named, v1alpha1.AllocationReasonReserved)
	w.wantCounts(pool, v1alpha1.PoolPorts{Total: 20, Reserved: 2, Free: 18})

	want := map[string]int32{"http": named, "admin": chosen, "more": 0}
	for range 3 {
		// As a restore does: without numbers.
		web := w.create(makeService(shop+"/web").NodePort(80, 0, Named("http")).NodePort(81, 0, Named("admin")).NodePort(82, 0, Named("more")))
		more := numbersByName(web)["more"]
		want["more"] = more
		if diff := cmp.Diff(want, numbersByName(web)); diff != "" {
			t.Fatalf("numbers of the Service (-want +got)\n%s", diff)
		}
		w.wantLedger(shop, ledger{named: "web Bound Explicit team-a", chosen: "web Bound Automatic team-a", more: "web Bound Automatic team-a"})
		w.remove(web)
		w.wantLedger(shop, before)
		w.wantReservation(r, v1alpha1.ReservationReasonReserved)
	}
	if r.Status.NodePorts != fmt.Sprintf("%d,%d", min(named, chosen), max(named, chosen)) {
		t.Errorf("in short they are %q", r.Status.NodePorts)
	}
}

// changeReservation changes what a reservation wants.
func (w *world) changeReservation(r *v1alpha1.NodePortReservation, change reservationOption) {
	w.Helper()
	for {
		w.must(w.Get(w.Context(), client.ObjectKeyFromObject(r), r))
		change(&r.Spec)
		err := w.Update(w.Context(), r)
		if apierrors.IsConflict(err) {
			continue
		}
		w.must(err)
		return
	}
}

func TestANumberIsChosenOnceAndKept(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(20)
	w.pool("team-a", numbers, serving(shop))
	r := w.reserve(shop+"/promise", "web", entry("http", 0))
	first := reservedFor(r, "http")

	w.changeReservation(r, entry("admin", 0))
	w.wantReservation(r, v1alpha1.ReservationReasonReserved)
	second := reservedFor(r, "admin")
	if got := reservedFor(r, "http"); got != first || second == first {
		t.Fatalf("it keeps %s, had chosen %d before", kept(r), first)
	}
	// What it says of itself is not what it has.
	r.Status.Ports = []v1alpha1.ReservedPortStatus{{Name: "http", NodePort: second}, {Name: "admin", NodePort: first}}
	r.Status.Conditions = nil
	w.must(w.Status().Update(t.Context(), r))
	w.wantReservation(r, v1alpha1.ReservationReasonReserved)
	r.Status = v1alpha1.NodePortReservationStatus{} // as after a restore
	w.must(w.Status().Update(t.Context(), r))
	w.wantReservation(r, v1alpha1.ReservationReasonReserved)
	if numbers := []int32{reservedFor(r, "http"), reservedFor(r, "admin")}; !slices.Contains(numbers, first) || !slices.Contains(numbers, second) {
		t.Errorf("it keeps %s, had %d and %d", kept(r), first, second)
	}
	// A claim that is lost comes back.
	before := kept(r)
	w.must(w.Delete(t.Context(), w.claim(first)))
	w.eventually("the claim is back", func() error {
		if claim := w.claim(first); claim == nil || claim.Spec.ReservationName != r.Name {
			return fmt.Errorf("it is %+v", claim)
		}
		return nil
	})
	w.wantReservation(r, v1alpha1.ReservationReasonReserved)
	if kept(r) != before {
		t.Errorf("it keeps %s, had %s", kept(r), before)
	}
}

func TestAReservationThatIsMadeAgainHasItsNumbersBack(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	w.pool("team-a", w.allot(20), serving(shop))
	before := w.reserve(shop+"/promise", "web", entry("http", 0), entry("admin", 0))
	n, m := reservedFor(before, "http"), reservedFor(before, "admin")
	w.must(w.Delete(t.Context(), before))
	w.wantLedger(shop, ledger{n: "web Held Automatic team-a", m: "web Held Automatic team-a"})
	again := w.reserve(shop+"/promise", "web", entry("http", 0), entry("admin", 0))
	if kept(again) != kept(before) {
		t.Errorf("it keeps %s, had %s", kept(again), kept(before))
	}
}

func TestAReservedNumberIsItsServicesAlone(t *testing.T) {
	w := share(t)
	shop, other := w.namespace("shop"), w.namespace("other")
	numbers := w.allot(2)
	w.pool("team-a", numbers, serving(shop, other), holding(0))
	w.reserve(shop+"/promise", "web", entry("http", numbers.From))

	_, err := w.tryCreate(makeService(shop+"/api").NodePort(80, numbers.From))
	w.wantRefusal(err, fmt.Sprintf(`%d: reserved for Service "web" in this namespace by NodePortReservation "promise"`, numbers.From))
	_, err = w.tryCreate(makeService(other+"/api").NodePort(80, numbers.From))
	w.wantRefusal(err, fmt.Sprintf(`%d: already allocated in another namespace; free now: %d`, numbers.From, numbers.To))
	if api := w.create(makeService(other+"/api").NodePort(80, 0)); number(api) != numbers.To {
		t.Errorf("got %d, want the one that is not reserved", number(api))
	}
	_, err = w.tryCreate(makeService(other+"/more").NodePort(80, 0))
	w.wantRefusal(err, "2 of 2 in use or held")

	web := w.create(makeService(shop+"/web").NodePort(80, 0, Named("http")))
	w.wantLedger(shop, ledger{numbers.From: "web Bound Explicit team-a"})
	_, err = w.tryCreate(makeService(shop+"/api").NodePort(80, numbers.From))
	w.wantRefusal(err, `reserved for Service "web" in this namespace`)
	if number(web) != numbers.From {
		t.Errorf("the Service has %d, want %d", number(web), numbers.From)
	}
}

func TestADryRunShowsTheReservedNumberAndWritesNothing(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	w.pool("team-a", w.allot(20), serving(shop))
	r := w.reserve(shop+"/promise", "web", entry("http", 0))
	n := reservedFor(r, "http")
	before := w.wantReason(n, v1alpha1.AllocationReasonReserved)
	if web := w.create(makeService(shop+"/web").NodePort(80, 0, Named("http")), client.DryRunAll); number(web) != n {
		t.Errorf("got %d, want %d", number(web), n)
	}
	if after := w.claim(n); after.ResourceVersion != before.ResourceVersion {
		t.Errorf("the claim was written (-before +after)\n%s", cmp.Diff(before, after))
	}
	// Nor does the dry-run of a reservation.
	w.must(w.Create(t.Context(), makeReservation(shop+"/more", "web", entry("admin", 0)), client.DryRunAll))
	w.wantLedger(shop, ledger{n: "web Reserved Automatic team-a"})
}

func TestAReservationForALiveServiceKeepsTheNumbersThatItHas(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	w.pool("team-a", w.allot(20), serving(shop), holding(0))
	manifest := makeService(shop+"/web").LoadBalancer().LocalTraffic().NodePort(80, 0, Named("http")).
		NodePort(53, 0, Named("dns"), UDP).NodePort(53, 0, Named("dns-tcp"))
	web := w.create(manifest)
	w.wantAllBound(web)
	has := numbersByName(web)
	r := w.reserve(shop+"/promise", "web", entry("http", 0), entry("dns", has["dns"]), entry("dns-tcp", 0), healthCheck(web.Spec.HealthCheckNodePort))
	if got, want := kept(r), fmt.Sprintf("http=%d dns=%d dns-tcp=%d healthCheck=%d", has["http"], has["dns"], has["dns"], web.Spec.HealthCheckNodePort); got != want {
		t.Fatalf("it keeps %s, want %s", got, want)
	}
	if has["dns"] != has["dns-tcp"] {
		t.Fatalf("the Service has %v", has)
	}
	for n, entry := range w.ledgerOf(shop) {
		if entry != "web Bound Automatic team-a" {
			t.Errorf("%d is %s", n, entry)
		}
	}
	w.remove(web)
	w.wantLedger(shop, ledger{has["http"]: "web Reserved Automatic team-a", has["dns"]: "web Reserved Automatic team-a",
		web.Spec.HealthCheckNodePort: "web Reserved Automatic team-a"})
	again := w.create(manifest)
	if diff := cmp.Diff(has, numbersByName(again)); diff != "" || again.Spec.HealthCheckNodePort != web.Spec.HealthCheckNodePort {
		t.Errorf("it came back with health check %d, had %d, and (-before +after)\n%s", again.Spec.HealthCheckNodePort, web.Spec.HealthCheckNodePort, diff)
	}
}

func TestProtocolsThatAreToShareANumberNameItBoth(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(5)
	w.pool("team-a", numbers, serving(shop))
	r := w.reserve(shop+"/promise", "dns", entry("udp", numbers.To), entry("tcp", numbers.To), entry("metrics", 0))
	dns := w.create(makeService(shop+"/dns").NodePort(53, 0, Named("tcp")).NodePort(53, 0, Named("udp"), UDP).NodePort(9153, 0, Named("metrics")))
	want := map[string]int32{"tcp": numbers.To, "udp": numbers.To, "metrics": reservedFor(r, "metrics")}
	if diff := cmp.Diff(want, numbersByName(dns)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestTheHealthChecksNumberIsReserved(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(5)
	w.pool("team-a", numbers, serving(shop))
	w.reserve(shop+"/promise", "lb", healthCheck(numbers.To))
	w.wantLedger(shop, ledger{numbers.To: "lb Reserved Explicit team-a"})
	lb := w.create(makeService(shop+"/lb").LoadBalancer().LocalTraffic().NodePort(80, 0))
	if got := lb.Spec.HealthCheckNodePort; got != numbers.To {
		t.Errorf("healthCheckNodePort is %d, want %d", got, numbers.To)
	}
	w.wantLedger(shop, ledger{numbers.To: "lb Bound Explicit team-a", number(lb): "lb Bound Automatic team-a"})
	if role := w.claim(numbers.To).Spec.Role; role != v1alpha1.RoleHealthCheck {
		t.Errorf("its role is %q", role)
	}
}

func TestAnUnnamedPortIsReservedByNoName(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	w.pool("team-a", w.allot(20), serving(shop))
	w.mustKubectl(`{apiVersion: portolan.dev/v1alpha1, kind: NodePortReservation, metadata: {name: promise, namespace: `+shop+`},
		spec: {serviceName: web, ports: [{}]}}`, "apply", "--server-side", "-f", "-")
	r := makeReservation(shop+"/promise", "web")
	w.wantReservation(r, v1alpha1.ReservationReasonReserved)
	if web := w.create(makeService(shop+"/web").NodePort(80, 0)); number(web) != reservedFor(r, "") {
		t.Errorf("the Service has %d, want %s", number(web), kept(r))
	}
}

func TestAReservationForNamesThatNothingCanHaveIsRefused(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	for _, name := range []string{"Http", "a_b", "http:30140", "-web", "web-"} {
		w.wantRefusal(w.Create(t.Context(), makeReservation(shop+"/promise", name)), fmt.Sprintf("spec.serviceName: Invalid value: %q: no Service can have this name", name))
		w.wantRefusal(w.Create(t.Context(), makeReservation(shop+"/promise", "web", entry(name, 0))), fmt.Sprintf("spec.ports[0].name: Invalid value: %q: no port of a Service can have this name", name))
	}
	w.must(w.Create(t.Context(), makeReservation(shop+"/promise", "web-1", entry("", 0)), client.DryRunAll))
	w.must(w.Create(t.Context(), makeReservation(shop+"/promise", "1web", entry("8080", 0), entry("a", 0)), client.DryRunAll))
}

func TestAPoolThatGivesNoNumberByItselfServesReservations(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(20)
	explicit := w.pool("by-number", numbers, serving(shop), withAllocation(v1alpha1.AllocationExplicit))
	_, err := w.tryCreate(makeService(shop+"/web").NodePort(80, 0))
	w.wantRefusal(err, "gives no number by itself")
	r := w.reserve(shop+"/promise", "web", entry("http", 0), fromPool(explicit.Name))
	web := w.create(makeService(shop+"/web").NodePort(80, 0, Named("http")))
	if number(web) != reservedFor(r, "http") || !within(numbers, number(web)) {
		t.Errorf("the Service has %d, the reservation %s", number(web), kept(r))
	}
}

func TestAPortThatIsRenamedGetsTheReservedNumberUnderTheReservationsName(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	w.pool("team-a", w.allot(20), serving(shop), holding(0))
	r := w.reserve(shop+"/promise", "web", entry("http", 0))
	n := reservedFor(r, "http")
	web := w.create(makeService(shop+"/web").NodePort(80, 0, Named("http")))
	w.change(web, func(svc *corev1.Service) { svc.Spec.Ports[0].Name = "web" })
	w.eventually("the claim is under the new name", func() error {
		if ports := w.claim(n).Spec.Ports; ports[0].Name != "web" {
			return fmt.Errorf("it has %+v", ports)
		}
		return nil
	})
	w.remove(web)
	w.eventually("the claim is under the reservation's name", func() error {
		if ports := w.claim(n).Spec.Ports; ports[len(ports)-1].Name != "http" {
			return fmt.Errorf("it has %+v", ports)
		}
		return nil
	})
	again := w.create(makeService(shop+"/web").NodePort(81, 0, Named("other")).NodePort(82, 0, Named("http")))
	if got := numbersByName(again)["http"]; got != n {
		t.Errorf("the Service has %v, want %d for http", numbersByName(again), n)
	}
}

func TestADeletedReservationLeavesTheNumbersThatAreInUse(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(20)
	w.pool("team-a", numbers, serving(shop))
	r := w.reserve(shop+"/promise", "web", entry("http", numbers.From), entry("admin", numbers.To))
	web := w.create(makeService(shop+"/web").NodePort(80, 0, Named("http")))
	w.wantLedger(shop, ledger{numbers.From: "web Bound Explicit team-a", numbers.To: "web Reserved Explicit team-a"})
	w.must(w.Delete(t.Context(), r))
	w.wantLedger(shop, ledger{numbers.From: "web Bound Explicit team-a", numbers.To: "web Held Explicit team-a"})
	if got := w.fetch(web); number(got) != numbers.From {
		t.Errorf("the Service has %d, had %d", number(got), numbers.From)
	}
	w.eventually("the promise is taken away", func() error {
		if name := w.claim(numbers.From).Spec.ReservationName; name != "" {
			return fmt.Errorf("it is of %s", name)
		}
		return nil
	})
	w.remove(web)
	w.wantLedger(shop, ledger{numbers.From: "web Held Explicit team-a", numbers.To: "web Held Explicit team-a"})
}

func TestAReservationMayChangeWhatItWants(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(20)
	w.pool("team-a", numbers, serving(shop), limitedTo(1))
	r := w.reserve(shop+"/promise", "web", entry("http", numbers.From))
	w.changeReservation(r, func(s *v1alpha1.NodePortReservationSpec) { s.Ports[0].NodePort = numbers.To })
	// The former number makes room for it.
	w.wantReservation(r, v1alpha1.ReservationReasonReserved)
	w.wantLedger(shop, ledger{numbers.To: "web Reserved Explicit team-a"})

	err := w.Patch(t.Context(), r, client.RawPatch("application/merge-patch+json", []byte(`{"spec":{"serviceName":"api"}}`)))
	w.wantRefusal(err, "serviceName cannot be changed: make another NodePortReservation")
	w.wantRefusal(w.Create(t.Context(), makeReservation(shop+"/empty", "web")), "a reservation needs ports, or a healthCheckNodePort")
}

func TestAPoolThatIsDrainingStillGivesItsReservedNumbers(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	pool := w.pool("team-a", w.allot(20), serving(shop))
	r := w.reserve(shop+"/promise", "web", entry("http", 0))
	w.changePool(pool, withAllocation(v1alpha1.AllocationNone))
	_, err := w.tryCreate(makeService(shop+"/api").NodePort(80, 0))
	w.wantRefusal(err, "hands out nothing new")
	web := w.create(makeService(shop+"/web").NodePort(80, 0)) // one number and one port: its name does not matter
	if number(web) != reservedFor(r, "http") {
		t.Errorf("the Service has %d, want %s", number(web), kept(r))
	}
	w.changeReservation(r, entry("admin", 0))
	w.wantMessage(w.wantReservation(r, v1alpha1.ReservationReasonNotAllowed),
		`spec.ports: Forbidden: pool "team-a" hands out nothing new (allocation: None); ask an operator for another pool`)
	w.changePool(pool, withAllocation(v1alpha1.AllocationAutomatic))
	w.wantReservation(r, v1alpha1.ReservationReasonReserved)
}
