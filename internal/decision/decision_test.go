package decision

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// pool has numbers for the namespaces with label team=NAME.
func pool(name string, from, to int32, adjust ...func(*v1alpha1.NodePortPoolSpec)) *v1alpha1.NodePortPool {
	p := &v1alpha1.NodePortPool{}
	p.Name = name
	p.Spec = v1alpha1.NodePortPoolSpec{
		Ranges:     []v1alpha1.PortRange{{From: from, To: to}},
		Allocation: v1alpha1.AllocationAutomatic, Strategy: v1alpha1.StrategyRandom,
		HoldSeconds: new(int32(600)), Enforcement: v1alpha1.EnforcementEnforce, MaxPortsPerService: 32,
		NamespaceSelector: metav1.LabelSelector{MatchLabels: map[string]string{"team": name}},
	}
	for _, a := range adjust {
		a(&p.Spec)
	}
	return p
}

func warns(s *v1alpha1.NodePortPoolSpec) { s.Enforcement = v1alpha1.EnforcementWarn }

// entry is one of the ledger: that of a Service "namespace/name" which carries the number.
func entry(number, service string, adjust ...func(*v1alpha1.NodePortAllocationSpec)) *v1alpha1.NodePortAllocation {
	a := &v1alpha1.NodePortAllocation{}
	a.Name = number
	namespace, name, _ := strings.Cut(service, "/")
	a.Spec = v1alpha1.NodePortAllocationSpec{ServiceRef: v1alpha1.ServiceReference{Namespace: namespace, Name: name},
		ServiceUID: "uid", Role: v1alpha1.RoleTraffic, Origin: v1alpha1.OriginAutomatic}
	for _, f := range adjust {
		f(&a.Spec)
	}
	return a
}

// reserved is an entry that a reservation keeps.
func reserved(reservation string) func(*v1alpha1.NodePortAllocationSpec) {
	return func(s *v1alpha1.NodePortAllocationSpec) { s.ReservationName, s.ServiceUID = reservation, "" }
}

func ledgerOf(t *testing.T, pools []*v1alpha1.NodePortPool, entries ...*v1alpha1.NodePortAllocation) *allocator.Ledger {
	t.Helper()
	store := &allocator.FakeStore{}
	ledger := allocator.New(store, testingclock.NewFakePassiveClock(noon))
	store.Watchers = []allocator.FakeWatcher{ledger}
	ledger.SetClusterRange(v1alpha1.PortRange{From: 30000, To: 32767})
	for _, p := range pools {
		ledger.PoolSeen(p)
	}
	for _, a := range entries {
		if err := store.Create(context.Background(), a); err != nil {
			t.Fatal(err)
		}
	}
	return ledger
}

// asked is what admission is asked about a Service of namespace shop, of team shop.
func asked(svc, old *corev1.Service) rules.Question {
	return rules.Question{Service: svc, Old: old, Namespace: "shop", NamespaceLabels: map[string]string{"team": "shop"}, Now: noon}
}

func web() *Service { return MakeService("shop/web") }

// portsOf are the ports of a Service as "name port nodePort", what is not there as "-".
func portsOf(svc *corev1.Service) string {
	var texts []string
	for _, p := range svc.Spec.Ports {
		name := p.Name
		if name == "" {
			name = "-"
		}
		texts = append(texts, fmt.Sprint(name, " ", p.Port, " ", p.NodePort))
	}
	return strings.Join(texts, ", ")
}

func numbersOf(requests []serviceports.Request) []int32 {
	var numbers []int32
	for _, r := range requests {
		numbers = append(numbers, r.NodePort)
	}
	return numbers
}

func TestWhatFollowsFromAServiceItselfIsFilledIn(t *testing.T) {
	for _, c := range []struct {
		name     string
		svc, old *Service
		want     string
	}{
		{"one port needs no name", web().NodePort(80, 0), nil, "- 80 0"},
		{"a port from a number as targetPort", web().NodePort(0, 0, Target(8080)), nil, "- 8080 0"},
		{"what is set stands", web().NodePort(80, 30001, Named("http"), Target(8080)), nil, "http 80 30001"},
		{"several have names", web().NodePort(80, 0).NodePort(53, 0, UDP), nil, "tcp-80 80 0, udp-53 53 0"},
		{"a name that another has is not given twice", web().NodePort(80, 0).NodePort(81, 0, Named("tcp-80")), nil, "- 80 0, tcp-80 81 0"},
		{"without a port there is no name", web().NodePort(0, 0).NodePort(81, 0), nil, "- 0 0, tcp-81 81 0"},
		{"an update that leaves the number out keeps it", web().NodePort(80, 0), web().NodePort(80, 30001), "- 80 30001"},
		{"but not one that names another", web().NodePort(80, 30002), web().NodePort(80, 30001), "- 80 30002"},
	} {
		var old *corev1.Service
		if c.old != nil {
			old = c.old.Obj()
		}
		svc := c.svc.Obj()
		FillOut(svc, old)
		if got := portsOf(svc); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestANameIsGeneratedAsTheAPIServerWould(t *testing.T) {
	long := strings.Repeat("n", 63)
	for generate, prefix := range map[string]string{"web-": "web-", long: long[:58]} {
		svc := web().Obj()
		svc.Name, svc.GenerateName = "", generate
		FillOut(svc, nil)
		if random, ok := strings.CutPrefix(svc.Name, prefix); !ok || len(random) != 5 {
			t.Errorf("of generateName %q: %q", generate, svc.Name)
		}
	}
	svc := web().Obj()
	svc.GenerateName = "other-"
	if FillOut(svc, nil); svc.Name != "web" {
		t.Errorf("a name that is given becomes %q", svc.Name)
	}
}

func TestAProxyIsNamedOnceByThePoolsOfItsNumbers(t *testing.T) {
	proxied := func(s *v1alpha1.NodePortPoolSpec) { s.ServiceProxyName = "portolan" }
	chart := ledgerOf(t, []*v1alpha1.NodePortPool{pool("shop", 30000, 30009, proxied), pool("other", 30010, 30019)}).Chart()
	for _, c := range []struct {
		name string
		svc  *Service
		want string
	}{
		{"of a pool that names one", web().NodePort(80, 30001), "portolan"},
		{"of one that does not", web().NodePort(80, 30011), ""},
		{"without a number", web().Port(80), ""},
		{"its owner has chosen", web().NodePort(80, 30001).Label(v1alpha1.ServiceProxyNameLabel, "cilium"), "cilium"},
		{"and may choose none", web().NodePort(80, 30001).Label(v1alpha1.ServiceProxyNameLabel, ""), ""},
	} {
		svc := c.svc.Obj()
		GiveToProxy(chart, svc)
		if got := svc.Labels[v1alpha1.ServiceProxyNameLabel]; got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestNothingIsChosenForWhatKubernetesRefusesOrPicksItself(t *testing.T) {
	shop := []*v1alpha1.NodePortPool{pool("shop", 30000, 30999, func(s *v1alpha1.NodePortPoolSpec) { s.MaxPortsPerService = 200 })}
	many := web()
	for i := range int32(rules.MaxClaims + 1) {
		many.NodePort(1000+i, 0, Named(fmt.Sprint("p", i)))
	}
	for _, c := range []struct {
		name  string
		pools []*v1alpha1.NodePortPool
		svc   *Service
		want  int
	}{
		{"one", shop, web().NodePort(80, 0), 1},
		{"those that are not set", shop, web().NodePort(80, 30001, Named("a")).NodePort(81, 0, Named("b")), 1},
		{"of no pool", nil, web().NodePort(80, 0), 1},
		{"a port that is none", shop, web().NodePort(70000, 0), 0},
		{"a protocol that is none", shop, web().NodePort(80, 0, func(p *corev1.ServicePort) { p.Protocol = "ICMP" }), 0},
		{"more than are claimed at once", shop, many, 0},
	} {
		ledger := ledgerOf(t, c.pools)
		q := asked(c.svc.Obj(), nil)
		if got := ToChoose(q, Draft(ledger, q, false)); len(got) != c.want {
			t.Errorf("%s: %d, want %d", c.name, len(got), c.want)
		}
	}
}

func TestAServiceIsForetoldAsItWouldBeAdmitted(t *testing.T) {
	shop := pool("shop", 30000, 30002)
	for _, c := range []struct {
		name     string
		pools    []*v1alpha1.NodePortPool
		entries  []*v1alpha1.NodePortAllocation
		svc, old *Service
		ports    string // as it would be stored
		chosen   []int32
		native   bool
		refused  string // the beginning of the first error
		warned   int
	}{
		{name: "a number is chosen", pools: []*v1alpha1.NodePortPool{pool("shop", 30000, 30000)}, svc: web().NodePort(80, 0), ports: "- 80 30000", chosen: []int32{30000}},
		{name: "that nobody has", pools: []*v1alpha1.NodePortPool{pool("shop", 30000, 30001)}, entries: []*v1alpha1.NodePortAllocation{entry("30000", "shop/other")},
			svc: web().NodePort(80, 0), ports: "- 80 30001", chosen: []int32{30001}},
		{name: "or that is kept for it", pools: []*v1alpha1.NodePortPool{shop},
			entries: []*v1alpha1.NodePortAllocation{entry("30002", "shop/web", reserved("web"), func(s *v1alpha1.NodePortAllocationSpec) { s.Ports = []v1alpha1.AllocatedPort{{}} })},
			svc:     web().NodePort(80, 0), ports: "- 80 30002"},
		{name: "one that is asked for and free", pools: []*v1alpha1.NodePortPool{shop}, svc: web().NodePort(80, 30001), ports: "- 80 30001"},
		{name: "one that another has", pools: []*v1alpha1.NodePortPool{shop}, entries: []*v1alpha1.NodePortAllocation{entry("30001", "shop/other")},
			svc: web().NodePort(80, 30001), ports: "- 80 30001", refused: "spec.ports[0].nodePort: Invalid value: 30001"},
		{name: "one of nobody's range", pools: []*v1alpha1.NodePortPool{shop}, svc: web().NodePort(80, 31000), ports: "- 80 31000",
			refused: "spec.ports[0].nodePort"},
		{name: "a pool that is full", pools: []*v1alpha1.NodePortPool{pool("shop", 30000, 30000)}, entries: []*v1alpha1.NodePortAllocation{entry("30000", "shop/other")},
			svc: web().NodePort(80, 0), ports: "- 80 0", refused: "spec.ports"},
		{name: "a pool that is full and only warns", pools: []*v1alpha1.NodePortPool{pool("shop", 30000, 30000, warns)}, entries: []*v1alpha1.NodePortAllocation{entry("30000", "shop/other")},
			svc: web().NodePort(80, 0), ports: "- 80 0", native: true, warned: 1},
		{name: "an update keeps what it has", pools: []*v1alpha1.NodePortPool{shop}, entries: []*v1alpha1.NodePortAllocation{entry("30001", "shop/web")},
			svc: web().NodePort(80, 0), old: web().NodePort(80, 30001).UID("uid"), ports: "- 80 30001"},
		{name: "and gets one for what is new", pools: []*v1alpha1.NodePortPool{pool("shop", 30000, 30001)}, entries: []*v1alpha1.NodePortAllocation{entry("30000", "shop/web")},
			svc: web().NodePort(80, 0).NodePort(81, 0), old: web().NodePort(80, 30000).UID("uid"), ports: "tcp-80 80 30000, tcp-81 81 30001", chosen: []int32{30001}},
		{name: "without node ports nothing is asked", pools: []*v1alpha1.NodePortPool{shop}, svc: web().Port(80), ports: "- 80 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var old *corev1.Service
			if c.old != nil {
				old = c.old.Obj()
			}
			given := c.svc.Obj()
			f := Foretell(ledgerOf(t, c.pools, c.entries...), asked(given, old))
			if diff := cmp.Diff(c.svc.Obj(), given); diff != "" {
				t.Errorf("the question was changed:\n%s", diff)
			}
			if got := portsOf(f.Question.Service); got != c.ports {
				t.Errorf("ports %s, want %s", got, c.ports)
			}
			if got := numbersOf(f.Chosen); !slices.Equal(got, c.chosen) {
				t.Errorf("chosen %v, want %v", got, c.chosen)
			}
			if f.NativePick != c.native {
				t.Errorf("Kubernetes picks: %t", f.NativePick)
			}
			if len(f.Errors) > 0 != (c.refused != "") || len(f.Errors) > 0 && !strings.HasPrefix(f.Errors[0].Error(), c.refused) {
				t.Errorf("refused: %v, want %s", f.Errors, c.refused)
			}
			if len(f.Warnings) != c.warned {
				t.Errorf("%d warnings, want %d: %q", len(f.Warnings), c.warned, f.Warnings)
			}
			if len(f.Breaches) != len(f.Errors)+len(f.Warnings) {
				t.Errorf("%d errors and %d warnings, but breaches: %v", len(f.Errors), len(f.Warnings), f.Breaches)
			}
		})
	}
}

func TestAReservationIsForetold(t *testing.T) {
	for _, c := range []struct {
		name    string
		last    int32 // number of the pool, of which 30000 is the first
		entries []*v1alpha1.NodePortAllocation
		ports   []v1alpha1.ReservedPort
		status  []v1alpha1.ReservedPortStatus
		numbers []int32
		refused int
	}{
		{name: "a number is chosen", last: 30000, ports: []v1alpha1.ReservedPort{{Name: "http"}}, numbers: []int32{30000}},
		{name: "one that is named", last: 30002, ports: []v1alpha1.ReservedPort{{Name: "http", NodePort: 30002}}, numbers: []int32{30002}},
		{name: "what it has it keeps, and gets nothing for it", last: 30002, entries: []*v1alpha1.NodePortAllocation{entry("30001", "shop/web", reserved("web"))},
			ports: []v1alpha1.ReservedPort{{Name: "http"}}, status: []v1alpha1.ReservedPortStatus{{Name: "http", NodePort: 30001}}},
		{name: "what it has lost is chosen anew", last: 30000, ports: []v1alpha1.ReservedPort{{Name: "http"}},
			status: []v1alpha1.ReservedPortStatus{{Name: "http", NodePort: 30001}}, numbers: []int32{30000}},
		{name: "what another has it does not get", last: 30002, entries: []*v1alpha1.NodePortAllocation{entry("30002", "shop/other")},
			ports: []v1alpha1.ReservedPort{{Name: "http", NodePort: 30002}}, refused: 1},
		{name: "more than there are", last: 30002, ports: []v1alpha1.ReservedPort{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "d"}}, refused: 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &v1alpha1.NodePortReservation{}
			r.Namespace, r.Name = "shop", "web"
			r.Spec.Ports, r.Status.Ports = c.ports, c.status
			ledger := ledgerOf(t, []*v1alpha1.NodePortPool{pool("shop", 30000, c.last)}, c.entries...)
			p := ForetellReservation(ledger, r, map[string]string{"team": "shop"}, noon)
			if got := numbersOf(p.Numbers); !slices.Equal(got, c.numbers) {
				t.Errorf("numbers %v, want %v", got, c.numbers)
			}
			if len(p.Errors) != c.refused || len(p.Texts()) != c.refused+len(p.Warnings) {
				t.Errorf("errors %v, texts %q", p.Errors, p.Texts())
			}
		})
	}
}
