package release

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

var now = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func TestOnlyAHoldIsGivenUp(t *testing.T) {
	for _, tt := range []struct {
		name     string
		spec     func(*v1alpha1.NodePortAllocationSpec) // nil: there is no allocation
		services []corev1.Service
		want     string // "": it may go
	}{
		{name: "held", spec: func(s *v1alpha1.NodePortAllocationSpec) { s.HoldUntil = new(metav1.NewTime(now.Add(time.Minute))) }},
		{name: "in use", spec: func(s *v1alpha1.NodePortAllocationSpec) { s.ServiceUID = "uid" },
			services: []corev1.Service{*MakeService("shop/web").NodePort(80, 30100).Obj()},
			want:     "in use by Service shop/web: change or delete that, or give it another number with kubectl portolan move web -n shop --to NUMBER"},
		{name: "in conflict", services: []corev1.Service{*MakeService("shop/web").NodePort(80, 30100).Obj(), *MakeService("shop/api").NodePort(80, 30100).Obj()},
			want: "several Services: see kubectl portolan who 30100"},
		{name: "reserved", spec: func(s *v1alpha1.NodePortAllocationSpec) { s.ReservationName = "promise" }, want: "kubectl delete npr promise -n shop"},
		{name: "pending", spec: func(s *v1alpha1.NodePortAllocationSpec) { s.ClaimTime = new(metav1.NewMicroTime(now)) }, want: "just being made"},
		{name: "held until a while ago", spec: func(s *v1alpha1.NodePortAllocationSpec) { s.HoldUntil = new(metav1.NewTime(now.Add(-time.Minute))) }},
		{name: "claimed by nobody who came", spec: func(s *v1alpha1.NodePortAllocationSpec) { s.ClaimTime = new(metav1.NewMicroTime(now.Add(-time.Hour))) }},
		{name: "free", want: "nobody has it"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := picture.Objects{Services: tt.services}
			if tt.spec != nil {
				a := v1alpha1.NodePortAllocation{ObjectMeta: metav1.ObjectMeta{Name: "30100"}}
				a.Spec.ServiceRef = v1alpha1.ServiceReference{Namespace: "shop", Name: "web"}
				tt.spec(&a.Spec)
				o.Allocations = append(o.Allocations, a)
			}
			got := refusal(picture.New(o, now).Number(30100))
			if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
