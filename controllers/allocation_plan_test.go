package controllers

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// later is so many minutes after noon.
func later(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

// carrier is a Service on 30080 that came so many minutes after noon.
func carrier(name string, uid types.UID, minute int) *corev1.Service {
	svc := MakeService(name).UID(uid).NodePort(80, 30080, Named("http")).Obj()
	svc.CreationTimestamp = metav1.NewTime(noon.Add(time.Duration(minute) * time.Minute))
	return svc
}

// specOf is the claim of 30080 for a Service of the namespace "shop".
func specOf(name string, adjust ...func(*v1alpha1.NodePortAllocationSpec)) v1alpha1.NodePortAllocationSpec {
	spec := v1alpha1.NodePortAllocationSpec{
		PoolName: "team-a", ServiceRef: v1alpha1.ServiceReference{Namespace: "shop", Name: name},
		Role: v1alpha1.RoleTraffic, Origin: v1alpha1.OriginAutomatic,
		Ports: []v1alpha1.AllocatedPort{{Name: "http", Port: 80, Protocol: corev1.ProtocolTCP}},
	}
	for _, a := range adjust {
		a(&spec)
	}
	return spec
}

func withUID(uid types.UID) func(*v1alpha1.NodePortAllocationSpec) {
	return func(s *v1alpha1.NodePortAllocationSpec) { s.ServiceUID = uid }
}

func claimed(ago time.Duration) func(*v1alpha1.NodePortAllocationSpec) {
	return func(s *v1alpha1.NodePortAllocationSpec) {
		t := metav1.NewMicroTime(noon.Add(-ago))
		s.ClaimTime = &t
	}
}

func heldUntil(in time.Duration) func(*v1alpha1.NodePortAllocationSpec) {
	return func(s *v1alpha1.NodePortAllocationSpec) {
		t := metav1.NewTime(noon.Add(in))
		s.HoldUntil = &t
	}
}

func adopted(s *v1alpha1.NodePortAllocationSpec) { s.Origin = v1alpha1.OriginAdopted }

func TestPlanFor(t *testing.T) {
	const grace = allocator.ClaimGrace
	claim := func(s v1alpha1.NodePortAllocationSpec) *v1alpha1.NodePortAllocationSpec { return &s }
	for _, c := range []struct {
		name      string
		spec      *v1alpha1.NodePortAllocationSpec // of the allocation; nil: there is none
		carriers  []*corev1.Service
		fulfilled bool
		behind    bool
		poolGone  bool
		noHold    bool
		want      plan
	}{
		{name: "nobody has it", want: plan{}},
		{
			name: "a Service carries it without a claim", carriers: []*corev1.Service{carrier("shop/web", "1", 0)},
			want: plan{change: adopt, spec: specOf("web", withUID("1"), adopted)},
		},
		{
			name:     "of several without a claim the oldest is adopted",
			carriers: []*corev1.Service{carrier("shop/young", "3", 2), carrier("shop/b", "2", 1), carrier("shop/a", "1", 1)},
			want:     plan{change: adopt, spec: specOf("a", withUID("1"), adopted)},
		},
		{
			name: "its Service appears", spec: claim(specOf("web", claimed(time.Second))), carriers: []*corev1.Service{carrier("shop/web", "1", 0)},
			want: plan{change: bind, spec: specOf("web", withUID("1"))},
		},
		{
			name: "its Service may be the one before, which had its name", spec: claim(specOf("web", claimed(time.Second))), behind: true,
			carriers: []*corev1.Service{carrier("shop/web", "1", 0)},
			want:     plan{change: bind, spec: specOf("web", withUID("1")), confirm: true},
		},
		{
			name: "its Service appears after the grace", spec: claim(specOf("web", claimed(grace))), carriers: []*corev1.Service{carrier("shop/web", "1", 0)},
			want: plan{change: bind, spec: specOf("web", withUID("1"))},
		},
		{
			name: "its Service comes back within the hold", spec: claim(specOf("web", heldUntil(time.Minute))), carriers: []*corev1.Service{carrier("shop/web", "2", 0)},
			want: plan{change: bind, spec: specOf("web", withUID("2"))},
		},
		{
			name: "its Service was made anew", spec: claim(specOf("web", withUID("1"))), carriers: []*corev1.Service{carrier("shop/web", "2", 0)},
			want: plan{change: bind, spec: specOf("web", withUID("2"))},
		},
		{
			name: "its Service may have been made anew before it was seen", spec: claim(specOf("web", withUID("1"))), behind: true,
			carriers: []*corev1.Service{carrier("shop/web", "2", 0)},
			want:     plan{change: bind, spec: specOf("web", withUID("2")), confirm: true},
		},
		{
			name: "its Service's entry was renamed, and the allocation's status written since",
			spec: claim(specOf("web", withUID("1"), func(s *v1alpha1.NodePortAllocationSpec) { s.Ports[0].Name = "web" })), behind: true,
			carriers: []*corev1.Service{carrier("shop/web", "1", 0)},
			want:     plan{change: bind, spec: specOf("web", withUID("1"))},
		},
		{
			name: "its Service's entry was renamed", spec: claim(specOf("web", withUID("1"), func(s *v1alpha1.NodePortAllocationSpec) { s.Ports[0].Name = "web" })),
			carriers: []*corev1.Service{carrier("shop/web", "1", 0)},
			want:     plan{change: bind, spec: specOf("web", withUID("1"))},
		},
		{
			name: "all is as it should be", spec: claim(specOf("web", withUID("1"))), carriers: []*corev1.Service{carrier("shop/web", "1", 0)},
			want: plan{spec: specOf("web", withUID("1"))},
		},
		{
			name: "what the ledger has counts, though an older Service carries it too", spec: claim(specOf("web", withUID("2"))),
			carriers: []*corev1.Service{carrier("shop/older", "1", 0), carrier("shop/web", "2", 1)},
			want:     plan{spec: specOf("web", withUID("2")), again: adviceAge},
		},
		{
			name: "its Service is being created", spec: claim(specOf("web", claimed(30*time.Second))),
			want: plan{again: grace - 30*time.Second},
		},
		{
			name: "its Service is being created, and another carries it", spec: claim(specOf("web", claimed(30*time.Second))),
			carriers: []*corev1.Service{carrier("shop/api", "1", 0)},
			want:     plan{again: grace - 30*time.Second},
		},
		{
			name: "its Service came and went before it was bound", spec: claim(specOf("web", claimed(time.Second))), fulfilled: true,
			want: plan{change: release, spec: specOf("web", heldUntil(10*time.Minute)), confirm: true},
		},
		{
			name: "its Service came and went before it was bound, and another carries it", spec: claim(specOf("web", claimed(time.Second))),
			fulfilled: true, carriers: []*corev1.Service{carrier("shop/api", "1", 0)},
			want: plan{change: succeed, spec: specOf("api", withUID("1"), adopted), confirm: true},
		},
		{
			name: "nobody came for it", spec: claim(specOf("web", claimed(grace))),
			want: plan{change: lapse, confirm: true},
		},
		{
			name: "nobody came for it, and it was held before", spec: claim(specOf("web", claimed(grace), heldUntil(time.Minute))),
			want: plan{again: time.Minute},
		},
		{
			name: "its Service has gone", spec: claim(specOf("web", withUID("1"))),
			want: plan{change: release, spec: specOf("web", heldUntil(10*time.Minute)), confirm: true},
		},
		{
			name: "its Service has gone, and its pool holds nothing", spec: claim(specOf("web", withUID("1"))), noHold: true,
			want: plan{change: release, spec: specOf("web", heldUntil(0)), confirm: true},
		},
		{
			name: "its Service has gone, and another carries it", spec: claim(specOf("web", withUID("1"), func(s *v1alpha1.NodePortAllocationSpec) {
				s.PoolName, s.ReservationName = "former", "web"
			})),
			carriers: []*corev1.Service{carrier("shop/young", "3", 2), carrier("shop/api", "2", 1)},
			want:     plan{change: succeed, spec: specOf("api", withUID("2"), adopted), confirm: true},
		},
		{
			name: "it is held, and Kubernetes gave it to another", spec: claim(specOf("web", heldUntil(time.Minute))), carriers: []*corev1.Service{carrier("shop/api", "2", 0)},
			want: plan{change: succeed, spec: specOf("api", withUID("2"), adopted), confirm: true},
		},
		{
			name: "it is held", spec: claim(specOf("web", heldUntil(time.Minute))),
			want: plan{again: time.Minute},
		},
		{
			name: "the hold has ended", spec: claim(specOf("web", heldUntil(0))),
			want: plan{change: drop, confirm: true},
		},
		{
			name: "it is held in a pool that has gone", spec: claim(specOf("web", heldUntil(time.Minute))), poolGone: true,
			want: plan{change: drop, confirm: true},
		},
		{
			name: "it is in use in a pool that has gone", spec: claim(specOf("web", withUID("1"))), carriers: []*corev1.Service{carrier("shop/web", "1", 0)}, poolGone: true,
			want: plan{spec: specOf("web", withUID("1"))},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := observed{number: 30080, carriers: c.carriers, pool: "team-a", fulfilled: c.fulfilled, behind: c.behind, poolGone: c.poolGone, hold: 10 * time.Minute, now: noon}
			if c.noHold {
				o.hold = 0
			}
			if c.spec != nil {
				o.allocation = &v1alpha1.NodePortAllocation{Spec: *c.spec.DeepCopy()}
			}
			got := planFor(o)
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(plan{}), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if c.spec != nil {
				if diff := cmp.Diff(*c.spec, o.allocation.Spec); diff != "" {
					t.Errorf("the cached allocation was changed (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestTheHealthChecksNumberIsAdoptedAndThenLeftAlone(t *testing.T) {
	svc := MakeService("shop/web").UID("1").NodePort(80, 30100).LoadBalancer().LocalTraffic().HealthCheck(30080).Obj()
	o := observed{number: 30080, carriers: []*corev1.Service{svc}, now: noon}
	p := planFor(o)
	want := v1alpha1.NodePortAllocationSpec{
		ServiceRef: v1alpha1.ServiceReference{Namespace: "shop", Name: "web"}, ServiceUID: "1",
		Role: v1alpha1.RoleHealthCheck, Origin: v1alpha1.OriginAdopted,
	}
	if diff := cmp.Diff(plan{change: adopt, spec: want}, p, cmp.AllowUnexported(plan{}), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	o.allocation = &v1alpha1.NodePortAllocation{Spec: want} // as the API server gives it back, without empty ports
	if p := planFor(o); p.change != keep {
		t.Errorf("then it is %s", p.change)
	}
}
