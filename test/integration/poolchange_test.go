package integration

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
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
