package guard

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestWhoReachesANodePort(t *testing.T) {
	const office, kiosk, elsewhere, six = "203.0.113.9", "203.0.113.7", "198.51.100.1", "2001:db8:1::9"
	edge := map[string]string{"edge": "true"}
	for _, test := range []struct {
		name     string
		policies []*policy
		pools    []*v1alpha1.NodePortPool
		want     []string // who may
	}{
		{
			name: "everybody, where no policy selects it",
			want: []string{office, kiosk, elsewhere, six},
		},
		{
			name:     "everybody, where one selects something else",
			policies: []*policy{forApp("db").from("203.0.113.0/24"), forApp("web").ports("https").from("10.0.0.0/8")},
			want:     []string{office, kiosk, elsewhere, six},
		},
		{
			name:     "those in a range, but not who is excepted",
			policies: []*policy{forApp("web").from("203.0.113.0/24", "203.0.113.7/32")},
			want:     []string{office},
		},
		{
			name:     "those of every range, and of every policy",
			policies: []*policy{forApp("web").from("203.0.113.9/32").from("2001:db8:1::/48"), forApp("web").ports("http").from("198.51.100.0/24")},
			want:     []string{office, elsewhere, six},
		},
		{
			name:     "who is excepted from one range, and is in another",
			policies: []*policy{forApp("web").from("203.0.113.0/24", "203.0.113.7/32").from("203.0.113.4/30")},
			want:     []string{office, kiosk},
		},
		{
			name:     "everybody, where a policy says nothing of sources",
			policies: []*policy{forApp("web")},
			want:     []string{office, kiosk, elsewhere, six},
		},
		{
			name:     "nobody, where the policy is about other nodes",
			policies: []*policy{forApp("web").onNodes(map[string]string{"edge": "false"})},
		},
		{
			name:     "those of a policy for this node",
			policies: []*policy{forApp("web").onNodes(edge).from("203.0.113.0/24"), forApp("web").onNodes(map[string]string{"edge": "false"})},
			want:     []string{office, kiosk},
		},
		{
			name:     "nobody, where the policy is about another interface",
			policies: []*policy{forApp("web").by("eth1")},
		},
		{
			name:     "those of a policy for its interface",
			policies: []*policy{forApp("web").by("eth1"), forApp("web").by("eth0", "eth2").from("203.0.113.0/24")},
			want:     []string{office, kiosk},
		},
		{
			name:     "those of a policy for its address",
			policies: []*policy{forApp("web").at("192.0.2.2/32"), forApp("web").at("192.0.2.0/31").from("203.0.113.0/24")},
			want:     []string{office, kiosk},
		},
		{
			name:  "those under the ceiling of the pool alone",
			pools: []*v1alpha1.NodePortPool{pool(30000, 30099, peer("203.0.113.0/24", "203.0.113.7/32"))},
			want:  []string{office},
		},
		{
			name:     "those of the policies that are under the ceiling",
			policies: []*policy{forApp("web").from("203.0.113.0/28").from("198.51.100.0/24")},
			pools:    []*v1alpha1.NodePortPool{pool(30000, 30099, peer("203.0.113.8/29"), peer("10.0.0.0/8"))},
			want:     []string{office},
		},
		{
			name:  "those under the ceiling of the older of two pools",
			pools: []*v1alpha1.NodePortPool{pool(30080, 30080), pool(30000, 30099, peer("203.0.113.0/24"))},
			want:  []string{office, kiosk, elsewhere, six},
		},
		{
			name:  "everybody, where the ceiling is over other numbers",
			pools: []*v1alpha1.NodePortPool{pool(30000, 30079, peer("203.0.113.0/24"))},
			want:  []string{office, kiosk, elsewhere, six},
		},
		{
			name:     "nobody by a policy that cannot be read",
			policies: []*policy{forApp("web").from("203.0.113.0/24").from("office"), forApp("web").from("198.51.100.1/32")},
			want:     []string{elsewhere},
		},
		{
			name:     "nobody by a policy for what is no interface",
			policies: []*policy{forApp("web").by("eth0", "ääääääää"), forApp("web").by("eth0").from("198.51.100.1/32")},
			want:     []string{elsewhere},
		},
		{
			name:  "nobody under a ceiling that cannot be read",
			pools: []*v1alpha1.NodePortPool{pool(30000, 30099, peer("203.0.113.0/24"), peer("203.0.113.0"))},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.node(edge, "192.0.2.1", "192.0.2.2", "2001:db8::1")
			w.service(web())
			for i, p := range test.policies {
				w.access("shop/"+string(rune('a'+i)), p)
			}
			for i, p := range test.pools {
				p.CreationTimestamp = metav1.NewTime(monday.Add(time.Duration(i) * time.Hour))
				w.pool(string(rune('z'-i)), p)
			}
			var got []string
			for _, source := range []string{office, kiosk, elsewhere, six} {
				if w.at(source, "eth0", "192.0.2.1") == "pass" {
					got = append(got, source)
				}
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestTheMostGenerousRateCounts(t *testing.T) {
	w := newWorld(t)
	w.service(web())
	w.access("shop/all", forApp("web").limit(10, 20))
	w.access("shop/ten", forApp("web").from("10.0.0.0/8").limit(10, 30))
	w.access("shop/few", forApp("web").from("10.1.0.0/16").limit(5, 100))
	w.access("shop/friends", forApp("web").from("10.1.1.0/24"))
	for source, want := range map[string]string{
		"192.0.2.9": "rate-10-20",
		"10.0.0.1":  "rate-10-30",
		"10.1.0.1":  "rate-10-30",
		"10.1.1.1":  "pass",
		"2001::1":   "rate-10-20",
	} {
		if got := w.at(source, "eth0", "192.0.2.1"); got != want {
			t.Errorf("%s: %s, want %s", source, got, want)
		}
	}
}

func TestAHealthCheckNodePortStaysOpen(t *testing.T) {
	w := newWorld(t)
	svc := st.MakeService("shop/web").LoadBalancer().LocalTraffic().NodePort(80, 30080).HealthCheck(30081).Created(monday).Obj()
	w.service(svc)
	w.access("shop/nobody", &policy{})
	w.pool("edge", pool(30081, 30081, peer("10.0.0.0/8")))
	if got := w.decide(tcp(30081), ip("192.0.2.9"), "eth0", ip("192.0.2.1")); got != nft.Pass() {
		t.Errorf("it does %s", got)
	}
	if !hasUse(w.table, tcp(30081)) {
		t.Error("it does not count as used")
	}
}

func hasUse(t nft.Table, port nft.Port) bool {
	_, used := t[nft.Use(port.Protocol, port.Number).Key]
	return used
}

func TestANumberIsUsedAsLongAsAnybodyHasIt(t *testing.T) {
	w := newWorld(t)
	w.service(web())
	w.do(w.planner.SetHostPorts([]nft.Port{tcp(30080), tcp(30099)}))
	w.do(w.planner.SetService(named("shop/web"), nil))
	if !hasUse(w.table, tcp(30080)) || !hasUse(w.table, tcp(30099)) {
		t.Error("hostPorts do not count")
	}
	w.do(w.planner.SetHostPorts([]nft.Port{tcp(30099)}))
	if hasUse(w.table, tcp(30080)) {
		t.Error("it is used by nobody")
	}
}

// A selector that this version cannot read may have been meant for anything.
func TestASelectorThatCannotBeReadSelectsWhatItMayHaveMeant(t *testing.T) {
	w := newWorld(t)
	w.service(web())
	p := forApp("web")
	p.object.Spec.ServiceSelector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "tier", Operator: "Near"}}
	w.access("shop/near", p)
	if got := w.at("192.0.2.9", "eth0", "192.0.2.1"); got != "deny" {
		t.Errorf("a Service with the label that can be read: %s", got)
	}
	other := forApp("db")
	other.object.Spec.ServiceSelector.MatchExpressions = p.object.Spec.ServiceSelector.MatchExpressions
	w.access("shop/near", other)
	if got := w.at("192.0.2.9", "eth0", "192.0.2.1"); got != "pass" {
		t.Errorf("a Service without: %s", got)
	}
}

func TestOneRangeMoreIsOneElementMoreHoweverManyPortsItIsFor(t *testing.T) {
	w := newWorld(t)
	svc := st.MakeService("shop/web").Created(monday)
	for i := range 20 {
		svc.NodePort(int32(80+i), int32(30080+i))
	}
	w.service(svc.Obj())
	w.access("shop/all", (&policy{}).from("203.0.113.0/24"))
	c := w.access("shop/all", (&policy{}).from("203.0.113.0/24").from("198.51.100.0/24"))
	if len(c.Delete) != 0 || len(c.Add) != 1 || len(c.Narrowed) != 0 {
		t.Errorf("deleted %v, added %v, narrowed %v", c.Delete, c.Add, c.Narrowed)
	}
	c = w.access("shop/all", (&policy{}).from("198.51.100.0/24"))
	if len(c.Delete) != 1 || len(c.Add) != 0 || len(c.Narrowed) != 20 {
		t.Errorf("deleted %v, added %v, narrowed %v", c.Delete, c.Add, c.Narrowed)
	}
}

func TestAddressesThatEachPodMayBringAreNoPlacesOfTheirOwn(t *testing.T) {
	w := newWorld(t)
	w.node(nil, "192.0.2.1", "127.0.0.1", "::1", "fe80::1", "fe80::2", "169.254.1.1")
	w.service(web())
	w.access("shop/wired", forApp("web").by("eth1"))
	if places := w.planner.doors[tcp(30080)].places; len(places) != 2 {
		t.Errorf("places: %+v", places)
	}
	if got := w.at("fe80::9", "eth1", "fe80::1"); got != "deny" {
		t.Errorf("at a link-local address of the interface: %s", got)
	}
}

func TestWhatDoesNotChangeAnythingIsNoChange(t *testing.T) {
	w := newWorld(t)
	w.node(map[string]string{"edge": "true"}, "192.0.2.1")
	w.service(web())
	w.access("shop/a", forApp("web").from("203.0.113.0/24"))
	w.pool("edge", pool(30000, 30099, peer("203.0.0.0/16")))
	p := forApp("web").from("203.0.113.0/24")
	p.object.Labels, p.object.ResourceVersion = map[string]string{"new": "label"}, "7"
	status := pool(30000, 30099, peer("203.0.0.0/16"))
	status.Status.Ranges = "30000-30099"
	svc := web()
	svc.Annotations = map[string]string{"new": "annotation"}
	for name, c := range map[string]Change{
		"policy": w.access("shop/a", p), "pool": w.pool("edge", status), "Service": w.service(svc),
		"node": w.node(map[string]string{"edge": "true"}, "192.0.2.1"),
	} {
		if !c.Empty() || len(c.Narrowed) > 0 {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

// Two Services with one number are a mistake that Portolan mends. Until then the younger does not open it.
func TestOfTwoServicesWithOneNumberTheOlderSaysWhoReachesIt(t *testing.T) {
	w := newWorld(t)
	intruder := st.MakeService("evil/web").NodePort(80, 30080).Created(monday.Add(time.Hour)).Obj()
	w.service(intruder)
	w.service(web())
	w.access("shop/office", forApp("web").from("203.0.113.0/24"))
	w.access("evil/all", (&policy{}).from("0.0.0.0/0"))
	if got := w.at("192.0.2.9", "eth0", "192.0.2.1"); got != "deny" {
		t.Errorf("it does %s", got)
	}
	w.do(w.planner.SetService(named("shop/web"), nil))
	if got := w.at("192.0.2.9", "eth0", "192.0.2.1"); got != "pass" {
		t.Errorf("when the older has gone it does %s", got)
	}
}

// A flow does not tell by which interface it came.
func TestAFlowGoesOnWhereSomeInterfaceLetsItsSourceIn(t *testing.T) {
	w := newWorld(t)
	w.node(nil, "192.0.2.1", "192.0.2.2")
	w.service(web())
	w.access("shop/a", forApp("web").by("eth1").at("192.0.2.1/32").from("203.0.113.0/24"))
	for address, want := range map[string]bool{"192.0.2.1": true, "192.0.2.2": false} {
		if got := w.planner.Sight(tcp(30080)).Admits(ip("203.0.113.1"), ip(address)); got != want {
			t.Errorf("at %s: %t, want %t", address, got, want)
		}
	}
	if w.planner.Sight(tcp(30080)).Admits(ip("198.51.100.1"), ip("192.0.2.1")) {
		t.Error("others too")
	}
}

func TestWhoeverHasLostAnythingIsLookedAt(t *testing.T) {
	w := newWorld(t)
	w.node(map[string]string{"edge": "true"}, "192.0.2.1")
	steps := []struct {
		name string
		c    Change
		want []nft.Port
	}{
		{"a new Service, open", w.service(web()), nil},
		{"a policy for it", w.access("shop/a", forApp("web").from("203.0.113.0/24")), []nft.Port{tcp(30080)}},
		{"a rate", w.access("shop/a", forApp("web").from("203.0.113.0/24").limit(5, 5)), nil},
		{"a second policy", w.access("shop/b", forApp("web").from("198.51.100.0/24")), nil},
		{"a ceiling over all of them", w.pool("p", pool(30000, 30099, peer("192.0.0.0/2"))), nil},
		{"a ceiling over some of them", w.pool("p", pool(30000, 30099, peer("203.0.113.0/25"))), []nft.Port{tcp(30080)}},
		{"no ceiling", w.pool("p", nil), nil},
		{"the second policy goes", w.access("shop/b", nil), []nft.Port{tcp(30080)}},
		{"a policy for another node", w.access("shop/a", forApp("web").onNodes(labelled("x"))), []nft.Port{tcp(30080)}},
		{"no policy", w.access("shop/a", nil), nil},
	}
	for _, step := range steps {
		if !slices.Equal(step.c.Narrowed, step.want) {
			t.Errorf("%s: %v, want %v", step.name, step.c.Narrowed, step.want)
		}
	}
}

// The process that was here before did half of its work, and the objects have changed meanwhile.
func TestARestartTakesOverWhatIsAsItShouldBe(t *testing.T) {
	before := newWorld(t)
	before.node(nil, "192.0.2.1")
	before.access("shop/a", forApp("web").from("203.0.113.0/24").by("eth1"))
	before.access("shop/b", forApp("db").from("203.0.113.0/24"))
	before.service(web())
	db := st.MakeService("shop/db").NodePort(90, 30090).Created(monday).Obj()
	db.Labels = labelled("db")
	before.service(db)

	after := newWorld(t)
	after.table = maps.Clone(before.table)
	after.planner = NewPlanner(maps.Clone(before.table))
	after.node(nil, "192.0.2.1")
	after.access("shop/a", forApp("web").from("203.0.113.0/24").by("eth1"))
	after.access("shop/b", forApp("db").from("203.0.113.0/25"))
	if c := after.service(web()); !c.Empty() || len(c.Narrowed) > 0 {
		t.Errorf("the Service that is as it was: %+v", c)
	}
	after.service(db)
	if c := after.do(after.planner.Prune()); !slices.Equal(c.Narrowed, []nft.Port{tcp(30080), tcp(30090)}) {
		t.Errorf("to be looked at: %v", c.Narrowed)
	}
}

func TestANumberThatNoServiceEverHadIsNotLookedAt(t *testing.T) {
	w := newWorld(t)
	w.access("shop/a", forApp("web").from("203.0.113.0/24"))
	if c := w.service(web()); len(c.Narrowed) != 0 {
		t.Errorf("of a new Service: %v", c.Narrowed)
	}
	w.access("shop/a", nil)
	w.do(w.planner.SetService(named("shop/web"), nil))
	w.access("shop/a", forApp("web").from("203.0.113.0/24"))
	if c := w.service(web()); !slices.Equal(c.Narrowed, []nft.Port{tcp(30080)}) {
		t.Errorf("of one whose number another had: %v", c.Narrowed)
	}
}

func TestUntilPodsAreReadWhatWasUsedStaysUsed(t *testing.T) {
	before := newWorld(t)
	before.service(web())
	before.do(before.planner.SetHostPorts([]nft.Port{tcp(30080), tcp(30090), tcp(30091)}))

	after := newWorld(t)
	after.table = maps.Clone(before.table)
	after.planner = NewPlanner(maps.Clone(before.table))
	after.service(web())
	after.do(after.planner.KeepHostPorts())
	after.do(after.planner.Prune())
	for _, port := range []nft.Port{tcp(30080), tcp(30090), tcp(30091)} {
		if !hasUse(after.table, port) {
			t.Errorf("%s does not count as used", port)
		}
	}
	after.do(after.planner.SetService(named("shop/web"), nil))
	if hasUse(after.table, tcp(30080)) {
		t.Error("the number of the Service that has gone is used")
	}
	after.do(after.planner.SetHostPorts([]nft.Port{tcp(30091)}))
	if hasUse(after.table, tcp(30090)) || !hasUse(after.table, tcp(30091)) {
		t.Errorf("once pods are read:\n%s", text(after.table))
	}
}

func TestUntilAnythingIsPlannedTheTableStaysAsItWasFound(t *testing.T) {
	w := newWorld(t)
	w.access("shop/a", forApp("web").from("203.0.113.0/24"))
	w.service(web())
	route := nft.NodePortAddress(ip("192.0.2.1"))
	present := maps.Clone(w.table)
	present[route.Key] = route.Value
	p := NewPlanner(present)
	if c := nft.Diff(w.table, p.Table()); !c.Empty() {
		t.Errorf("it is %+v off", c)
	}
	if len(present) != 1 {
		t.Errorf("left are %v", present)
	}
}
