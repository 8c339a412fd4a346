package integration

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

const teamLabel = "example.com/team"

// ofTeam has a pool select the namespaces of a team.
func ofTeam(team string) poolOption {
	return func(s *v1alpha1.NodePortPoolSpec) {
		s.NamespaceSelector = metav1.LabelSelector{MatchLabels: map[string]string{teamLabel: team}}
	}
}

func (w *world) label(namespace, key, value string) {
	w.Helper()
	w.mustKubectl("", "label", "--overwrite", "namespace", namespace, key+"="+value)
}

const reasonMisplaced = "NodePortOutsidePool"

func TestALiveServiceKeepsItsNumberWhateverBecomesOfItsPool(t *testing.T) {
	type scene struct {
		*world
		pool, other      *v1alpha1.NodePortPool
		shop             string
		numbers, further v1alpha1.PortRange
	}
	for _, tc := range []struct {
		name         string
		change, back func(s scene)
		want         string
	}{{
		name: "its range is moved",
		change: func(s scene) {
			s.changePool(s.pool, func(p *v1alpha1.NodePortPoolSpec) { p.Ranges = []v1alpha1.PortRange{s.further} })
		},
		back: func(s scene) {
			s.changePool(s.pool, func(p *v1alpha1.NodePortPoolSpec) { p.Ranges = []v1alpha1.PortRange{s.numbers} })
		},
		want: `not in the node port ranges of namespace "shop"`,
	}, {
		name: "it is deleted while another one selects the namespace",
		change: func(s scene) {
			s.changePool(s.other, serving(s.shop))
			s.must(s.Delete(s.Context(), s.pool))
		},
		back: func(s scene) {
			again := makePool(s.pool.Name, s.numbers, serving(s.shop))
			s.must(s.Create(s.Context(), again))
		},
		want: `not in the node port ranges of namespace "shop"`,
	}, {
		name:   "it selects another namespace",
		change: func(s scene) { s.changePool(s.pool, serving("elsewhere")) },
		back:   func(s scene) { s.changePool(s.pool, serving(s.shop)) },
		want:   `in a pool that does not serve namespace "shop"`,
	}, {
		name: "the namespace's label changes",
		change: func(s scene) {
			s.changePool(s.pool, ofTeam(s.pool.Name))
			s.changePool(s.other, ofTeam(s.other.Name))
			s.label(s.shop, teamLabel, s.other.Name)
		},
		back: func(s scene) { s.label(s.shop, teamLabel, s.pool.Name) },
		want: `not in the node port ranges of namespace "shop"`,
	}} {
		t.Run(tc.name, func(t *testing.T) {
			w := share(t)
			s := scene{world: w, shop: w.namespace("shop"), numbers: w.allot(3), further: w.allot(3)}
			s.pool = w.pool("team-a", s.numbers, serving(s.shop))
			s.other = w.pool("team-b", w.allot(3), serving("nobody"))
			w.label(s.shop, teamLabel, s.pool.Name)
			web := w.create(makeService(s.shop+"/web").NodePort(80, 0))
			w.wantAllBound(web)
			if _, err := w.tryCreate(makeService(s.shop+"/probe").NodePort(80, s.further.From), client.DryRunAll); err == nil {
				t.Fatal("the numbers of nobody could be had from the start")
			}

			tc.change(s)
			message := w.inTestsWords(w.wantTrouble(web, reasonMisplaced))
			if !strings.HasPrefix(message, "the Service keeps its number: ") || !strings.Contains(message, tc.want) {
				t.Errorf("the condition says %q", message)
			}
			if got := number(w.fetch(web)); got != number(web) {
				t.Errorf("the Service now has %d, had %d", got, number(web))
			}
			w.wantReason(number(web), v1alpha1.AllocationReasonInUse)
			tc.back(s)
			w.wantTrouble(web, "")
			w.wantReason(number(web), v1alpha1.AllocationReasonInUse)
		})
	}
}

func TestAServiceOutOfTroubleByItsOwnHandLosesTheCondition(t *testing.T) {
	for _, tc := range []struct {
		name string
		mend func(svc *corev1.Service, to v1alpha1.PortRange)
	}{
		{"with a number of the pool", func(svc *corev1.Service, to v1alpha1.PortRange) { svc.Spec.Ports[0].NodePort = to.From }},
		{"without a number", func(svc *corev1.Service, _ v1alpha1.PortRange) { toType(corev1.ServiceTypeClusterIP)(svc) }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := share(t)
			shop := w.namespace("shop")
			pool, to := w.pool("team-a", w.allot(3), serving(shop)), w.allot(3)
			web := w.create(makeService(shop+"/web").NodePort(80, 0))
			w.changePool(pool, func(p *v1alpha1.NodePortPoolSpec) { p.Ranges = []v1alpha1.PortRange{to} })
			w.wantTrouble(web, reasonMisplaced)
			w.change(web, func(svc *corev1.Service) { tc.mend(svc, to) })
			w.wantTrouble(web, "")
		})
	}
}

func TestADeletedPoolTakesItsHoldsAlongAndLeavesWhatIsInUse(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	pool := w.pool("team-a", w.allot(3), serving(shop))
	web, gone := w.create(makeService(shop+"/web").NodePort(80, 0)), w.create(makeService(shop+"/gone").NodePort(80, 0))
	w.wantAllBound(gone)
	w.remove(gone)
	w.wantLedger(shop, ledger{number(web): "web Bound Automatic team-a", number(gone): "gone Held Automatic team-a"})
	w.must(w.Delete(t.Context(), pool))
	w.wantLedger(shop, ledger{number(web): "web Bound Automatic team-a"})
	if got := number(w.fetch(web)); got != number(web) {
		t.Errorf("the Service now has %d, had %d", got, number(web))
	}
}

// wantReady waits until the Ready condition of a pool is True and says so.
func (w *world) wantReady(pool *v1alpha1.NodePortPool, reason, message string) {
	w.Helper()
	w.eventually(fmt.Sprintf("pool %s is %s", w.names[pool.Name], reason), func() error {
		w.must(w.Get(w.Context(), client.ObjectKeyFromObject(pool), pool))
		c := meta.FindStatusCondition(pool.Status.Conditions, v1alpha1.PoolReady)
		if c == nil || c.Status != metav1.ConditionTrue || c.Reason != reason || c.Message != message {
			return fmt.Errorf("its condition is %+v", c)
		}
		return nil
	})
}

func TestADrainingPoolKeepsWhatIsInUseAndGivesNothingNewAndSaysHowManyAreLeft(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers := w.allot(3)
	pool := w.pool("team-a", numbers, serving(shop))
	web := w.create(makeService(shop+"/web").NodePort(80, numbers.From))
	gone := w.create(makeService(shop+"/gone").NodePort(80, numbers.From+1))
	w.wantAllBound(gone)
	w.remove(gone)
	held := ledger{numbers.From: "web Bound Explicit team-a", numbers.From + 1: "gone Held Explicit team-a"}
	w.wantLedger(shop, held)

	w.changePool(pool, withAllocation(v1alpha1.AllocationNone))
	for name, svc := range map[string]*Service{
		"automatic":        makeService(shop+"/api").NodePort(80, 0),
		"explicit":         makeService(shop+"/api").NodePort(80, numbers.To),
		"by name":          makeService(shop+"/api").Annotation(v1alpha1.PoolAnnotation, pool.Name).NodePort(80, 0),
		"for its hold":     makeService(shop+"/gone").NodePort(80, 0),
		"for another hold": makeService(shop+"/api").NodePort(80, numbers.From+1),
	} {
		_, err := w.tryCreate(svc)
		if err == nil {
			t.Fatalf("%s got a number", name)
		}
		w.wantRefusal(err, `pool "team-a" hands out nothing new (allocation: None)`)
	}
	w.wantReady(pool, v1alpha1.PoolReasonDraining, fmt.Sprintf("the pool is draining: it hands out nothing new; numbers still in use or reserved: 1: %s/web (%d)", shop, number(web)))
	kept := w.change(web, withoutNumbers)
	if number(kept) != number(web) {
		t.Errorf("the number went from %d to %d", number(web), number(kept))
	}
	w.wantTrouble(web, "")
	w.wantConforming(pool, 0)

	w.remove(web)
	w.mustKubectl("", "wait", "npp/"+pool.Name, `--for=jsonpath={.status.conditions[?(@.type=="Ready")].reason}=Drained`, "--timeout=90s")
	w.wantReady(pool, v1alpha1.PoolReasonDrained, "the pool is drained: none of its numbers is in use; numbers held: 2, until they end or the pool is deleted")
	// Somebody thinks better of it.
	w.changePool(pool, withAllocation(v1alpha1.AllocationAutomatic))
	w.wantReady(pool, v1alpha1.PoolReasonAvailable, "all numbers of the pool can be handed out")
	if back := w.create(makeService(shop+"/gone").NodePort(80, 0)); number(back) != number(gone) {
		t.Errorf("the Service came back with %d, held for it is %d", number(back), number(gone))
	}
}

func TestNumbersLeftBehindByARangeOrAPoolAreCountedAndListed(t *testing.T) {
	w := share(t)
	shop := w.namespace("shop")
	numbers, spare := w.allot(4), w.allot(2)
	pool := w.pool("team-a", numbers, serving(shop), holding(0))
	other := w.pool("team-b", spare, serving(shop), func(s *v1alpha1.NodePortPoolSpec) { s.Priority = -1 })
	inside, outside := w.create(makeService(shop+"/inside").NodePort(80, numbers.From)), w.create(makeService(shop+"/outside").NodePort(80, numbers.To))
	w.wantAllBound(inside)
	w.wantAllBound(outside)
	list := func() string {
		return sameEachTime(w.inTestsWords(w.mustKubectl("", "get", "npa", "--no-headers", "--field-selector", "spec.poolName="+pool.Name)))
	}
	both := fmt.Sprintf("%d TCP shop inside team-a Explicit InUse <age>\n%d TCP shop outside team-a Explicit InUse <age>\n", numbers.From, numbers.To)

	w.changePool(pool, func(s *v1alpha1.NodePortPoolSpec) { s.Ranges[0].To-- })
	w.wantCounts(pool, v1alpha1.PoolPorts{Total: 3, Bound: 1, Free: 2, Outside: 1})
	w.wantTrouble(outside, reasonMisplaced)
	listed := fmt.Sprintf("live Services that break the pool's rules, and keep their numbers: 1: shop/outside (%d)", numbers.To)
	if got := w.wantConforming(pool, 1); got != listed {
		t.Errorf("the pool says %q, want %q", got, listed)
	}
	if got := list(); strings.ReplaceAll(got, "  ", " ") != both {
		t.Errorf("listed are\n%s\nwant\n%s", got, both)
	}

	w.must(w.Delete(t.Context(), pool))
	w.wantTrouble(inside, reasonMisplaced)
	w.wantTrouble(outside, reasonMisplaced)
	listed = fmt.Sprintf("live Services that break the pool's rules, and keep their numbers: 2: shop/inside (%d), shop/outside (%d)", numbers.From, numbers.To)
	if got := w.wantConforming(other, 2); got != listed {
		t.Errorf("the other pool says %q, want %q", got, listed)
	}
	if got := list(); strings.ReplaceAll(got, "  ", " ") != both {
		t.Errorf("listed are\n%s\nwant\n%s", got, both)
	}
	for _, svc := range []*corev1.Service{inside, outside} {
		if got := number(w.fetch(svc)); got != number(svc) {
			t.Errorf("%s now has %d, had %d", svc.Name, got, number(svc))
		}
	}
	// As they are given up the list gets shorter.
	w.remove(inside)
	w.remove(outside)
	w.eventually("none is listed", func() error {
		if got := list(); !strings.HasPrefix(got, "No resources found") {
			return fmt.Errorf("listed are %s", got)
		}
		return nil
	})
}

func TestAChangeOfAPoolWarnsWhatComesOfItAndIsNotRefused(t *testing.T) {
	w := share(t)
	s := &transcript{world: w}
	shop, office := w.namespace("shop"), w.namespace("office")
	guard := w.pool("guard", w.exactly(30530, 30559), serving(shop, office)) // from other tests
	for name, n := range map[string]int32{"web": 30530, "api": 30535, "old": 30550} {
		w.wantAllBound(w.create(makeService(shop+"/"+name).NodePort(80, n)))
	}
	w.wantAllBound(w.create(makeService(office+"/desk").NodePort(80, 30536)))
	w.must(w.Delete(t.Context(), guard))
	w.eventually("the guard is gone", func() error {
		if w.replicas[0].Ledger.Chart().Pool(guard.Name) != nil {
			return fmt.Errorf("the manager still has it")
		}
		return nil
	})
	pool := func(adjust ...poolOption) *v1alpha1.NodePortPool {
		p := makePool("team-a", v1alpha1.PortRange{From: 30530, To: 30539}, append([]poolOption{serving(shop)}, adjust...)...)
		p.APIVersion, p.Kind = v1alpha1.GroupVersion.String(), "NodePortPool"
		return p
	}
	w.names["team-a"] = "team-a"
	seen := func(p *v1alpha1.NodePortPool) {
		w.must(w.Get(t.Context(), client.ObjectKeyFromObject(p), p))
		w.awaitPool(p)
	}
	s.apply("A pool that warns is made where there are Services", pool(onlyWarning))
	seen(pool())
	w.wantAllBound(w.create(makeService(shop+"/new").NodePort(80, 30537)))
	former := w.create(makeService(shop+"/former").NodePort(80, 30538))
	w.wantAllBound(former)
	w.remove(former)
	w.wantReason(30538, v1alpha1.AllocationReasonHeld)
	s.apply("It enforces", pool(enforcing))
	s.apply("Nothing changes", pool(enforcing))
	s.apply("Its range is moved", pool(func(s *v1alpha1.NodePortPoolSpec) { s.Ranges[0] = v1alpha1.PortRange{From: 30540, To: 30549} }), "--dry-run=server")
	s.apply("It selects others", pool(serving(office)), "--dry-run=server")
	s.note("It is deleted", w.mustKubectl("", "delete", "npp", "team-a"))
	w.golden("pool-warnings", s.text.String())
}
