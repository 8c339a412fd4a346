package controllers

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// reservedClaim is a claim of reservation "promise" for Service shop/web; each entry is a name.
func reservedClaim(n int32, entries ...string) *v1alpha1.NodePortAllocation {
	a := &v1alpha1.NodePortAllocation{Spec: v1alpha1.NodePortAllocationSpec{
		PoolName: "team-a", ReservationName: "promise", Role: v1alpha1.RoleTraffic, Origin: v1alpha1.OriginAutomatic,
		ServiceRef: v1alpha1.ServiceReference{Namespace: "shop", Name: "web"},
	}}
	a.Name = allocator.NameOf(n)
	for _, name := range entries {
		a.Spec.Ports = append(a.Spec.Ports, v1alpha1.AllocatedPort{Name: name})
	}
	return a
}

func adjusted(a *v1alpha1.NodePortAllocation, adjust func(*v1alpha1.NodePortAllocationSpec)) *v1alpha1.NodePortAllocation {
	adjust(&a.Spec)
	return a
}

func inUse(s *v1alpha1.NodePortAllocationSpec)     { s.ServiceUID = "1" }
func notByUs(s *v1alpha1.NodePortAllocationSpec)   { s.ReservationName = "" }
func byAnother(s *v1alpha1.NodePortAllocationSpec) { s.ReservationName = "another" }
func ofAPI(s *v1alpha1.NodePortAllocationSpec)     { s.ServiceRef.Name = "api" }
func heldOn(s *v1alpha1.NodePortAllocationSpec) {
	s.ReservationName, s.HoldUntil = "", new(metav1.NewTime(noon.Add(time.Minute)))
}

// reservationOf is reservation "promise" for Service web; each entry is "name" or "name=number", with " was number" the
// status has one, "healthCheck=number" is that.
func reservationOf(entries ...string) *v1alpha1.NodePortReservation {
	r := &v1alpha1.NodePortReservation{Spec: v1alpha1.NodePortReservationSpec{ServiceName: "web"}}
	r.Namespace, r.Name = "shop", "promise"
	for _, text := range entries {
		var number, chosen int32
		text, was, _ := strings.Cut(text, " was ")
		name, is, _ := strings.Cut(text, "=")
		_, _ = fmt.Sscan(was, &chosen)
		_, _ = fmt.Sscan(is, &number)
		if name == "healthCheck" {
			r.Spec.HealthCheckNodePort = number
			continue
		}
		r.Spec.Ports = append(r.Spec.Ports, v1alpha1.ReservedPort{Name: name, NodePort: number})
		if chosen != 0 {
			r.Status.Ports = append(r.Status.Ports, v1alpha1.ReservedPortStatus{Name: name, NodePort: chosen})
		}
	}
	return r
}

// reservingWith observes a reservation in a namespace whose pool has 30000-30019.
func reservingWith(r *v1alpha1.NodePortReservation, svc *Service, claims ...*v1alpha1.NodePortAllocation) reserving {
	pool := poolOn("team-a", 0, v1alpha1.PortRange{From: 30000, To: 30019})
	pool.Spec.HoldSeconds = new(int32(60))
	pool.Spec.MaxPortsPerService = 32
	o := reserving{reservation: r, claims: map[int32]*v1alpha1.NodePortAllocation{}, namespace: &corev1.Namespace{}, now: noon}
	o.name.Namespace, o.name.Name = "shop", "promise"
	o.chart = rules.NewChart(v1alpha1.PortRange{From: 30000, To: 32767}, []v1alpha1.NodePortPool{pool})
	holders := rules.FakeLedger{}
	for _, a := range claims {
		n, _ := allocator.NumberOf(a)
		o.claims[n] = a
		holders[n] = allocator.OwnerOf(a).String()
		if a.Spec.HoldUntil != nil {
			holders[n] += " until " + a.Spec.HoldUntil.Format(time.RFC3339)
		}
		if a.Spec.ReservationName != "" {
			holders[n] += " by " + a.Spec.ReservationName
		}
	}
	if o.ledger = holders; svc != nil {
		o.service = svc.Obj()
	}
	return o
}

// shownPromise is "http=30003 admin=?", with "!" for what is to be claimed, and the health check's last.
func shownPromise(p *promise) string {
	open := map[int]bool{}
	for _, r := range p.open {
		for _, entry := range r.Ports {
			open[entry.Index] = true
		}
	}
	var shown []string
	for i, entry := range p.reservation.Spec.Ports {
		text := fmt.Sprintf("%s=%d", entry.Name, entry.NodePort)
		if open[i] {
			text += "!"
		}
		shown = append(shown, text)
	}
	return strings.Join(shown, " ")
}

func TestWhichNumberAnEntryGoesBy(t *testing.T) {
	web := func() *Service { return MakeService("shop/web") }
	for _, c := range []struct {
		name        string
		reservation *v1alpha1.NodePortReservation
		claims      []*v1alpha1.NodePortAllocation
		service     *Service
		want        string
	}{
		{"the one that it names", reservationOf("http=30003"), nil, nil, "http=30003!"},
		{"which is kept", reservationOf("http=30003"), []*v1alpha1.NodePortAllocation{reservedClaim(30003, "http")}, nil, "http=30003"},
		{"a new one", reservationOf("http"), nil, nil, "http=0!"},
		{"the one chosen before", reservationOf("http was 30004"),
			[]*v1alpha1.NodePortAllocation{reservedClaim(30003, "http"), reservedClaim(30004, "other")}, nil, "http=30004"},
		{"or claimed for its name, where the status was lost", reservationOf("http"),
			[]*v1alpha1.NodePortAllocation{reservedClaim(30003, "other"), reservedClaim(30004, "http")}, nil, "http=30004"},
		{"a status that was forged does not count", reservationOf("http was 30003", "admin was 30004", "more was 30005"),
			[]*v1alpha1.NodePortAllocation{adjusted(reservedClaim(30003, "http"), ofAPI), adjusted(reservedClaim(30004, "admin"), byAnother)},
			nil, "http=0! admin=0! more=30005!"},
		{"nor does what a former reservation of the name kept for another Service", reservationOf("http"),
			[]*v1alpha1.NodePortAllocation{adjusted(reservedClaim(30003, "http"), ofAPI)}, nil, "http=0!"},
		{"the one chosen before, though its claim was lost", reservationOf("http was 30004"), nil, nil, "http=30004!"},
		{"but not one of another pool", reservationOf("http was 30100"), nil, nil, "http=0!"},
		{"the one that the Service has", reservationOf("http"), nil, web().NodePort(80, 30005, Named("http")), "http=30005!"},
		{"but not one that is another's in the ledger", reservationOf("http"),
			[]*v1alpha1.NodePortAllocation{adjusted(adjusted(reservedClaim(30005, "http"), notByUs), ofAPI)},
			web().NodePort(80, 30005, Named("http")), "http=0!"},
		{"the one that is claimed for the Service", reservationOf("http"),
			[]*v1alpha1.NodePortAllocation{adjusted(reservedClaim(30006, "http"), notByUs)}, nil, "http=30006!"},
		{"or held for it", reservationOf("http"), []*v1alpha1.NodePortAllocation{adjusted(reservedClaim(30006, "http"), heldOn)}, nil, "http=30006!"},
		{"but not what another reservation keeps for it", reservationOf("http"),
			[]*v1alpha1.NodePortAllocation{adjusted(reservedClaim(30006, "http"), byAnother)}, nil, "http=0!"},
		{"entries that the Service has on one number go by it", reservationOf("dns", "dns-tcp"), nil,
			web().NodePort(53, 30005, Named("dns"), UDP).NodePort(53, 30005, Named("dns-tcp")), "dns=30005! dns-tcp=30005!"},
		{"also when it has gone", reservationOf("dns was 30005", "dns-tcp was 30005"),
			[]*v1alpha1.NodePortAllocation{reservedClaim(30005, "dns", "dns-tcp")}, nil, "dns=30005 dns-tcp=30005"},
		{"also where one of them names it", reservationOf("dns=30005", "dns-tcp was 30005"),
			[]*v1alpha1.NodePortAllocation{reservedClaim(30005, "dns", "dns-tcp")}, nil, "dns=30005 dns-tcp=30005"},
		{"the only one that the Service has, whatever its name", reservationOf("http"), nil, web().NodePort(80, 30005, Named("web")), "http=30005!"},
		{"or had last", reservationOf("http"), []*v1alpha1.NodePortAllocation{adjusted(reservedClaim(30006, ""), heldOn)}, nil, "http=30006!"},
		{"but not where there are several", reservationOf("http"), nil,
			web().NodePort(80, 30005, Named("a")).NodePort(81, 30006, Named("b")), "http=0!"},
		{"nor where several are wanted", reservationOf("http", "admin"), nil, web().NodePort(80, 30005, Named("web")), "http=0! admin=0!"},
		{"a number that another entry names is not shared with it", reservationOf("http=30004", "admin was 30004"),
			[]*v1alpha1.NodePortAllocation{reservedClaim(30004, "admin")}, nil, "http=30004 admin=0!"},
		{"nor with the health check", reservationOf("healthCheck=30004", "admin was 30004"),
			[]*v1alpha1.NodePortAllocation{reservedClaim(30004, "admin")}, nil, "admin=0!"},
		{"what cannot be had is not claimed", reservationOf("http=30100", "admin"), nil, nil, "http=30100 admin=0!"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := shownPromise(promiseFor(reservingWith(c.reservation, c.service, c.claims...))); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestTheOriginOfWhatIsReserved(t *testing.T) {
	for _, c := range []struct {
		name        string
		reservation *v1alpha1.NodePortReservation
		service     *Service
		claims      []*v1alpha1.NodePortAllocation
		want        v1alpha1.Origin
	}{
		{"a number that it names", reservationOf("http=30003"), nil, nil, v1alpha1.OriginExplicit},
		{"a health check's", reservationOf("healthCheck=30003"), nil, nil, v1alpha1.OriginExplicit},
		{"a number to be chosen", reservationOf("http"), nil, nil, v1alpha1.OriginAutomatic},
		{"one that the Service has, and nobody has claimed", reservationOf("http"),
			MakeService("shop/web").NodePort(80, 30005, Named("http")), nil, v1alpha1.OriginAdopted},
		{"one that is held for the Service", reservationOf("http"), nil,
			[]*v1alpha1.NodePortAllocation{adjusted(reservedClaim(30006, "http"), heldOn)}, v1alpha1.OriginAutomatic},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := reservingWith(c.reservation, c.service, c.claims...)
			if got := o.asClaimed(promiseFor(o).open)[0].Origin; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestWhatBecomesOfTheClaimsOfAReservation(t *testing.T) {
	until := metav1.NewTime(noon.Add(time.Minute))
	entry := func(name string, port int32) v1alpha1.AllocatedPort {
		return v1alpha1.AllocatedPort{Name: name, Port: port, Protocol: corev1.ProtocolTCP}
	}
	for _, c := range []struct {
		name        string
		reservation *v1alpha1.NodePortReservation // nil: it has gone
		claim       *v1alpha1.NodePortAllocation
		want        func(*v1alpha1.NodePortAllocationSpec) // nil: it stays as it is
	}{
		{"kept as it is", reservationOf("http=30003"), reservedClaim(30003, "http"), nil},
		{"in use under another name", reservationOf("http=30003"), adjusted(reservedClaim(30003, "web"), inUse), nil},
		{"not in use any more", reservationOf("http=30003"), reservedClaim(30003, "web"),
			func(s *v1alpha1.NodePortAllocationSpec) {
				s.Ports = append(s.Ports, v1alpha1.AllocatedPort{Name: "http"})
			}},
		{"under the name of an entry that has another number", reservationOf("http=30003", "web=30004"),
			adjusted(reservedClaim(30003), func(s *v1alpha1.NodePortAllocationSpec) {
				s.Ports = []v1alpha1.AllocatedPort{entry("web", 80), entry("http", 81), entry("quic", 82)}
			}),
			func(s *v1alpha1.NodePortAllocationSpec) { s.Ports = s.Ports[1:] }},
		{"for an entry, then for the health check", reservationOf("healthCheck=30003"), reservedClaim(30003, "http"),
			func(s *v1alpha1.NodePortAllocationSpec) { s.Role = v1alpha1.RoleHealthCheck }},
		{"wanted by no entry any more", reservationOf("http=30004"), reservedClaim(30003, "http"),
			func(s *v1alpha1.NodePortAllocationSpec) { s.ReservationName, s.HoldUntil = "", &until }},
		{"wanted by none, and in use", reservationOf("http=30004"), adjusted(reservedClaim(30003, "http"), inUse), notByUs},
		{"for another Service", reservationOf("http=30003"), adjusted(reservedClaim(30003, "http"), ofAPI),
			func(s *v1alpha1.NodePortAllocationSpec) { s.ReservationName, s.HoldUntil = "", &until }},
		{"of a reservation that has gone", nil, reservedClaim(30003, "http"),
			func(s *v1alpha1.NodePortAllocationSpec) { s.ReservationName, s.HoldUntil = "", &until }},
		{"of one that has gone, and in use", nil, adjusted(reservedClaim(30003, "http"), inUse), notByUs},
		{"of one that has gone, outside of the namespace's pools", nil, reservedClaim(30100, "http"),
			func(s *v1alpha1.NodePortAllocationSpec) {
				s.ReservationName, s.HoldUntil = "", new(metav1.NewTime(noon))
			}},
		{"another reservation's", nil, adjusted(reservedClaim(30003, "http"), byAnother), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := c.claim.Spec.DeepCopy()
			if c.want != nil {
				c.want(want)
			}
			o := reservingWith(c.reservation, nil, c.claim)
			var p *promise
			if c.reservation != nil {
				p = promiseFor(o)
			}
			got := &c.claim.Spec
			if corrected := o.corrections(p); len(corrected) > 0 {
				got = &corrected[0].Spec
			} else if c.want != nil {
				t.Error("it is left as it is")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatAReservationWaitsFor(t *testing.T) {
	ready := reservationOf("http=30003", "admin")
	ready.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ReservationReady, Status: metav1.ConditionTrue}}
	for _, c := range []struct {
		name        string
		reservation *v1alpha1.NodePortReservation
		want        []string
	}{
		{"nothing, when it is ready", ready, nil},
		{"all that it lacks", reservationOf("http=30003", "admin", "more", "healthCheck=30004"), []string{"30003", "30004", "any", "room"}},
		{"not for what it has", reservationOf("http=30003 was 30003", "admin was 30004", "more=30005 was 30006"), []string{"30005", "room"}},
		{"nothing, when its pool is missing", reservationOf("http=30003 was 30003"), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, waitingFor(c.reservation)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
