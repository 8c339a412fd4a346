package story

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/assert"
	"gotest.tools/v3/golden"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/cli/picture/picturetest"
	"github.com/portolan-dev/portolan/internal/cli/term"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func cluster() *picturetest.Cluster {
	c := picturetest.New().
		Pool("team-a", "30100-30199,30500", "shop").
		Pool("edge", "30200-30209", "edge").ChangePool(func(s *v1alpha1.NodePortPoolSpec) {
		s.Access = &v1alpha1.PoolAccess{From: []v1alpha1.AccessPeer{{IPBlock: v1alpha1.IPBlock{CIDR: "10.0.0.0/8"}}}}
	}).
		Bound(30100, "shop/web").ChangeAllocation(func(a *v1alpha1.NodePortAllocation) {
		a.Status.LastTrafficTime = new(picturetest.Ago(3 * time.Minute))
	}).
		Bound(30101, "shop/clashing").
		Bound(30102, "shop/twice").
		Held(30103, "shop/old").
		Pending(30104, "shop/new").
		Reserved(30105, "shop/promised").
		Bound(30200, "edge/proxy").ChangeAllocation(func(a *v1alpha1.NodePortAllocation) {
		a.Spec.Origin = v1alpha1.OriginAdopted
		a.Status.Conditions = append(a.Status.Conditions, metav1.Condition{Type: v1alpha1.AllocationIdle, Status: metav1.ConditionTrue,
			Message: "nobody has used the number since 2026-04-20T12:00:00Z"})
	}).
		Bound(30300, "legacy/app").
		Node("node-1", "30100-30102,30200,30300").Clash(30101, "nginx").Clash(30110, "sshd").
		Node("node-2", "30100-30102,30300")
	c.Service(MakeService("other/copy").NodePort(80, 30102))
	for _, svc := range c.Services {
		c.EndpointSlices = append(c.EndpointSlices, sliceOf(&svc))
	}
	c.Accesses = []v1alpha1.NodePortAccess{{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "office"}}}
	c.Accesses[0].Spec.From = []v1alpha1.AccessPeer{{IPBlock: v1alpha1.IPBlock{CIDR: "203.0.113.0/24"}}}
	c.Accesses[0].Spec.NewConnections = &v1alpha1.ConnectionRate{PerSecond: 100, Burst: 200}
	for _, name := range []string{"default", "edge", "legacy", "shop"} {
		c.Namespaces = append(c.Namespaces, corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelMetadataName: name}}})
	}
	return c
}

// sliceOf has two endpoints on node-1, one on node-2, and one there that is not ready.
func sliceOf(svc *corev1.Service) discoveryv1.EndpointSlice {
	slice := discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: svc.Namespace, Name: svc.Name + "-1",
		Labels: map[string]string{discoveryv1.LabelServiceName: svc.Name}}}
	for i, node := range []string{"node-1", "node-1", "node-2", "node-2"} {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{
			Addresses: []string{fmt.Sprintf("10.244.0.%d", i+1)}, NodeName: &node, Conditions: discoveryv1.EndpointConditions{Ready: new(i < 3)}})
	}
	return slice
}

// tenants is what one sees of the cluster who may read the namespace shop, and nothing else.
func tenants() *picturetest.Cluster {
	c := cluster()
	c.Pools, c.Allocations, c.NodeStates, c.Namespaces = nil, nil, nil, nil
	c.Services, c.EndpointSlices = c.Services[:3], c.EndpointSlices[:3]
	usage := v1alpha1.NodePortUsage{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "team-a"}}
	usage.Status.Ranges, usage.Status.NodePorts = "30100-30199,30500", []int32{30100, 30101, 30102, 30103, 30105}
	c.Usages = []v1alpha1.NodePortUsage{usage}
	for _, kind := range []picture.Kind{picture.Pools, picture.Allocations, picture.NodeStates, picture.Namespaces} {
		c.Gaps = append(c.Gaps, picture.Gap{Kind: kind})
	}
	for _, kind := range []picture.Kind{picture.Services, picture.Reservations, picture.Usages, picture.Accesses, picture.EndpointSlices} {
		c.Gaps = append(c.Gaps, picture.Gap{Kind: kind, Namespace: "shop"})
	}
	return c
}

func TestTheStoryOfANumberReadsAsInTheGoldenFile(t *testing.T) {
	numbers := []int32{30100, 30101, 30102, 30103, 30104, 30105, 30110, 30111, 30200, 30300, 31000, 8080}
	for name, c := range map[string]*picturetest.Cluster{"operator": cluster(), "tenant": tenants()} {
		for _, screen := range []term.Screen{{Width: 80}, {Width: 200}, {Width: 80, Colour: true}} {
			var b strings.Builder
			for _, n := range numbers {
				b.WriteString(Of(c.Picture(), n).Text(screen) + "\n")
			}
			assert.Check(t, golden.String(b.String(), fmt.Sprintf("%s-%d-%t.golden", name, screen.Width, screen.Colour)))
			for line := range strings.Lines(b.String()) {
				if got := term.Length(strings.TrimSuffix(line, "\n")); got > screen.Width {
					t.Errorf("%d columns at width %d: %s", got, screen.Width, line)
				}
			}
		}
	}
}

func TestATenantReadsNothingOfOthers(t *testing.T) {
	p := tenants().Picture()
	for n := p.ClusterRange.From; n <= p.ClusterRange.To; n++ {
		s := Of(p, n)
		if s.Namespace != "" && s.Namespace != "shop" || s.State == picture.Free {
			t.Errorf("%+v", s)
		}
	}
}

// says is all that is told of a number.
func says(c *picturetest.Cluster, n int32) string {
	return Of(c.Picture(), n).Text(term.Screen{Width: 400})
}

func TestWhatIsOverAndStillThereIsToldOfAsSuch(t *testing.T) {
	c := picturetest.New().Held(30100, "shop/old").Pending(30101, "shop/never")
	c.Allocations[0].Spec.HoldUntil = new(picturetest.Ago(5 * time.Minute))
	c.Allocations[1].Spec.ClaimTime = new(metav1.NewMicroTime(picturetest.Now.Add(-time.Hour)))
	for n, wants := range map[int32][]string{
		30100: {"30100 is held for Service shop/old, which has gone.", "ended 5m ago", "kubectl portolan release 30100"},
		30101: {"30101 was claimed for Service shop/never, which never came.", "kubectl portolan release 30101"},
	} {
		for _, want := range wants {
			if got := says(c, n); !strings.Contains(got, want) {
				t.Errorf("got %s, want %q", got, want)
			}
		}
	}
}

func TestWhoMayReachANumberIsSaidAsFarAsIsSeen(t *testing.T) {
	open := func() *picturetest.Cluster { return picturetest.New().Bound(30100, "shop/web").Node("node-1", "30100") }
	limited := func() *picturetest.Cluster {
		c := open()
		c.Accesses = []v1alpha1.NodePortAccess{{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "office"}}}
		c.Accesses[0].Spec.From = []v1alpha1.AccessPeer{{IPBlock: v1alpha1.IPBlock{CIDR: "203.0.113.0/24"}}}
		return c
	}
	const everybody, fewer, guard = "everybody: no NodePortAccess is about it", "the pool may let in fewer", "where nodes have a guard"
	for _, tt := range []struct {
		name       string
		cluster    *picturetest.Cluster
		gaps       []picture.Kind
		want, lack []string
	}{
		{"all is seen", open(), nil, []string{everybody}, []string{fewer, guard}},
		{"no pools", open(), []picture.Kind{picture.Pools}, []string{"everybody, as far as NodePortAccess goes", fewer}, []string{everybody, guard}},
		{"all is seen of what is limited", limited(), nil, []string{"nobody else"}, []string{fewer, guard}},
		{"no pools where it is limited", limited(), []picture.Kind{picture.Pools}, []string{"nobody else", fewer}, []string{guard}},
		{"no guards", limited(), []picture.Kind{picture.NodeStates}, []string{"nobody else", guard}, []string{fewer}},
	} {
		for _, kind := range tt.gaps {
			tt.cluster.Gaps = append(tt.cluster.Gaps, picture.Gap{Kind: kind})
		}
		got := says(tt.cluster, 30100)
		for _, want := range tt.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q is not in %s", tt.name, want, got)
			}
		}
		for _, lack := range tt.lack {
			if strings.Contains(got, lack) {
				t.Errorf("%s: %q is in %s", tt.name, lack, got)
			}
		}
	}
}

func TestANumberThatAReservationNamesCameByThat(t *testing.T) {
	explicit := func(a *v1alpha1.NodePortAllocation) { a.Spec.Origin = v1alpha1.OriginExplicit }
	reserved := func() *picturetest.Cluster {
		return picturetest.New().Reserved(30100, "shop/web").ChangeAllocation(explicit)
	}
	picked, unread := reserved(), reserved()
	picked.Reservations[0].Spec.Ports[0].NodePort = 0
	picked.Allocations[0].Spec.Origin = v1alpha1.OriginAutomatic
	unread.Reservations = nil
	asked := reserved()
	asked.Reservations[0].Spec.Ports[0].NodePort = 0
	for want, c := range map[string]*picturetest.Cluster{
		"Came by       NodePortReservation shop/web names it": reserved(),
		"Came by       picked for the Service":                picked,
		"Came by       the Service asked for it\n":            asked,
		"Came by       the Service asked for it, or NodePort": unread,
		"Came by       the Service asked for it":              picturetest.New().Bound(30100, "shop/web").ChangeAllocation(explicit),
	} {
		if got := says(c, 30100); !strings.Contains(got, want) {
			t.Errorf("%q is not in %s", want, got)
		}
	}
}
