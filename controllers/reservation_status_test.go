package controllers

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

func TestReservationStatus(t *testing.T) {
	taken := problem{v1alpha1.ReservationReasonNumberTaken, "taken"}
	quota := problem{v1alpha1.ReservationReasonQuotaExceeded, "too many"}
	denied := problem{v1alpha1.ReservationReasonNotAllowed, "not yours"}
	missing := problem{v1alpha1.ReservationReasonPoolMissing, "no pool"}
	for _, c := range []struct {
		name        string
		reservation *v1alpha1.NodePortReservation
		kept        []int32
		problems    []problem
		want        string // of the condition
		ports       string
		short       string
	}{
		{"all kept", reservationOf("http=30004", "admin=30003", "healthCheck=30005"), []int32{30003, 30004, 30005}, nil,
			`True Reserved: kept for Service "web": 30003, 30004, 30005`, "[{http 30004} {admin 30003}] 30005", "30003,30004,30005"},
		{"shared numbers are listed once in short", reservationOf("dns=30003", "dns-tcp=30003"), []int32{30003}, nil,
			`True Reserved: kept for Service "web": 30003`, "[{dns 30003} {dns-tcp 30003}] 0", "30003"},
		{"what is not kept is not listed", reservationOf("http=30003", "admin", "healthCheck=30005"), []int32{30003}, []problem{taken},
			"False NumberTaken: taken", "[{http 30003}] 0", "30003"},
		{"nothing is kept", reservationOf("http=30003"), nil, []problem{quota}, "False QuotaExceeded: too many", "[] 0", ""},
		{"the worst reason, and all texts once", reservationOf("http=30003"), []int32{30003}, []problem{missing, quota, taken, denied, quota},
			"False NotAllowed: no pool; too many; taken; not yours", "[{http 30003}] 0", "30003"},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.reservation.Generation = 3
			p := &promise{reservation: c.reservation, kept: c.kept}
			status := reservationStatus(p, c.problems, noon)
			ready := status.Conditions[0]
			if got := fmt.Sprintf("%s %s: %s", ready.Status, ready.Reason, ready.Message); got != c.want || ready.ObservedGeneration != 3 {
				t.Errorf("got %s of generation %d, want %s", got, ready.ObservedGeneration, c.want)
			}
			if got := fmt.Sprint(status.Ports, status.HealthCheckNodePort); got != c.ports || status.NodePorts != c.short {
				t.Errorf("got %s and %q, want %s and %q", got, status.NodePorts, c.ports, c.short)
			}
			p.reservation.Status = status
			if again := reservationStatus(p, c.problems, noon.Add(time.Minute)); !equality.Semantic.DeepEqual(status, again) {
				t.Errorf("a minute later, though nothing happened (-before +after):\n%s", cmp.Diff(status, again))
			}
		})
	}
}

func TestWhyANumberIsNotReserved(t *testing.T) {
	theirs := rules.Holder{}
	theirs.Service.Namespace, theirs.Service.Name = "bank", "core"
	for _, c := range []struct {
		name string
		err  error
		want []problem // none: the error is ours
	}{
		{"taken", &allocator.TakenError{Request: serviceports.Request{Role: serviceports.HealthCheck, NodePort: 30003}, Holder: theirs},
			[]problem{{"NumberTaken", "spec.healthCheckNodePort: Invalid value: 30003: already allocated in another namespace"}}},
		{"none free", allocator.ErrExhausted, []problem{{"NumberTaken",
			`spec.ports: Forbidden: too few node ports are free in the ranges of namespace "shop" (pool "team-a": 0 of 20 in use or held)`}}},
		{"too many", &allocator.QuotaError{Pool: &rules.Pool{Name: "team-a"}, Limit: 2, Used: 2, Asked: 1}, []problem{{"QuotaExceeded",
			`spec.ports: Forbidden: pool "team-a" allows 2 node ports in a namespace, 2 are used and 1 more is asked for; give one up that is not needed (kubectl get npu -n shop), or ask an operator for more`}}},
		{"ours", errors.New("no API server"), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := reservingWith(reservationOf("http"), nil)
			p := promiseFor(o)
			b, _ := allocator.BreachOf(c.err, o.chart, rules.Quiet{Ledger: o.ledger}, p.question, p.answer.Pools)
			if diff := cmp.Diff(c.want, problemsOf(b), cmp.AllowUnexported(problem{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestANumberWhosePoolHasBeenDeletedIsReported(t *testing.T) {
	ofPool := func(name string) func(*v1alpha1.NodePortAllocationSpec) {
		return func(s *v1alpha1.NodePortAllocationSpec) { s.PoolName = name }
	}
	for _, c := range []struct {
		name  string
		claim *v1alpha1.NodePortAllocation
		want  []problem
	}{
		{"its pool is there", reservedClaim(30003, "http"), nil},
		{"its pool is there, and has other numbers now", reservedClaim(30103, "http"), nil},
		{"it was of no pool", adjusted(reservedClaim(30103, "http"), ofPool("")), nil},
		{"its pool has gone", adjusted(reservedClaim(30103, "http"), ofPool("team-b")),
			[]problem{{"PoolMissing", `30103 is kept, but its pool "team-b" has been deleted`}}},
		{"its pool has gone, and another of the namespace's has the number", adjusted(reservedClaim(30003, "http"), ofPool("team-b")), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := reservingWith(reservationOf("http="+c.claim.Name), nil, c.claim)
			if diff := cmp.Diff(c.want, o.poolsMissing(promiseFor(o)), cmp.AllowUnexported(problem{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
