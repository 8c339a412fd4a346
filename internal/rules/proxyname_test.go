package rules

import (
	"testing"

	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestAServiceIsGivenToTheProxyThatAllPoolsOfItsNumbersName(t *testing.T) {
	withProxy := func(p *testPool, name string) *testPool {
		p.Spec.ServiceProxyName = name
		return p
	}
	chart := chartOf(
		withProxy(makePool("a", "30100-30199").For("a"), "portolan"),
		withProxy(makePool("b", "30200-30299").For("b"), "portolan"),
		withProxy(makePool("c", "30300-30399").For("a"), "another"),
		makePool("d", "30400-30499").For("a"),
		withProxy(makePool("late", "30190-30199,30500-30599").For("a").Age(-1), "another"),
	)
	for _, tc := range []struct {
		name string
		svc  *Service
		want string
	}{
		{"no number", MakeService("shop/web").Port(80), ""},
		{"a number of a pool that names one", MakeService("shop/web").NodePort(80, 30100), "portolan"},
		{"a number of a pool that names none", MakeService("shop/web").NodePort(80, 30400), ""},
		{"a number of no pool", MakeService("shop/web").NodePort(80, 30000), ""},
		{"a number outside of the cluster's range", MakeService("shop/web").NodePort(80, 20000), ""},
		{"a number that is yet to be chosen", MakeService("shop/web").NodePort(80, 0), ""},
		{"one that is there and one that is not", MakeService("shop/web").NodePort(80, 30100).NodePort(81, 0), ""},
		{"numbers of two pools that agree", MakeService("shop/web").NodePort(80, 30100).NodePort(81, 30200), "portolan"},
		{"of two pools that do not", MakeService("shop/web").NodePort(80, 30100).NodePort(81, 30300), ""},
		{"of one that names none as well", MakeService("shop/web").NodePort(80, 30100).NodePort(81, 30400), ""},
		{"and the other way round", MakeService("shop/web").NodePort(80, 30400).NodePort(81, 30100), ""},
		{"of no pool as well", MakeService("shop/web").NodePort(80, 30100).NodePort(81, 30000), ""},
		{"a load balancer with a health check", MakeService("shop/web").LoadBalancer().LocalTraffic().NodePort(80, 30100).HealthCheck(30200), "portolan"},
		{"with a health check of another pool", MakeService("shop/web").LoadBalancer().LocalTraffic().NodePort(80, 30100).HealthCheck(30400), ""},
		{"with a health check alone", MakeService("shop/web").LoadBalancer().LocalTraffic().AllocateNodePorts(false).Port(80).HealthCheck(30300), "another"},
		{"a load balancer without any", MakeService("shop/web").LoadBalancer().AllocateNodePorts(false).Port(80), ""},
		{"the older of two pools that overlap", MakeService("shop/web").NodePort(80, 30195), "portolan"},
		{"a number that is stored and not allocated", MakeService("shop/web").NodePort(80, 30100).Type("ExternalName"), ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := ProxyName(chart, tc.svc.Obj()); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
