package explain

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/term"
	"github.com/portolan-dev/portolan/internal/cli/world"
	"github.com/portolan-dev/portolan/internal/cli/world/worldtest"
	"github.com/portolan-dev/portolan/internal/rules/secrecytest"
	"github.com/portolan-dev/portolan/internal/serviceports"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

var now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func pool(name string, from, to int32, selector map[string]string) v1alpha1.NodePortPool {
	p := v1alpha1.NodePortPool{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(now.Add(-time.Hour))}}
	p.Spec = v1alpha1.NodePortPoolSpec{
		Ranges: []v1alpha1.PortRange{{From: from, To: to}}, NamespaceSelector: metav1.LabelSelector{MatchLabels: selector},
		Allocation: v1alpha1.AllocationAutomatic, Strategy: v1alpha1.StrategyStable, HoldSeconds: new(int32(600)),
		Enforcement: v1alpha1.EnforcementEnforce, MaxPortsPerService: 4,
	}
	return p
}

func allocation(number string, owner string, change func(*v1alpha1.NodePortAllocationSpec)) v1alpha1.NodePortAllocation {
	a := v1alpha1.NodePortAllocation{ObjectMeta: metav1.ObjectMeta{Name: number}}
	namespace, name, _ := strings.Cut(owner, "/")
	a.Spec.ServiceRef = v1alpha1.ServiceReference{Namespace: namespace, Name: name}
	a.Spec.Role = v1alpha1.RoleTraffic
	a.Spec.Ports = []v1alpha1.AllocatedPort{{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP}}
	change(&a.Spec)
	return a
}

func bound(origin v1alpha1.Origin) func(*v1alpha1.NodePortAllocationSpec) {
	return func(s *v1alpha1.NodePortAllocationSpec) {
		s.ServiceUID, s.Origin, s.ClaimTime = "uid", origin, new(metav1.NewMicroTime(now.Add(-72*time.Hour)))
	}
}

func held(s *v1alpha1.NodePortAllocationSpec) {
	s.HoldUntil = new(metav1.NewTime(now.Add(5 * time.Minute)))
}

func reserved(s *v1alpha1.NodePortAllocationSpec) { s.ReservationName = "checkout" }

// cluster is one in which everything can be in the way of a Service of namespace shop.
func cluster() *world.World {
	extra := pool("shop-extra", 30200, 30203, map[string]string{"team": "a"})
	extra.Spec.Allocation, extra.Spec.Priority = v1alpha1.AllocationExplicit, -1
	old := pool("shop-old", 30300, 30303, map[string]string{"team": "a"})
	old.Spec.Allocation, old.Spec.Priority = v1alpha1.AllocationNone, -2
	mine := pool("shop", 30100, 30109, map[string]string{"team": "a"})
	mine.Spec.MaxPortsPerNamespace = new(int32(6))
	trial := pool("lab", 30500, 30501, map[string]string{"team": "lab"})
	trial.Spec.Enforcement, trial.Spec.Strategy = v1alpha1.EnforcementWarn, v1alpha1.StrategyRandom
	state := v1alpha1.NodePortNodeState{ObjectMeta: metav1.ObjectMeta{Name: "node-1"}}
	state.Status.ClashingNodePorts = "30107"
	state.Status.Clashes = []v1alpha1.Clash{{NodePort: 30107, Protocol: corev1.ProtocolTCP, Kind: v1alpha1.ClashHostListener}}
	services := []corev1.Service{
		*MakeService("shop/api").UID("uid").NodePort(80, 30101, Named("http")).Obj(),
		*MakeService("bank/core").UID("uid").NodePort(80, 30102, Named("http")).Obj(),
		*MakeService("shop/adopted").UID("uid").NodePort(80, 30400, Named("http")).NodePort(81, 30107, Named("b")).Obj(),
		*MakeService("shop/drained").UID("uid").NodePort(80, 30301, Named("http")).Obj(),
		*MakeService("shop/twin").UID("uid").NodePort(80, 30101, Named("http")).Obj(),
	}
	return world.New(world.Objects{
		Pools: []v1alpha1.NodePortPool{mine, extra, old, trial, pool("secret-pool", 30600, 30610, map[string]string{"team": "secret"})},
		Allocations: []v1alpha1.NodePortAllocation{
			allocation("30101", "shop/api", bound(v1alpha1.OriginExplicit)), allocation("30102", "bank/core", bound(v1alpha1.OriginAutomatic)),
			allocation("30103", "shop/gone", held), allocation("30104", "shop/back", held), allocation("30105", "shop/checkout", reserved),
			allocation("30106", "bank/gone", held), allocation("30400", "shop/adopted", bound(v1alpha1.OriginAdopted)),
			allocation("30107", "shop/adopted", bound(v1alpha1.OriginAutomatic)),
		},
		Services: services, NodeStates: []v1alpha1.NodePortNodeState{state},
		Namespaces: []corev1.Namespace{
			{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{"team": "a"}}},
			{ObjectMeta: metav1.ObjectMeta{Name: "lab", Labels: map[string]string{"team": "lab"}}},
			{ObjectMeta: metav1.ObjectMeta{Name: "free"}},
		},
	}, now, true)
}

func TestAManifestIsExplained(t *testing.T) {
	for name, svc := range map[string]*Service{
		"chosen":            MakeService("shop/web").NodePort(80, 0, Named("http")),
		"chosen-again":      MakeService("shop/back").NodePort(80, 0, Named("http")),
		"chosen-reserved":   MakeService("shop/checkout").NodePort(80, 0, Named("http")),
		"asked-for":         MakeService("shop/web").NodePort(80, 30108, Named("http")),
		"asked-for-extra":   MakeService("shop/web").NodePort(80, 30200, Named("http")),
		"taken-by-own":      MakeService("shop/web").NodePort(80, 30101, Named("http")),
		"taken-by-other":    MakeService("shop/web").NodePort(80, 30102, Named("http")),
		"taken-over":        MakeService("shop/web").NodePort(80, 30103, Named("http")),
		"held-by-other":     MakeService("shop/web").NodePort(80, 30106, Named("http")),
		"draining":          MakeService("shop/web").NodePort(80, 30300, Named("http")),
		"foreign":           MakeService("shop/web").NodePort(80, 30600, Named("http")),
		"in-no-pool":        MakeService("shop/web").NodePort(80, 32000, Named("http")),
		"outside":           MakeService("shop/web").NodePort(80, 8080, Named("http")),
		"holds-given-up":    MakeService("shop/web").NodePort(80, 0, Named("a")).NodePort(81, 0, Named("b")).NodePort(82, 0, Named("c")),
		"over-quota":        MakeService("shop/web").NodePort(80, 0, Named("a")).NodePort(81, 0, Named("b")).NodePort(82, 0, Named("c")).NodePort(83, 0, Named("d")),
		"too-many":          MakeService("shop/web").NodePort(80, 0).NodePort(81, 0).NodePort(82, 0).NodePort(83, 0).NodePort(84, 0),
		"named-pool":        MakeService("shop/web").NodePort(80, 0, Named("http")).Annotation(v1alpha1.PoolAnnotation, "shop-extra"),
		"unknown-pool":      MakeService("shop/web").NodePort(80, 0, Named("http")).Annotation(v1alpha1.PoolAnnotation, "secret-pool"),
		"only-warned":       MakeService("lab/web").NodePort(80, 30900, Named("http")),
		"no-pool":           MakeService("free/web").NodePort(80, 30901, Named("http")),
		"update":            MakeService("shop/api").NodePort(80, 0, Named("http")).NodePort(81, 30109, Named("more")),
		"cluster-ip":        MakeService("shop/web").Port(80),
		"external-name":     MakeService("shop/web").NodePort(80, 30108).Type(corev1.ServiceTypeExternalName),
		"names-filled-in":   MakeService("shop/web").NodePort(80, 30108).NodePort(81, 30109),
		"two-in-one-number": MakeService("shop/web").NodePort(53, 30108, Named("dns")).NodePort(53, 0, Named("udp"), UDP),
	} {
		t.Run(name, func(t *testing.T) {
			account := Manifest(cluster(), svc.Obj())
			var text bytes.Buffer
			if err := Write(&text, account, term.Screen{}); err != nil {
				t.Fatal(err)
			}
			golden.Assert(t, text.String(), name+".golden")
		})
	}
}

func TestALiveServiceIsExplained(t *testing.T) {
	for _, name := range []string{"api", "adopted", "drained", "twin"} {
		t.Run(name, func(t *testing.T) {
			w := cluster()
			var text bytes.Buffer
			if err := Write(&text, Live(w, w.Service(types.NamespacedName{Namespace: "shop", Name: name})), term.Screen{}); err != nil {
				t.Fatal(err)
			}
			golden.Assert(t, text.String(), "live-"+name+".golden")
		})
	}
}

func TestALiveServiceOfADrainingPoolIsToldWhatWouldBecomeOfItsNumber(t *testing.T) {
	const drained = `spec.ports[0].nodePort: Invalid value: 30301: pool "old" hands out nothing new (allocation: None); ask an operator for another pool`
	for _, c := range []struct {
		name   string
		change func(pool *v1alpha1.NodePortPool, claim *v1alpha1.NodePortAllocationSpec)
		want   []string
	}{
		{"it would be refused", func(*v1alpha1.NodePortPool, *v1alpha1.NodePortAllocationSpec) {}, []string{notAgain + drained}},
		{"it would be warned", func(p *v1alpha1.NodePortPool, _ *v1alpha1.NodePortAllocationSpec) {
			p.Spec.Enforcement = v1alpha1.EnforcementWarn
		}, []string{drained}},
		{"its number is reserved for it", func(_ *v1alpha1.NodePortPool, claim *v1alpha1.NodePortAllocationSpec) {
			reserved(claim)
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			old, claim := pool("old", 30300, 30303, map[string]string{"team": "a"}), allocation("30301", "shop/web", bound(v1alpha1.OriginAutomatic))
			old.Spec.Allocation = v1alpha1.AllocationNone
			c.change(&old, &claim.Spec)
			web := MakeService("shop/web").UID("uid").NodePort(80, 30301, Named("http")).Obj()
			web.ManagedFields = serviceports.SetBy(nil) // nobody has set the number
			w := world.New(world.Objects{
				Pools: []v1alpha1.NodePortPool{old}, Allocations: []v1alpha1.NodePortAllocation{claim}, Services: []corev1.Service{*web},
				Namespaces: []corev1.Namespace{{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: map[string]string{"team": "a"}}}},
			}, now, true)
			got := Live(w, web).Answer
			want := Answer{Verdict: Conforming, Text: "it keeps to the rules of its namespace", Warnings: c.want}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnAccountIsAsWideAsTheScreen(t *testing.T) {
	a := Manifest(cluster(), MakeService("shop/web").NodePort(80, 30600, Named("http")).Obj())
	var text bytes.Buffer
	if err := Write(&text, a, term.Screen{Width: 80, Known: true, Colour: true}); err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, text.String(), "foreign-80-colour.golden")
	for line := range strings.Lines(text.String()) {
		if term.Length(strings.TrimSuffix(line, "\n")) > 80 {
			t.Errorf("it is wider: %s", line)
		}
	}
}

// Whoever explains his own Service reads nothing of other tenants, though the world knows of them.
func TestAnAccountTellsNothingOfOtherTenants(t *testing.T) {
	texts := func(a Account) []string {
		all := slices.Concat([]string{a.Answer.Text}, a.Answer.Errors, a.Answer.Warnings, a.Answer.Commands)
		for _, s := range a.Steps {
			all = append(append(all, s.Title), s.Lines...)
		}
		return all
	}
	secrecytest.Check(t, map[string]secrecytest.Told{
		"of a manifest": func(s secrecytest.Scene) []string {
			return texts(Manifest(world.New(worldtest.Objects(s), secrecytest.Now, true), worldtest.Manifest(s)))
		},
		"of a live Service": func(s secrecytest.Scene) []string {
			return texts(Live(world.New(worldtest.Objects(s), secrecytest.Now, true), worldtest.Manifest(s)))
		},
	})
}

// Of a number that is not for the namespace it must not show whether anybody has it.
func TestAnAccountDoesNotTellWhetherANumberOfAnotherPoolIsInUse(t *testing.T) {
	account := func(objects func(*world.World)) string {
		w := cluster()
		objects(w)
		return fmt.Sprint(Manifest(w, MakeService("shop/web").NodePort(80, 30600, Named("http")).Obj()))
	}
	free := account(func(*world.World) {})
	used := account(func(w *world.World) { w.Ledger.ServiceSeen(MakeService("secret/secret").NodePort(80, 30600).Obj()) })
	if free != used {
		t.Errorf("free: %s\nused: %s", free, used)
	}
}

// What is in the way of a number of another namespace's reads the same, be it used or held.
func TestAnAccountDoesNotTellWhetherAnotherNamespaceUsesOrHoldsANumber(t *testing.T) {
	digits := regexp.MustCompile(`\d+`)
	account := func(number int32) string {
		a := Manifest(cluster(), MakeService("shop/web").NodePort(80, number, Named("http")).Obj())
		return digits.ReplaceAllString(fmt.Sprint(a), "N")
	}
	if used, held := account(30102), account(30106); used != held {
		t.Errorf("used: %s\nheld: %s", used, held)
	}
}
