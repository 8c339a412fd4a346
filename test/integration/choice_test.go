package integration

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func withAllocation(mode v1alpha1.AllocationMode) poolOption {
	return func(s *v1alpha1.NodePortPoolSpec) { s.Allocation = mode }
}

func withPriority(priority int32) poolOption {
	return func(s *v1alpha1.NodePortPoolSpec) { s.Priority = priority }
}

func TestTheAnnotationChoosesAmongThePoolsOfTheNamespace(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	first, second := w.allot(3), w.allot(3)
	w.pool("team-a", first, serving(shop), withPriority(10))
	public := w.pool("public", second, serving(shop))
	theirs := w.pool("theirs", w.allot(3), serving("elsewhere"))

	w.wantWithin(w.create(makeService(shop+"/by-priority").NodePort(80, 0)), first, 1)
	chosen := func(name, pool string) *Service {
		return makeService(shop+"/"+name).Annotation(v1alpha1.PoolAnnotation, pool)
	}
	w.wantWithin(w.create(chosen("by-annotation", public.Name).NodePort(80, 0)), second, 1)
	w.wantWithin(w.create(chosen("explicit", public.Name).NodePort(80, 0)), second, 1)
	_, err := w.tryCreate(chosen("mismatch", public.Name).NodePort(80, first.To))
	w.wantRefusal(err, `in pool "team-a", but the annotation portolan.dev/pool names pool "public"`)

	_, err = w.tryCreate(chosen("foreign", theirs.Name).NodePort(80, 0))
	w.wantRefusal(err, `metadata.annotations[portolan.dev/pool]: Invalid value: "theirs": not a pool of namespace "shop": it has team-a, public`)
	_, err = w.tryCreate(chosen("unknown", "no-such-pool").NodePort(80, 0))
	w.wantRefusal(err, `metadata.annotations[portolan.dev/pool]: Invalid value: "no-such-pool": not a pool of namespace "shop": it has team-a, public`)
}

func TestAFullPoolPassesOnToTheNext(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	first, second := w.allot(1), w.allot(1)
	w.pool("team-a", first, serving(shop), withPriority(10))
	w.pool("public", second, serving(shop))
	w.wantWithin(w.create(makeService(shop+"/one").NodePort(80, 0)), first, 1)
	w.wantWithin(w.create(makeService(shop+"/two").NodePort(80, 0)), second, 1)
	_, err := w.tryCreate(makeService(shop+"/three").NodePort(80, 0))
	w.wantRefusal(err, `no node port is free in the ranges of namespace "shop" (pool "team-a": 1 of 1 in use or held; pool "public": 1 of 1 in use or held)`)
}

func TestAnExplicitPoolServesOnlyThoseWhoNameTheirNumberOrThePool(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(3)
	pool := w.pool("team-a", numbers, serving(shop), withAllocation(v1alpha1.AllocationExplicit))
	_, err := w.tryCreate(makeService(shop+"/web").NodePort(80, 0))
	w.wantRefusal(err, fmt.Sprintf(`pool "team-a" gives no number by itself: set a nodePort from %d-%d`, numbers.From, numbers.To))
	w.create(makeService(shop+"/web").NodePort(80, numbers.To))
	w.wantWithin(w.create(makeService(shop+"/api").Annotation(v1alpha1.PoolAnnotation, pool.Name).NodePort(80, 0)), numbers, 1)
}

func TestAPoolThatOnlyWarnsLetsThrough(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers, elsewhere := w.allot(1), w.allot(3)
	w.pool("team-a", numbers, serving(shop), func(s *v1alpha1.NodePortPoolSpec) { s.Enforcement = v1alpha1.EnforcementWarn })
	// These belong to nobody yet: no other test may get them.
	w.pool("free", elsewhere, serving("nobody"), func(s *v1alpha1.NodePortPoolSpec) { s.Enforcement = v1alpha1.EnforcementWarn })

	manifest := `{apiVersion: v1, kind: Service, metadata: {name: web, namespace: %s}, spec: {type: NodePort, ports: [{port: 80, nodePort: %d}]}}`
	out := w.mustKubectl(fmt.Sprintf(manifest, shop, elsewhere.From), "create", "-f", "-")
	want := fmt.Sprintf("Warning: spec.ports[0].nodePort: Invalid value: %d: not in the node port ranges of namespace \"shop\": %d; free now: %d\nservice/web created\n",
		elsewhere.From, numbers.From, numbers.From)
	if diff := cmp.Diff(want, w.inTestsWords(out)); diff != "" {
		t.Errorf("kubectl prints (-want +got)\n%s", diff)
	}
	web := w.fetch(makeService(shop + "/web").Obj())
	w.wantLedger(shop, ledger{elsewhere.From: "web Bound Explicit free"})
	w.wantTrouble(web, reasonMisplaced)

	// One number, one holder: that is no matter of enforcement.
	_, err := w.tryCreate(makeService(shop+"/api").NodePort(80, elsewhere.From))
	w.wantRefusal(err, `already allocated to Service "web" in this namespace`)
	w.wantWithin(w.create(makeService(shop+"/inside").NodePort(80, 0)), numbers, 1)
}

func TestTheStableStrategyGivesTheSameNumberInEveryCluster(t *testing.T) {
	t.Parallel()
	one, two := onShared(t), onSecond(t)
	two.start(nil)
	numbers := one.allot(100)
	shop := "stable-" + fmt.Sprint(numbers.From)
	stable := func(s *v1alpha1.NodePortPoolSpec) { s.Strategy = v1alpha1.StrategyStable; holding(0)(s) }
	var got [2][]int32
	for i, w := range []*world{one, two} {
		w.namespaceOfName(shop)
		w.pool("team-a", numbers, serving(shop), stable)
		for range 2 { // and again with nothing left of the first time
			var lives []int32
			for _, name := range []string{"web", "api"} {
				svc := w.create(makeService(shop+"/"+name).LoadBalancer().LocalTraffic().
					NodePort(80, 0, Named("http")).NodePort(443, 0, Named("https")))
				lives = append(lives, svc.Spec.HealthCheckNodePort)
				for _, p := range svc.Spec.Ports {
					lives = append(lives, p.NodePort)
				}
				w.wantAllBound(svc)
			}
			for _, name := range []string{"web", "api"} {
				w.remove(w.fetch(makeService(shop + "/" + name).Obj()))
			}
			w.wantLedger(shop, ledger{})
			if got[i] != nil && !cmp.Equal(got[i], lives) {
				t.Errorf("the first time %v, then %v", got[i], lives)
			}
			got[i] = lives
		}
	}
	if diff := cmp.Diff(got[0], got[1]); diff != "" {
		t.Errorf("the numbers differ between clusters\n%s", diff)
	}
}
