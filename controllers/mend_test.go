package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// remedyFor is one whose command is "shop/web: 30100".
func remedyFor(service string) remedy {
	return remedy{service: named(service), command: func(n int32) string { return fmt.Sprintf("%s: %d", service, n) }}
}

func someFree(numbers ...int32) freeNumbers {
	return func(map[string]string) []int32 { return numbers }
}

func TestAdviceNamesAnotherFreeNumberToEachAndTheSameEachTime(t *testing.T) {
	remedies := []remedy{remedyFor("shop/web"), remedyFor("shop/api"), remedyFor("bank/core")}
	var free []int32
	for n := range int32(100) {
		free = append(free, 30100+n)
	}
	before := advice(remedies, someFree(free...))
	var chosen []int32
	for _, r := range remedies {
		n, _ := r.firstChoice(free, nil)
		chosen = append(chosen, n)
	}
	for _, n := range free {
		without := slices.DeleteFunc(slices.Clone(free), func(other int32) bool { return other == n })
		after := advice(remedies, someFree(without...))
		if isChosen := slices.Contains(chosen, n); isChosen == (after == before) {
			t.Errorf("once %d is taken, which was named: %t, it says %q, said %q", n, isChosen, after, before)
		}
	}
	if got := advice(remedies, someFree(30100, 30101)); strings.Count(got, "30100") != 1 || strings.Count(got, "30101") != 1 || strings.Contains(got, "core") {
		t.Errorf("of two numbers it names %q", got)
	}
	if got := advice(remedies, someFree()); got != "" {
		t.Errorf("of no number it says %q", got)
	}
}

func TestAdviceIsOfNumbersThatArePickedWhileThereAreSome(t *testing.T) {
	explicit := poolOn("well-known", 0, v1alpha1.PortRange{From: 30000, To: 30001})
	explicit.Spec.Allocation = v1alpha1.AllocationExplicit
	chart := rules.NewChart(v1alpha1.PortRange{From: 30000, To: 32767}, []v1alpha1.NodePortPool{explicit, poolOn("team-a", 0, v1alpha1.PortRange{From: 30100, To: 30101})})
	if got := freeIn(rules.FakeLedger{}, chart)(nil); !slices.Equal(got, []int32{30100, 30101}) {
		t.Errorf("it is of %v", got)
	}
	full := rules.FakeLedger{30100: "shop/a", 30101: "shop/b"}
	if got := freeIn(full, chart)(nil); !slices.Equal(got, []int32{30000, 30001}) {
		t.Errorf("where all are taken it is of %v", got)
	}
}

func TestAdviceIsForNoMoreServicesThanCanBeRead(t *testing.T) {
	var remedies []remedy
	var free []int32
	for i := range 2 * maxListed {
		remedies, free = append(remedies, remedyFor(fmt.Sprint("shop/web-", i))), append(free, int32(30100+i))
	}
	if got := strings.Count(advice(remedies, someFree(free...)), ": 30"); got != maxListed {
		t.Errorf("%d commands", got)
	}
}

func TestAServiceIsRenumberedAsLongAsItIsAsItWas(t *testing.T) {
	svc := MakeService("shop/web").LoadBalancer().LocalTraffic().HealthCheck(30090).
		NodePort(80, 30080, Named("http")).NodePort(443, 30443, Named("https")).NodePort(443, 30443, Named("quic"), UDP).Obj()
	var got []string
	for _, r := range remediesFor(nameOf(svc), nil, serviceports.Requests(svc), 30443, 30090, 30999) {
		got = append(got, r.command(30100))
	}
	want := []string{`kubectl -n shop patch service web --type=json -p '[{"op":"test","path":"/spec/ports/1/nodePort","value":30443},{"op":"test","path":"/spec/ports/2/nodePort","value":30443},` +
		`{"op":"replace","path":"/spec/ports/1/nodePort","value":30100},{"op":"replace","path":"/spec/ports/2/nodePort","value":30100}]'`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAReservationMovesBeforeItsService(t *testing.T) {
	chart := rules.NewChart(v1alpha1.PortRange{From: 30000, To: 32767}, []v1alpha1.NodePortPool{poolOn("new", 0, v1alpha1.PortRange{From: 30100, To: 30199})})
	r := &v1alpha1.NodePortReservation{}
	r.Namespace, r.Name = "shop", "web"
	r.Spec.Ports = []v1alpha1.ReservedPort{{Name: "http", NodePort: 30080}, {Name: "admin"}}
	r.Spec.HealthCheckNodePort = 30090
	r.Status.Ports = []v1alpha1.ReservedPortStatus{{Name: "http", NodePort: 30080}, {Name: "admin", NodePort: 30081}}
	service := []remedy{remedyFor("shop/web")}
	const begin = "kubectl -n shop patch nodeportreservation web --type=json -p '["
	for _, tc := range []struct {
		name   string
		number int32
		pool   string
		its    []remedy
		want   []string
	}{
		{"named", 30080, "", nil, []string{begin + `{"op":"test","path":"/spec/ports/0/name","value":"http"},{"op":"add","path":"/spec/ports/0/nodePort","value":30100}]'`}},
		{"chosen, of a pool that is named, and carried by the Service", 30081, "old", service,
			[]string{begin + `{"op":"test","path":"/spec/ports/1/name","value":"admin"},{"op":"add","path":"/spec/ports/1/nodePort","value":30100},{"op":"replace","path":"/spec/poolName","value":"new"}]'; shop/web: 30100`}},
		{"of its health check", 30090, "", nil, nil},
	} {
		r.Spec.PoolName = tc.pool
		var got []string
		for _, remedy := range reservedElsewhere(r, tc.number, nil, chart, tc.its) {
			got = append(got, remedy.command(30100))
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tc.name, diff)
		}
	}
}

func TestAServiceOutsideItsPoolIsToldOfNumbersThatAreFreeForIt(t *testing.T) {
	pool := poolOn("team-a", 0, v1alpha1.PortRange{From: 30100, To: 30199})
	chart := rules.NewChart(v1alpha1.PortRange{From: 30000, To: 32767}, []v1alpha1.NodePortPool{pool})
	svc := MakeService("shop/web").NodePort(80, 30150, Named("a")).NodePort(81, 31000, Named("b")).NodePort(82, 31001, Named("c")).Obj()
	breaches := rules.LiveBreaches(chart, rules.Question{Service: svc, Namespace: "shop"})
	want := `to give this Service another number: kubectl -n shop patch service web --type=json -p '[{"op":"test","path":"/spec/ports/1/nodePort","value":31000},{"op":"replace","path":"/spec/ports/1/nodePort","value":30100}]'`
	if diff := cmp.Diff(want, messageAndAdvice(breachTrouble(svc, nil, breaches), []int32{30100})[1]); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAnEventHasNoHalfCommand(t *testing.T) {
	command := "kubectl " + strings.Repeat("x", 400)
	does := func(command string) remedy { return remedy{command: func(int32) string { return command }} }
	trouble := trouble{message: strings.Repeat("m", 300), remedies: []remedy{does(command), does(command + "longer than there is room for"), does("kubectl short")}}
	const intro = "; to give this Service another number: "
	if got, want := trouble.note(someFree(30100, 30101, 30102)), trouble.message+intro+command+intro+"kubectl short"; got != want {
		t.Errorf("the event says\n%s\nwant\n%s", got, want)
	}
}

func TestAnEventAdvisesTheSameAsTheConditionOfTheNumber(t *testing.T) {
	var free []int32
	for n := range int32(100) {
		free = append(free, 30100+n)
	}
	svc := MakeService("shop/web").NodePort(80, 30080, Named("a")).NodePort(81, 30081, Named("b")).Obj()
	both := trouble{message: "trouble", remedies: remediesFor(nameOf(svc), nil, serviceports.Requests(svc), 30080, 30081)}
	event := both.note(someFree(free...))
	for _, n := range []int32{30080, 30081} {
		condition := advice(remediesFor(nameOf(svc), nil, serviceports.Requests(svc), n), someFree(free...))
		_, command, _ := strings.Cut(condition, ": ")
		if !strings.Contains(event, command) {
			t.Errorf("of %d the condition says %q, the event %q", n, command, event)
		}
	}
}
