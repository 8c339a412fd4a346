package controllers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestAClaimIsFulfilledOnceItsServiceHasCarriedTheNumberAndLeftIt(t *testing.T) {
	web := func(version string, number int32) *corev1.Service {
		svc := MakeService("shop/web").NodePort(80, number).Obj()
		svc.ResourceVersion = version
		return svc
	}
	claim := func(name, version string) *v1alpha1.NodePortAllocation {
		a := &v1alpha1.NodePortAllocation{Spec: specOf(name)}
		a.Name, a.ResourceVersion = "30080", version
		return a
	}
	for _, c := range []struct {
		name  string
		left  *corev1.Service // the last version that carried the number
		kept  []int32
		claim *v1alpha1.NodePortAllocation
		want  bool
	}{
		{"it came after the claim, and has gone", web("11", 30080), nil, claim("web", "10"), true},
		{"it goes on carrying it", web("11", 30080), []int32{30080}, claim("web", "10"), false},
		{"it left another number", web("11", 30081), nil, claim("web", "10"), false},
		{"another Service left it", web("11", 30080), nil, claim("api", "10"), false},
		{"the claim is a newer one", web("11", 30080), nil, claim("web", "12"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPartings()
			p.note(c.left, c.kept)
			if got := p.fulfilled(c.claim); got != c.want {
				t.Errorf("fulfilled() = %t, want %t", got, c.want)
			}
		})
	}
}
