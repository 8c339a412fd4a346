package integration

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestANumberOutlivesChangesOfTheType(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	w.pool("team-a", w.allot(5), serving(shop))
	web := w.create(makeService(shop+"/web").NodePort(80, 0))
	n := number(web)
	for _, step := range []struct {
		to     corev1.ServiceType
		number int32
		state  string
	}{
		{corev1.ServiceTypeLoadBalancer, n, "Bound"},
		{corev1.ServiceTypeNodePort, n, "Bound"},
		{corev1.ServiceTypeClusterIP, 0, "Held"},
		{corev1.ServiceTypeNodePort, n, "Bound"}, // out of the hold
		{corev1.ServiceTypeClusterIP, 0, "Held"},
		{corev1.ServiceTypeLoadBalancer, n, "Bound"},
	} {
		changed := w.change(web, toType(step.to))
		if got := number(changed); got != step.number {
			t.Fatalf("as %s it has the number %d, want %d", step.to, got, step.number)
		}
		w.wantLedger(shop, ledger{n: "web " + step.state + " Automatic team-a"})
	}
}

func TestAClusterIPServiceThatOpensUpGetsANumberOfItsPool(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(1)
	w.pool("team-a", numbers, serving(shop))
	web, api := w.create(makeService(shop+"/web").Port(80)), w.create(makeService(shop+"/api").Port(80))
	w.wantLedger(shop, ledger{})
	w.wantWithin(w.change(web, toType(corev1.ServiceTypeNodePort)), numbers, 1)
	_, err := w.tryChange(api, toType(corev1.ServiceTypeNodePort))
	w.wantRefusal(err, "no node port is free")
	w.wantLedger(shop, ledger{numbers.From: "web Bound Automatic team-a"})
}

func TestNodePortToExternalNameIsLegal(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	w.pool("team-a", w.allot(5), serving(shop))
	web := w.create(makeService(shop+"/web").NodePort(80, 0))
	changed := w.change(web, func(svc *corev1.Service) { // arrives with its number
		svc.Spec.Type = corev1.ServiceTypeExternalName
		svc.Spec.ExternalName = "example.com"
		svc.Spec.ClusterIP, svc.Spec.ClusterIPs = "", nil
	})
	if number(changed) != 0 {
		t.Errorf("as ExternalName it has the number %d, want none", number(changed))
	}
	w.wantLedger(shop, ledger{number(web): "web Held Automatic team-a"})
	back := w.change(web, func(svc *corev1.Service) {
		svc.Spec.Type = corev1.ServiceTypeNodePort
		svc.Spec.ExternalName = ""
	})
	if number(back) != number(web) {
		t.Errorf("it came back with %d, want %d", number(back), number(web))
	}
}

func TestANumberOnAnExternalNameServiceIsRefused(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(5)
	w.pool("team-a", numbers, serving(shop))
	external := func() *Service {
		svc := makeService(shop + "/old").Type(corev1.ServiceTypeExternalName)
		return svc
	}
	withNumber := external().NodePort(80, numbers.From).Obj()
	withNumber.Spec.ExternalName = "example.com"
	w.wantRefusal(w.Create(t.Context(), withNumber), "may not be set when `type` is 'ExternalName'")

	without := external().Port(80).Obj()
	without.Spec.ExternalName = "example.com"
	w.must(w.Create(t.Context(), without))
	_, err := w.tryChange(without, func(svc *corev1.Service) { svc.Spec.Ports[0].NodePort = numbers.From })
	w.wantRefusal(err, "may not be set when `type` is 'ExternalName'")
	w.wantLedger(shop, ledger{})
}

func TestALoadBalancerHasTheNumbersItAsksFor(t *testing.T) {
	for _, tc := range []struct {
		name string
		make func(svc *Service, numbers v1alpha1.PortRange) *Service
		want []string // the ledger of its numbers, in their order in the Service
	}{{
		name: "one for each port by default",
		make: func(svc *Service, _ v1alpha1.PortRange) *Service {
			return svc.NodePort(80, 0, Named("a")).NodePort(81, 0, Named("b"))
		},
		want: []string{"lb Bound Automatic team-a", "lb Bound Automatic team-a"},
	}, {
		name: "none without allocateLoadBalancerNodePorts",
		make: func(svc *Service, _ v1alpha1.PortRange) *Service {
			return svc.AllocateNodePorts(false).NodePort(80, 0, Named("a")).NodePort(81, 0, Named("b"))
		},
	}, {
		name: "explicit ones even then",
		make: func(svc *Service, numbers v1alpha1.PortRange) *Service {
			return svc.AllocateNodePorts(false).NodePort(80, numbers.To, Named("a")).NodePort(81, 0, Named("b"))
		},
		want: []string{"lb Bound Explicit team-a"},
	}} {
		t.Run(tc.name, func(t *testing.T) {
			w := share(t)
			shop := w.namespace("shop")
			numbers := w.allot(5)
			w.pool("team-a", numbers, serving(shop))
			lb := w.create(tc.make(makeService(shop+"/lb").LoadBalancer(), numbers))
			w.wantWithin(lb, numbers, len(tc.want))
			want := ledger{}
			for i, n := range numbersOf(lb) {
				want[n] = tc.want[i]
			}
			w.wantLedger(shop, want)
		})
	}
}

func TestALoadBalancerThatGivesUpItsNumbersReleasesThem(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	w.pool("team-a", w.allot(5), serving(shop))
	lb := w.create(makeService(shop+"/lb").LoadBalancer().NodePort(80, 0))
	changed := w.change(lb, func(svc *corev1.Service) {
		withoutNumbers(svc)
		svc.Spec.AllocateLoadBalancerNodePorts = new(false)
	})
	if number(changed) != 0 {
		t.Fatalf("it still has %d", number(changed))
	}
	w.wantLedger(shop, ledger{number(lb): "lb Held Automatic team-a"})
}

func TestTheHealthCheckHasANumberOfThePoolToo(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(4)
	pool := w.pool("team-a", numbers, serving(shop))
	lb := w.create(makeService(shop+"/lb").LoadBalancer().LocalTraffic().NodePort(80, 0))
	w.wantWithin(lb, numbers, 2)
	check := lb.Spec.HealthCheckNodePort
	w.wantLedger(shop, ledger{number(lb): "lb Bound Automatic team-a", check: "lb Bound Automatic team-a"})
	if role := w.claim(check).Spec.Role; role != v1alpha1.RoleHealthCheck {
		t.Errorf("its role is %q", role)
	}
	w.wantCounts(pool, v1alpha1.PoolPorts{Total: 4, Bound: 2, Free: 2})

	kept := w.change(lb, withoutNumbers)
	if diff := cmp.Diff(numbersOf(lb), numbersOf(kept)); diff != "" {
		t.Errorf("a PUT without numbers changed them (-before +after)\n%s", diff)
	}
	w.change(lb, func(svc *corev1.Service) {
		svc.Spec.ExternalTrafficPolicy = corev1.ServiceExternalTrafficPolicyCluster
		svc.Spec.HealthCheckNodePort = 0
	})
	w.wantLedger(shop, ledger{number(lb): "lb Bound Automatic team-a", check: "lb Held Automatic team-a"})
	w.wantCounts(pool, v1alpha1.PoolPorts{Total: 4, Bound: 1, Held: 1, Free: 2})

	_, err := w.tryCreate(makeService(shop+"/other").LoadBalancer().LocalTraffic().NodePort(80, 0).HealthCheck(numbers.To + 1))
	w.wantRefusal(err, "spec.healthCheckNodePort: Invalid value")
	explicit := w.create(makeService(shop + "/explicit").LoadBalancer().LocalTraffic().AllocateNodePorts(false).
		Port(80).HealthCheck(freeOf(numbers, numbersOf(lb)...)))
	w.wantLedger(shop, ledger{number(lb): "lb Bound Automatic team-a", check: "lb Held Automatic team-a",
		explicit.Spec.HealthCheckNodePort: "explicit Bound Explicit team-a"})
}

// freeOf is the first number of a range that is none of those taken.
func freeOf(r v1alpha1.PortRange, taken ...int32) int32 {
	n := r.From
	for slices.Contains(taken, n) {
		n++
	}
	return n
}
