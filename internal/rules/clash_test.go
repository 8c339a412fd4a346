package rules

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func clashes(all ...Clash) []Clash { return all }

func TestANumberThatClashesIsLetThroughWithAWarning(t *testing.T) {
	const free = "; free now: 30100, 30101, 30103"
	tcp := Clash{corev1.ProtocolTCP, v1alpha1.ClashHostListener, 2}
	udp := Clash{corev1.ProtocolUDP, v1alpha1.ClashHostListener, 1}
	hostPort := Clash{corev1.ProtocolTCP, v1alpha1.ClashHostPort, 1}
	unknown := Clash{Nodes: 3}
	web := func() *Service { return MakeService("shop/web") }
	for _, c := range []struct {
		name  string
		there []Clash // at 30102
		svc   *Service
		old   *Service
		want  []string
	}{
		{"with nothing", nil, web().NodePort(80, 30102), nil, nil},
		{"with a process", clashes(tcp), web().NodePort(80, 30102), nil,
			[]string{"spec.ports[0].nodePort: 30102 clashes with a process on 2 nodes: one of the two gets no traffic there" + free}},
		{"with a hostPort", clashes(hostPort), web().NodePort(80, 30102), nil,
			[]string{"spec.ports[0].nodePort: 30102 clashes with a hostPort on 1 node: one of the two gets no traffic there" + free}},
		{"with several", clashes(tcp, hostPort, unknown), web().NodePort(80, 30102), nil,
			[]string{"spec.ports[0].nodePort: 30102 clashes with a process on 2 nodes and a hostPort on 1 node and something else on 3 nodes: one of the two gets no traffic there" + free}},
		{"with one of another protocol", clashes(udp), web().NodePort(80, 30102), nil, nil},
		{"with one of its two protocols", clashes(udp), web().NodePort(53, 30102, Named("tcp")).NodePort(53, 30102, Named("udp"), UDP), nil,
			[]string{"spec.ports[0].nodePort: 30102 clashes with a process on 1 node: one of the two gets no traffic there" + free}},
		{"with both of them", clashes(tcp, udp), web().NodePort(53, 30102, Named("tcp")).NodePort(53, 30102, Named("udp"), UDP), nil,
			[]string{"spec.ports[0].nodePort: 30102 clashes with a process on 2 nodes: one of the two gets no traffic there" + free}},
		{"a health check", clashes(tcp), web().NodePort(80, 30100).LoadBalancer().LocalTraffic().HealthCheck(30102), nil,
			[]string{"spec.healthCheckNodePort: 30102 clashes with a process on 2 nodes: one of the two gets no traffic there" + free}},
		{"a health check, with one of UDP", clashes(udp), web().NodePort(80, 30100).LoadBalancer().LocalTraffic().HealthCheck(30102), nil, nil},
		{"a number that it has had", clashes(tcp), web().NodePort(80, 30102).Label("a", "b"), web().NodePort(80, 30102), nil},
		{"a number that is chosen", clashes(tcp), web().NodePort(80, 0), nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			ledger := ClashingLedger{FakeLedger{}, map[int32][]Clash{30102: c.there}}
			var old *corev1.Service
			if c.old != nil {
				old = c.old.Obj()
			}
			for _, dryRun := range []bool{false, true} {
				q := ask(c.svc.Obj(), old)
				q.DryRun = dryRun
				answer := Judge(chartOf(teamA), ledger, q)
				if diff := cmp.Diff(c.want, answer.Warnings); diff != "" || len(answer.Errors) > 0 {
					t.Errorf("dry-run %t: errors %v, warnings (-want +got):\n%s", dryRun, answer.Errors, diff)
				}
			}
		})
	}
}

func TestANumberThatIsRefusedIsNotWarnedAbout(t *testing.T) {
	ledger := ClashingLedger{FakeLedger{30102: "bank/core"}, map[int32][]Clash{30102: clashes(Clash{Nodes: 1})}}
	answer := Judge(chartOf(teamA), ledger, ask(MakeService("shop/web").NodePort(80, 30102).Obj(), nil))
	if len(answer.Errors) != 1 || len(answer.Warnings) > 0 {
		t.Errorf("errors %v, warnings %v", answer.Errors, answer.Warnings)
	}
}

func TestNumbersThatClashAreNotFree(t *testing.T) {
	ledger := ClashingLedger{full("30100-30109", 3, ""), map[int32][]Clash{}}
	for _, n := range []int32{30105, 30107, 30108, 30109} { // of which 30105 is in use
		ledger.Clashing[n] = clashes(Clash{corev1.ProtocolTCP, v1alpha1.ClashHostListener, 1})
	}
	q := ask(MakeService("shop/web").NodePort(80, 0).Obj(), nil)
	chart := chartOf(makePool("team-a", "30100-30109").For("a"))
	err := Exhausted(ledger, q, chart.PoolsFor(q.NamespaceLabels))
	const want = `The Service "web" is invalid: spec.ports: Forbidden: no node port is free in the ranges of namespace "shop" (pool "team-a": 7 of 10 in use or held, 3 in use by something else on nodes)`
	if diff := cmp.Diff(want, kubectl("web", field.ErrorList{err})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
