package picture_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/picture/picturetest"
	"github.com/portolan-dev/portolan/internal/cli/snapshot"
	"github.com/portolan-dev/portolan/internal/rules"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestANumberIsInTheStateThatTheLedgerTheServicesAndTheNodesSay(t *testing.T) {
	lapsed := func(a *v1alpha1.NodePortAllocation) {
		a.Spec.ClaimTime = new(metav1.NewMicroTime(picturetest.Now.Add(-time.Hour)))
	}
	ended := func(a *v1alpha1.NodePortAllocation) { a.Spec.HoldUntil = new(picturetest.Ago(time.Minute)) }
	unbound := func(a *v1alpha1.NodePortAllocation) { a.Spec.ServiceUID = "" }
	for _, tt := range []struct {
		name    string
		cluster *picturetest.Cluster
		number  int32
		want    picture.State
		owner   string
	}{
		{"nobody's", picturetest.New(), 30100, picture.Free, ""},
		{"below the range", picturetest.New(), 29999, picture.Outside, ""},
		{"above the range", picturetest.New(), 32768, picture.Outside, ""},
		{"outside, and a Service's all the same", picturetest.New().Bound(20000, "shop/web"), 20000, picture.InUse, "shop/web"},
		{"a Service's", picturetest.New().Bound(30100, "shop/web"), 30100, picture.InUse, "shop/web"},
		{"not adopted yet", picturetest.New().Service(MakeService("shop/web").NodePort(80, 30100)), 30100, picture.InUse, "shop/web"},
		{"seen by us before the manager", picturetest.New().Bound(30100, "shop/web").ChangeAllocation(unbound), 30100, picture.InUse, "shop/web"},
		{"claimed", picturetest.New().Pending(30100, "shop/web"), 30100, picture.Pending, "shop/web"},
		{"about to be given up", picturetest.New().Pending(30100, "shop/web").ChangeAllocation(lapsed), 30100, picture.Pending, "shop/web"},
		{"held", picturetest.New().Held(30100, "shop/web"), 30100, picture.Held, "shop/web"},
		{"held for longer than it was to be", picturetest.New().Held(30100, "shop/web").ChangeAllocation(ended), 30100, picture.Held, "shop/web"},
		{"reserved", picturetest.New().Reserved(30100, "shop/web"), 30100, picture.Reserved, "shop/web"},
		{"carried by two", picturetest.New().Bound(30100, "shop/web").Service(MakeService("other/web").NodePort(80, 30100)), 30100, picture.Conflict, "shop/web"},
		{"reserved, and another's", picturetest.New().Reserved(30100, "shop/web").Service(MakeService("other/web").NodePort(80, 30100)), 30100,
			picture.Conflict, "shop/web"},
		{"held, and another's by now", picturetest.New().Held(30100, "shop/web").Service(MakeService("other/web").NodePort(80, 30100)), 30100,
			picture.InUse, "shop/web"},
		{"in the way", picturetest.New().Node("node-1", "").Clash(30100, "sshd"), 30100, picture.Clashing, ""},
		{"a Service's, and in the way", picturetest.New().Bound(30100, "shop/web").Node("node-1", "").Clash(30100, "sshd"), 30100, picture.InUse, "shop/web"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := tt.cluster.Picture().Number(tt.number)
			owner := ""
			if name, ok := n.Owner(); ok {
				owner = name.String()
			}
			if n.State != tt.want || owner != tt.owner {
				t.Errorf("got %s of %q, want %s of %q", n.State, owner, tt.want, tt.owner)
			}
		})
	}
}

func TestWhatIsOverAndNotGivenUpYetHasLapsed(t *testing.T) {
	over := func(a *v1alpha1.NodePortAllocation) {
		if a.Spec.HoldUntil != nil {
			a.Spec.HoldUntil = new(picturetest.Ago(time.Minute))
		} else {
			a.Spec.ClaimTime = new(metav1.NewMicroTime(picturetest.Now.Add(-time.Hour)))
		}
	}
	p := picturetest.New().Held(30100, "shop/a").Held(30101, "shop/b").ChangeAllocation(over).Pending(30102, "shop/c").
		Pending(30103, "shop/d").ChangeAllocation(over).Held(30104, "shop/e").ChangeAllocation(over).Service(MakeService("shop/e").NodePort(80, 30104)).Picture()
	for n, want := range map[int32]bool{30100: false, 30101: true, 30102: false, 30103: true, 30104: false, 30105: false} {
		if got := p.Number(n).Lapsed; got != want {
			t.Errorf("%d: got %t, want %t", n, got, want)
		}
	}
}

func TestWhatMayNotBeReadIsUnknownAndNeverFree(t *testing.T) {
	for _, kind := range []picture.Kind{picture.Allocations, picture.Services} {
		c := picturetest.New()
		c.Gaps = []picture.Gap{{Kind: kind, Namespace: "shop"}}
		if got := c.Picture().Number(30100).State; got != picture.Unknown {
			t.Errorf("without %s: got %s, want %s", kind, got, picture.Unknown)
		}
	}
}

func TestOnlyAServicesNumberCanBeInTrouble(t *testing.T) {
	p := picturetest.New().Bound(30100, "shop/web").Bound(30101, "shop/api").Service(MakeService("other/api").NodePort(80, 30101)).Bound(30102, "shop/db").
		Node("node-1", "").Clash(30100, "nginx").Clash(30103, "sshd").Picture()
	for number, want := range map[int32]bool{30100: true, 30101: true, 30102: false, 30103: false, 30104: false} {
		if got := p.Number(number).Troubled(); got != want {
			t.Errorf("%d: got %t, want %t", number, got, want)
		}
	}
}

func TestTheLedgerKnowsWhatTheManagersKnows(t *testing.T) {
	p := picturetest.Busy().Picture()
	for _, pool := range p.Chart().Pools() {
		usage := p.Ledger().Usage(pool)
		free := 0
		for _, r := range pool.Numbers {
			for n := r.From; n <= r.To; n++ {
				number := p.Number(n)
				if number.State == picture.Free {
					free++
				}
				if taken := len(p.Ledger().Holders(n)) > 0; taken == (number.State == picture.Free || number.State == picture.Clashing) {
					t.Errorf("%d is %s, and taken=%t in the ledger", n, number.State, taken)
				}
			}
		}
		if free != usage.Free || free != p.Counts(pool).Free || free != len(p.Ledger().FreeNumbers(pool, 3000)) {
			t.Errorf("pool %q: %d numbers are free, %d in the ledger's usage", pool.Name, free, usage.Free)
		}
	}
}

func TestAPictureJudgesAsAdmissionDoes(t *testing.T) {
	p := picturetest.New().Pool("team-a", "30100-30103", "shop").Bound(30100, "shop/web").Held(30101, "shop/old").Picture()
	labels := map[string]string{corev1.LabelMetadataName: "shop"}
	answer := rules.Judge(p.Chart(), p.Ledger(), rules.Question{
		Service: MakeService("shop/copy").NodePort(80, 31000).Obj(), Namespace: "shop", NamespaceLabels: labels, Now: p.Now,
	})
	const want = `[spec.ports[0].nodePort: Invalid value: 31000: not in the node port ranges of namespace "shop": 30100-30103; free now: 30102, 30103]`
	if got := answer.Errors.ToAggregate().Error(); "["+got+"]" != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEndpointsAreCountedByAddressWhateverSliceTheyAreIn(t *testing.T) {
	svc := MakeService("shop/web").NodePort(80, 30100).Obj()
	slice := func(namespace, service string, endpoints ...discoveryv1.Endpoint) discoveryv1.EndpointSlice {
		return discoveryv1.EndpointSlice{Endpoints: endpoints, ObjectMeta: metav1.ObjectMeta{Namespace: namespace,
			Labels: map[string]string{discoveryv1.LabelServiceName: service}}}
	}
	endpoint := func(address, node string, ready *bool) discoveryv1.Endpoint {
		return discoveryv1.Endpoint{Addresses: []string{address}, NodeName: &node, Conditions: discoveryv1.EndpointConditions{Ready: ready}}
	}
	c := picturetest.New()
	c.EndpointSlices = []discoveryv1.EndpointSlice{
		slice("shop", "web", endpoint("10.0.0.1", "node-1", new(true)), endpoint("10.0.0.2", "node-1", nil), endpoint("10.0.0.3", "node-2", new(false))),
		slice("shop", "web", endpoint("10.0.0.1", "node-1", new(true)), endpoint("10.0.0.4", "node-2", new(true))),
		slice("shop", "api", endpoint("10.0.0.5", "node-3", new(true))),
		slice("other", "web", endpoint("10.0.0.6", "node-3", new(true))),
	}
	want := picture.Endpoints{Ready: 3, Total: 4, OnNodes: map[string]int{"node-1": 2, "node-2": 1}}
	if diff := cmp.Diff(want, c.Picture().Endpoints(svc)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestANodeServesTheServicesThatItsModeAndTheLabelGiveIt(t *testing.T) {
	labelled := MakeService("shop/web").NodePort(80, 30100).Obj()
	labelled.Labels = map[string]string{v1alpha1.ServiceProxyNameLabel: "portolan"}
	others := MakeService("shop/api").NodePort(80, 30100).Obj()
	others.Labels = map[string]string{v1alpha1.ServiceProxyNameLabel: "cilium"}
	plain := MakeService("shop/db").NodePort(80, 30100).Obj()
	for _, tt := range []struct {
		mode v1alpha1.ProxyMode
		svc  *corev1.Service
		want bool
	}{
		{v1alpha1.ProxyModeAll, plain, true}, {v1alpha1.ProxyModeAll, labelled, true}, {v1alpha1.ProxyModeAll, others, false},
		{v1alpha1.ProxyModeLabelled, plain, false}, {v1alpha1.ProxyModeLabelled, labelled, true}, {v1alpha1.ProxyModeLabelled, others, false},
		{v1alpha1.ProxyModeNone, plain, false}, {v1alpha1.ProxyModeNone, labelled, false},
	} {
		c := picturetest.New().Node("node-1", "30100").Node("node-2", "30101-30105")
		want := picture.Serving{}
		for i := range c.NodeStates {
			c.NodeStates[i].Status.Mode = tt.mode
		}
		if tt.want {
			want = picture.Serving{Nodes: []string{"node-1", "node-2"}, Programmed: []string{"node-1"}}
		}
		if diff := cmp.Diff(want, c.Picture().Serving(tt.svc, 30100)); diff != "" {
			t.Errorf("%s, %s (-want +got)\n%s", tt.mode, tt.svc.Name, diff)
		}
	}
}

func TestGapsNameTheRolesThatFillThem(t *testing.T) {
	for _, tt := range []struct {
		name string
		gaps []picture.Gap
		of   []picture.Kind
		want string
	}{
		{"none", nil, nil, ""},
		{"of another kind", []picture.Gap{{Kind: picture.Nodes}}, []picture.Kind{picture.Pools}, ""},
		{"everything of one", []picture.Gap{{Kind: picture.Pools}}, nil,
			"You may not list nodeportpools. ClusterRole portolan-nodeportpool-viewer-role, bound to you by a ClusterRoleBinding, would show more."},
		{"what no role of ours gives", []picture.Gap{{Kind: picture.Services, Namespace: "shop"}}, nil, "You see services of namespace shop only."},
		{"both", []picture.Gap{{Kind: picture.Pools}, {Kind: picture.Allocations}, {Kind: picture.Services, Namespace: "shop"}}, nil,
			"You may not list nodeportpools and nodeportallocations, and you see services of namespace shop only. ClusterRoles portolan-nodeportpool-viewer-role " +
				"and portolan-nodeportallocation-viewer-role, bound to you by a ClusterRoleBinding, would show more."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := picture.Objects{Gaps: tt.gaps}
			if got := o.GapsText(tt.of...); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTheRangeIsTheOneThatIsGivenElseTheOneThatPoolsHaveInTheirStatus(t *testing.T) {
	published := []v1alpha1.NodePortPool{{}, {Status: v1alpha1.NodePortPoolStatus{NodePortRange: "20000-22767"}}}
	given := v1alpha1.PortRange{From: 8000, To: 9000}
	for _, tt := range []struct {
		name    string
		objects picture.Objects
		want    v1alpha1.PortRange
		assumed bool
	}{
		{"nobody says", picture.Objects{Pools: published[:1]}, snapshot.DefaultRange, true},
		{"a pool says", picture.Objects{Pools: published}, v1alpha1.PortRange{From: 20000, To: 22767}, false},
		{"it is given", picture.Objects{Pools: published, ClusterRange: given}, given, false},
	} {
		if p := picture.New(tt.objects, time.Now()); p.ClusterRange != tt.want || p.RangeAssumed != tt.assumed {
			t.Errorf("%s: it is %v (assumed: %t), want %v (%t)", tt.name, p.ClusterRange, p.RangeAssumed, tt.want, tt.assumed)
		}
	}
}
