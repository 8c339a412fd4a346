package allocator

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
)

// version is the claim of 30005 by a Service of the name, as it was at a resourceVersion.
func version(uid, resourceVersion, service string) *v1alpha1.NodePortAllocation {
	a := &v1alpha1.NodePortAllocation{}
	a.Name, a.UID, a.ResourceVersion = "30005", types.UID(uid), resourceVersion
	a.Spec.ServiceRef = v1alpha1.ServiceReference{Namespace: "shop", Name: service}
	return a
}

func TestTheViewGoesByTheNewestNews(t *testing.T) {
	type news struct {
		by              string // seen, gone: the watch; learn, forget: ourselves
		uid, rv, holder string
	}
	for _, c := range []struct {
		name string
		news []news
		want string // who has 30005; "" for nobody
	}{
		{"made, then deleted", []news{{"seen", "1", "10", "a"}, {"gone", "1", "11", "a"}}, ""},
		{"an earlier state comes late", []news{{"learn", "1", "12", "b"}, {"seen", "1", "10", "a"}}, "b"},
		{"the deletion of an earlier incarnation comes late", []news{{"seen", "1", "10", "a"}, {"learn", "2", "12", "b"}, {"gone", "1", "11", "a"}}, "b"},
		{"the watch hears of what we made and deleted", []news{{"learn", "1", "10", "a"}, {"forget", "1", "10", "a"}, {"seen", "1", "10", "a"}}, ""},
		{"and of its deletion, and of the next", []news{{"learn", "1", "10", "a"}, {"forget", "1", "10", "a"}, {"seen", "1", "10", "a"}, {"gone", "1", "11", "a"}, {"seen", "2", "12", "b"}}, "b"},
		{"the watch was faster than the answer to our write", []news{{"seen", "1", "10", "a"}, {"gone", "1", "11", "a"}, {"learn", "1", "10", "a"}}, ""},
		{"another number's news was", []news{{"pass", "9", "11", ""}, {"learn", "1", "10", "a"}}, ""},
		{"what we deleted is not what is there", []news{{"seen", "2", "12", "b"}, {"forget", "1", "10", "a"}}, "b"},
		{"the watch was broken, and passes by what we made", []news{{"learn", "1", "10", "a"}, {"pass", "9", "11", ""}}, ""},
		{"the watch has yet to come to what we made", []news{{"learn", "1", "10", "a"}, {"pass", "9", "9", ""}}, "a"},
		{"the watch has delivered what we made", []news{{"learn", "1", "10", "a"}, {"seen", "1", "10", "a"}, {"pass", "9", "11", ""}}, "a"},
		{"the watch has delivered more than we made", []news{{"learn", "1", "10", "a"}, {"seen", "1", "12", "b"}, {"pass", "9", "13", ""}}, "b"},
		{"the watch has delivered less than we made", []news{{"learn", "1", "12", "b"}, {"seen", "1", "10", "a"}, {"pass", "9", "11", ""}}, "b"},
		{"a relist delivers out of order", []news{{"learn", "1", "10", "a"}, {"pass", "9", "20", ""}, {"seen", "1", "10", "a"}}, "a"},
		{"a relist finds another incarnation", []news{{"seen", "1", "10", "a"}, {"seen", "2", "20", "b"}}, "b"},
		{"a number's length counts before its digits", []news{{"seen", "1", "10", "b"}, {"learn", "1", "9", "a"}}, "b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			for _, n := range c.news {
				a := version(n.uid, n.rv, n.holder)
				switch n.by {
				case "seen":
					w.ledger.AllocationSeen(a)
				case "gone":
					w.ledger.AllocationGone(a)
				case "learn":
					w.ledger.learn(a)
				case "forget":
					w.ledger.forget(a)
				case "pass":
					a.Name = "30009"
					w.ledger.AllocationGone(a)
				}
			}
			got := ""
			if holders := w.ledger.Holders(30005); len(holders) > 0 {
				got = holders[0].Service.Name
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if isTaken := len(taken(w.ledger)) > 0; isTaken != (c.want != "") {
				t.Errorf("taken is %v", isTaken)
			}
			if knows := w.ledger.Knows(named("shop/" + got)); knows != (c.want != "") {
				t.Errorf("Knows is %v", knows)
			}
		})
	}
}

func TestAClaimWithoutANumberForANameIsPassedOver(t *testing.T) {
	for _, name := range []string{"", "0", "-1", "http", "65536", "99999999999"} {
		w := newWorld(t)
		a := version("1", "10", "web")
		a.Name = name
		w.ledger.AllocationSeen(a)
		w.ledger.learn(a)
		w.ledger.forget(a)
		w.ledger.AllocationGone(a)
		if n, ok := NumberOf(a); ok || len(w.ledger.claims) > 0 {
			t.Errorf("%q is %d", name, n)
		}
	}
}

func TestPoolsMayBeRedrawnUnderLiveNumbers(t *testing.T) {
	w := newWorld(t)
	w.seed("shop/web", "a:80=30001", boundTo("1"))
	w.ledger.ServiceSeen(serviceOn("shop/old", 30002))
	w.ledger.takeOff(claimant("shop/new"), 30003)
	want := []int32{30001, 30002, 30003}
	pool := &v1alpha1.NodePortPool{}
	pool.Name, pool.Generation, pool.UID = "team-a", 1, "1"
	for _, step := range []struct {
		name string
		do   func()
		free map[string]int // of each pool
	}{
		{"no pool", func() {}, map[string]int{"": 7}},
		{"a pool comes", func() {
			pool.Spec.Ranges = []v1alpha1.PortRange{{From: 30000, To: 30002}, {From: 30009, To: 30020}}
			w.ledger.PoolSeen(pool.DeepCopy())
		}, map[string]int{"": 5, "team-a": 2}},
		{"it is changed", func() {
			pool.Generation, pool.Spec.Ranges = 2, []v1alpha1.PortRange{{From: 30003, To: 30004}}
			w.ledger.PoolSeen(pool.DeepCopy())
		}, map[string]int{"": 6, "team-a": 1}},
		{"its status is changed", func() {
			pool.Spec.Ranges = nil // cannot be, and is not looked at
			w.ledger.PoolSeen(pool.DeepCopy())
		}, map[string]int{"": 6, "team-a": 1}},
		{"it is made anew", func() {
			pool.UID = "2"
			w.ledger.PoolSeen(pool.DeepCopy())
		}, map[string]int{"": 7, "team-a": 0}},
		{"it goes", func() { w.ledger.PoolGone("team-a") }, map[string]int{"": 7}},
		{"the cluster's range is another", func() {
			w.ledger.SetClusterRange(v1alpha1.PortRange{From: 30000, To: 30001})
		}, map[string]int{"": 1}},
		{"and the former again", func() {
			w.ledger.SetClusterRange(v1alpha1.PortRange{From: 30000, To: 30009})
		}, map[string]int{"": 7}},
	} {
		step.do()
		free := map[string]int{}
		for _, p := range w.ledger.Chart().Pools() {
			free[p.Name] = w.ledger.Usage(p).Free
		}
		if diff := cmp.Diff(step.free, free); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
	if diff := cmp.Diff(want, taken(w.ledger)); diff != "" {
		t.Errorf("taken (-want +got):\n%s", diff)
	}
}

func TestANumberIsTakenWhileAServiceCarriesIt(t *testing.T) {
	w := newWorld(t)
	for _, step := range []struct {
		name string
		do   func()
		want []int32
	}{
		{"a Service comes", func() { w.ledger.ServiceSeen(serviceOn("shop/web", 30001, 30002)) }, []int32{30001, 30002}},
		{"another on the same number", func() { w.ledger.ServiceSeen(serviceOn("bank/core", 30002)) }, []int32{30001, 30002}},
		{"the first changes its number", func() { w.ledger.ServiceSeen(serviceOn("shop/web", 30003)) }, []int32{30002, 30003}},
		{"it is seen again", func() { w.ledger.ServiceSeen(serviceOn("shop/web", 30003)) }, []int32{30002, 30003}},
		{"the other goes", func() { w.ledger.ServiceGone(named("bank/core")) }, []int32{30003}},
		{"the first needs none any more", func() { w.ledger.ServiceSeen(serviceOn("shop/web")) }, nil},
		{"it goes", func() { w.ledger.ServiceGone(named("shop/web")) }, nil},
	} {
		step.do()
		if diff := cmp.Diff(step.want, taken(w.ledger)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
	if len(w.ledger.carriers)+len(w.ledger.carriedBy) > 0 {
		t.Errorf("left over: %v, %v", w.ledger.carriers, w.ledger.carriedBy)
	}
}

func TestHoldersAreFirstTheOneOfTheLedgerThenByName(t *testing.T) {
	w := newWorld(t)
	w.seed("shop/web", "a:80=30001", boundTo("1"))
	for _, s := range []string{"shop/web", "shop/zoo", "bank/core", "shop/api"} {
		w.ledger.ServiceSeen(serviceOn(s, 30001, 30002))
	}
	names := func(n int32) []string {
		var names []string
		for _, h := range w.ledger.Holders(n) {
			names = append(names, h.Service.String())
		}
		return names
	}
	if diff := cmp.Diff([]string{"shop/web", "bank/core", "shop/api", "shop/zoo"}, names(30001)); diff != "" {
		t.Errorf("with a claim (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"bank/core", "shop/api", "shop/web", "shop/zoo"}, names(30002)); diff != "" {
		t.Errorf("without (-want +got):\n%s", diff)
	}
}

func TestCountsAndUsage(t *testing.T) {
	w := newWorld(t)
	w.seed("shop/a", "a:80=30000", boundTo("1"))
	w.seed("shop/b", "a:80=30001", nil)
	w.seed("shop/c", "a:80=30002", heldFor(time.Minute))
	w.seed("shop/d", "a:80=30003", heldFor(time.Hour))
	w.seed("shop/e", "a:80=30004", claimedFor(time.Hour))
	w.seed("shop/f", "a:80=30010", boundTo("1")) // outside
	w.ledger.ServiceSeen(serviceOn("shop/a", 30000))
	w.ledger.ServiceSeen(serviceOn("shop/native", 30005))
	commons := w.pools()[0]
	if diff := cmp.Diff(Counts{Total: 10, Bound: 2, Pending: 2, Held: 2, Free: 4}, w.ledger.Counts(w.ledger.Chart())[""]); diff != "" {
		t.Errorf("Counts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(rules.Usage{Total: 10, Free: 4, NextHoldEnd: start.Add(time.Minute)}, w.ledger.Usage(commons)); diff != "" {
		t.Errorf("Usage (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int32{30006, 30007}, w.ledger.FreeNumbers(commons, 2)); diff != "" {
		t.Errorf("FreeNumbers (-want +got):\n%s", diff)
	}
	if got := w.ledger.FreeNumbers(&rules.Pool{Name: "gone"}, 2); got != nil {
		t.Errorf("free in a pool that has gone: %v", got)
	}
}

func TestStateOf(t *testing.T) {
	ago := func(d time.Duration) *metav1.MicroTime { t := metav1.NewMicroTime(start.Add(-d)); return &t }
	in := func(d time.Duration) *metav1.Time { t := metav1.NewTime(start.Add(d)); return &t }
	for _, c := range []struct {
		name string
		spec v1alpha1.NodePortAllocationSpec
		want State
	}{
		{"its Service has been seen", v1alpha1.NodePortAllocationSpec{ServiceUID: "1", ClaimTime: ago(time.Hour)}, Bound},
		{"claimed within the grace", v1alpha1.NodePortAllocationSpec{ClaimTime: ago(ClaimGrace - 1000)}, Pending},
		{"claimed, and held before", v1alpha1.NodePortAllocationSpec{ClaimTime: ago(0), HoldUntil: in(time.Minute)}, Pending},
		{"the grace is over", v1alpha1.NodePortAllocationSpec{ClaimTime: ago(ClaimGrace)}, Lapsed},
		{"the grace is over, the hold is not", v1alpha1.NodePortAllocationSpec{ClaimTime: ago(ClaimGrace), HoldUntil: in(time.Minute)}, Held},
		{"held", v1alpha1.NodePortAllocationSpec{HoldUntil: in(1)}, Held},
		{"the hold is over", v1alpha1.NodePortAllocationSpec{HoldUntil: in(0)}, Lapsed},
		{"nothing is said", v1alpha1.NodePortAllocationSpec{}, Lapsed},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := StateOf(&v1alpha1.NodePortAllocation{Spec: c.spec}, start); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

func TestReleaseWithoutAHoldLapsesAtOnce(t *testing.T) {
	for hold, want := range map[time.Duration]State{0: Lapsed, time.Minute: Held} {
		a := &v1alpha1.NodePortAllocation{Spec: v1alpha1.NodePortAllocationSpec{ServiceUID: "1"}}
		if Release(&a.Spec, start, hold); StateOf(a, start) != want {
			t.Errorf("after a hold of %s got %d, want %d", hold, StateOf(a, start), want)
		}
	}
}

func TestEventsThatWereMissedReachTheViewAllTheSame(t *testing.T) {
	w := newWorld(t)
	h := handler[*v1alpha1.NodePortAllocation]{w.ledger.AllocationSeen, w.ledger.AllocationGone}
	h.OnAdd(version("1", "10", "web"), true)
	h.OnUpdate(nil, version("1", "11", "web"))
	if diff := cmp.Diff([]int32{30005}, taken(w.ledger)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	h.OnDelete(toolscache.DeletedFinalStateUnknown{Key: "30005", Obj: version("1", "10", "web")})
	h.OnDelete("of another kind")
	if got := taken(w.ledger); got != nil {
		t.Errorf("still taken: %v", got)
	}
}

func TestTheChartIsDrawnAnewForOtherPoolsOnly(t *testing.T) {
	made := func(name string, uid types.UID, generation int64) *v1alpha1.NodePortPool {
		p := &v1alpha1.NodePortPool{Spec: v1alpha1.NodePortPoolSpec{Ranges: []v1alpha1.PortRange{{From: 30000, To: 30003}}}}
		p.Name, p.UID, p.Generation = name, uid, generation
		return p
	}
	w := newWorld(t)
	known := made("a", "u", 2)
	w.ledger.PoolSeen(known)
	for _, c := range []struct {
		name  string
		pools []*v1alpha1.NodePortPool
		same  bool
	}{
		{"the same", []*v1alpha1.NodePortPool{known}, true},
		{"none", nil, false},
		{"one more", []*v1alpha1.NodePortPool{known, made("b", "v", 1)}, false},
		{"changed", []*v1alpha1.NodePortPool{made("a", "u", 3)}, false},
		{"made anew", []*v1alpha1.NodePortPool{made("a", "v", 2)}, false},
		{"another", []*v1alpha1.NodePortPool{made("b", "u", 2)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := w.ledger.ChartOf(c.pools)
			if same := got == w.ledger.Chart(); same != c.same {
				t.Errorf("the present one: %t, want %t", same, c.same)
			}
			if len(got.Pools()) != len(c.pools)+1 || got.ClusterRange() != w.ledger.Chart().ClusterRange() {
				t.Errorf("%d pools on %v", len(got.Pools()), got.ClusterRange())
			}
		})
	}
}
