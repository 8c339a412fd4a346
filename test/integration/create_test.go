package integration

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestAServiceGetsANumberOfItsPool(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(5)
	pool := w.pool("team-a", numbers, serving(shop))

	web := w.create(makeService(shop+"/web").NodePort(80, 0))
	w.wantWithin(web, numbers, 1)
	w.wantLedger(shop, ledger{number(web): "web Bound Automatic team-a"})
	claim := w.wantReason(number(web), v1alpha1.AllocationReasonInUse)
	want := v1alpha1.NodePortAllocationSpec{
		PoolName:   pool.Name,
		ServiceRef: v1alpha1.ServiceReference{Namespace: shop, Name: "web"},
		ServiceUID: web.UID,
		Role:       v1alpha1.RoleTraffic,
		Origin:     v1alpha1.OriginAutomatic,
		Ports:      []v1alpha1.AllocatedPort{{Port: 80, Protocol: corev1.ProtocolTCP}},
	}
	if diff := cmp.Diff(want, claim.Spec); diff != "" {
		t.Errorf("claim (-want +got)\n%s", diff)
	}
	w.wantCounts(pool, v1alpha1.PoolPorts{Total: 5, Bound: 1, Free: 4})
}

func TestAnExplicitNumberOfThePoolIsTaken(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(5)
	w.pool("team-a", numbers, serving(shop))

	web := w.create(makeService(shop+"/web").NodePort(80, numbers.From+2))
	w.wantLedger(shop, ledger{numbers.From + 2: "web Bound Explicit team-a"})
	_, err := w.tryCreate(makeService(shop+"/api").NodePort(80, number(web)))
	w.wantRefusal(err, `already allocated to Service "web" in this namespace`)
	_, err = w.tryCreate(makeService(shop+"/api").NodePort(80, numbers.To+1))
	w.wantRefusal(err, `not in the node port ranges of namespace "shop"`)
	w.wantLedger(shop, ledger{number(web): "web Bound Explicit team-a"})
}

func TestANamespaceWithoutAPoolGetsANumberOfNoPool(t *testing.T) {
	w := alone(t)
	w.start(nil)
	shop, other := w.namespace("shop"), w.namespace("other")
	// Nearly all numbers belong to somebody else.
	w.pool("theirs", v1alpha1.PortRange{From: secondRange.From + 2, To: secondRange.To}, serving(other))
	commons := v1alpha1.PortRange{From: secondRange.From, To: secondRange.From + 1}

	web := w.create(makeService(shop+"/web").NodePort(80, 0))
	api := w.create(makeService(shop+"/api").NodePort(80, 0))
	w.wantWithin(web, commons, 1)
	w.wantWithin(api, commons, 1)
	w.wantLedger(shop, ledger{number(web): "web Bound Automatic", number(api): "api Bound Automatic"})
	_, err := w.tryCreate(makeService(shop+"/third").NodePort(80, 0))
	w.wantRefusal(err, `no node port is free in the ranges of namespace "shop" (2 of 2 in use or held)`)
	_, err = w.tryCreate(makeService(shop+"/third").NodePort(80, secondRange.To))
	w.wantRefusal(err, `in a pool that does not serve namespace "shop"`)
}

func TestCreatingAnExistingServiceAnswersAlreadyExistsAndClaimsNothing(t *testing.T) {
	for _, tc := range []struct {
		name string
		size int32
	}{
		{"with free numbers", 5},
		{"with none left", 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := share(t)
			shop := w.namespace("shop")
			w.pool("team-a", w.allot(tc.size), serving(shop))
			web := makeService(shop+"/web").NodePort(80, 0)
			first := w.create(web)
			for range 3 {
				if _, err := w.tryCreate(web); !apierrors.IsAlreadyExists(err) {
					t.Fatalf("got %v, want AlreadyExists", err)
				}
				want := ledger{number(first): "web Bound Automatic team-a"}
				if diff := cmp.Diff(want, w.ledgerOf(shop)); diff != "" {
					w.wantLedger(shop, want) // it may just not be bound yet
				}
			}
		})
	}
}

func TestGeneratedNamesGetNumbersOfTheirOwn(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(5)
	w.pool("team-a", numbers, serving(shop))
	want := ledger{}
	for range 3 {
		generated := makeService(shop+"/").NodePort(80, 0).Obj()
		generated.GenerateName = "web-"
		w.must(w.Create(t.Context(), generated))
		w.wantWithin(generated, numbers, 1)
		want[number(generated)] = generated.Name + " Bound Automatic team-a"
	}
	if len(want) != 3 {
		t.Fatalf("got %v, want three numbers", want)
	}
	w.wantLedger(shop, want)
}

func TestAServiceGetsAllOfItsNumbersOrNone(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(3)
	pool := w.pool("team-a", numbers, serving(shop))
	several := func(name string, ports int32) *Service {
		svc := makeService(shop + "/" + name)
		for i := range ports {
			svc.NodePort(80+i, 0, Named(fmt.Sprintf("p%d", i)))
		}
		return svc
	}

	_, err := w.tryCreate(several("four", 4))
	w.wantRefusal(err, `too few node ports are free in the ranges of namespace "shop" (pool "team-a": 0 of 3 in use or held)`)
	w.wantLedger(shop, ledger{})
	three := w.create(several("three", 3))
	w.wantWithin(three, numbers, 3)
	w.wantCounts(pool, v1alpha1.PoolPorts{Total: 3, Bound: 3})
	_, err = w.tryCreate(several("one", 1))
	w.wantRefusal(err, `no node port is free in the ranges of namespace "shop" (pool "team-a": 3 of 3 in use or held)`)
}

func TestTheProtocolsOfAPortShareItsNumber(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(3)
	w.pool("team-a", numbers, serving(shop))
	dns := w.create(makeService(shop+"/dns").NodePort(53, 0, Named("tcp")).NodePort(53, 0, Named("udp"), UDP))
	w.wantWithin(dns, numbers, 1)
	w.wantLedger(shop, ledger{number(dns): "dns Bound Automatic team-a"})
	if claim := w.wantReason(number(dns), v1alpha1.AllocationReasonInUse); claim.Status.Protocols != "TCP,UDP" {
		t.Errorf("protocols are %q, want TCP,UDP", claim.Status.Protocols)
	}
	// Two Services may not, whatever the protocol.
	_, err := w.tryCreate(makeService(shop+"/other").NodePort(53, number(dns), UDP))
	w.wantRefusal(err, `already allocated to Service "dns" in this namespace`)
}

func TestANumberTwiceInOneServiceIsRefused(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(3)
	w.pool("team-a", numbers, serving(shop))
	_, err := w.tryCreate(makeService(shop+"/web").NodePort(80, numbers.From, Named("a")).NodePort(81, numbers.From, Named("b")))
	w.wantRefusal(err, "spec.ports[1].nodePort: Invalid value: "+fmt.Sprint(numbers.From)+": already used by spec.ports[0].nodePort with the same protocol")
	_, err = w.tryCreate(makeService(shop+"/web").LoadBalancer().NodePort(80, numbers.From).LocalTraffic().HealthCheck(numbers.From))
	w.wantRefusal(err, "already used by spec.ports[0].nodePort of this Service")
	w.wantLedger(shop, ledger{})
}

func TestAPortIsFilledInFromItsTarget(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(3)
	w.pool("team-a", numbers, serving(shop))
	out, err := w.kubectl(`{apiVersion: v1, kind: Service, metadata: {name: web, namespace: `+shop+`},
		spec: {type: NodePort, ports: [{targetPort: 8080}, {port: 9090}]}}`, "apply", "--server-side", "-f", "-")
	if err != nil {
		t.Fatal(out)
	}
	web := w.fetch(makeService(shop + "/web").Obj())
	w.wantWithin(web, numbers, 2)
	if p := web.Spec.Ports; p[0].Port != 8080 || p[0].Name != "tcp-8080" || p[1].Name != "tcp-9090" {
		t.Errorf("got %+v", p)
	}
}
