package explain

import (
	"net/netip"
	"testing"
	"time"

	"gotest.tools/v3/golden"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
	"github.com/portolan-dev/portolan/internal/nodeproxy/endpoints"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
	"github.com/portolan-dev/portolan/internal/selection"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

var node = route.Node{Name: "node-1", Zone: "zone-a"}

func TestAServiceIsExplainedInWords(t *testing.T) {
	here, there := st.OnNode("node-1"), st.OnNode("node-2")
	for _, test := range []struct {
		name      string
		service   *corev1.Service
		slice     *st.Slice
		another   *st.Slice
		conflicts func(route.Plan) []route.Conflict
		doors     []Door
	}{{
		name: "node-port",
		service: st.MakeService("shop/web").ClusterIPs("10.96.0.10", "fd00:96::a").ExternalIPs("1.2.3.110").
			NodePort(80, 31000, st.Named("http")).NodePort(443, 31443, st.Named("https")).Obj(),
		slice: st.MakeSlice("shop/web", "a").Port("http", 8080).Port("https", 8443).
			Endpoint("10.244.1.2", here).Endpoint("10.244.2.5", there).Endpoint("10.244.2.6", there, st.Lasting),
	}, {
		name:    "local",
		service: st.MakeService("shop/web").LoadBalancer().LocalTraffic().HealthCheck(32000).ClusterIPs("10.96.0.10").Ingress("5.6.7.8").SourceRanges("203.0.113.0/24").NodePort(80, 31000, st.Named("")).Obj(),
		slice:   st.MakeSlice("shop/web", "a").Port("", 8080).Endpoint("10.244.1.2", here).Endpoint("10.244.2.5", there),
	}, {
		name:    "no-endpoint-here",
		service: st.MakeService("shop/web").LoadBalancer().LocalTraffic().HealthCheck(32000).ClusterIPs("10.96.0.10").NodePort(80, 31000).Obj(),
		slice:   st.MakeSlice("shop/web", "a").Port("", 8080).Endpoint("10.244.2.5", there),
	}, {
		name:    "no-endpoint",
		service: st.MakeService("shop/web").ClusterIPs("10.96.0.10").NodePort(53, 31000, st.UDP).Obj(),
	}, {
		name:    "conflict",
		service: st.MakeService("shop/web").ClusterIPs("10.96.0.10").ExternalIPs("1.2.3.110").Port(80).Obj(),
		slice:   st.MakeSlice("shop/web", "a").Port("", 8080).Endpoint("10.244.1.2", here),
		conflicts: func(p route.Plan) []route.Conflict {
			for _, r := range p.Routes {
				if r.Kind == route.ExternalIP {
					return []route.Conflict{{
						Frontend: r.Frontend,
						Winner:   types.NamespacedName{Namespace: "pay", Name: "old"},
						Loser:    types.NamespacedName{Namespace: "shop", Name: "web"},
					}}
				}
			}
			return nil
		},
	}, {
		name:    "moving",
		service: st.MakeService("shop/web").ClusterIPs("10.96.0.10").Port(80).Obj(),
		slice:   st.MakeSlice("shop/web", "a").Port("", 8080).Endpoint("10.244.1.2", here, st.Ending).Endpoint("10.244.2.5", there, st.Unready),
		another: st.MakeSlice("shop/web", "b").Port("", 8080).Endpoint("10.244.1.2", here).Endpoint("10.244.2.5", there),
	}, {
		name:    "published-unready",
		service: st.MakeService("shop/web").ClusterIPs("10.96.0.10").Port(80).Obj(),
		slice: st.MakeSlice("shop/web", "a").Port("", 8080).Endpoint("10.244.1.2", here, func(e *discoveryv1.Endpoint) {
			e.Conditions.Terminating = new(true)
		}),
	}, {
		name:    "sticky",
		service: st.MakeService("shop/web").ClusterIPs("10.96.0.10").Affinity(3*time.Hour).Port(53, st.UDP).Obj(),
		slice:   st.MakeSlice("shop/web", "a").Port("", 53, st.UDP).Endpoint("10.244.1.2", here),
	}, {
		name:    "guarded",
		service: st.MakeService("shop/web").Label(v1alpha1.ServiceProxyNameLabel, "cilium").ClusterIPs("10.96.0.10").NodePort(80, 31000).Obj(),
		doors: []Door{
			{Port: nft.Port{Protocol: nft.TCP, Number: 31000}, Selecting: policies(t), Ceiling: ceilingOf("10.0.0.0/8"), New: new(uint64(12))},
			{Port: nft.Port{Protocol: nft.UDP, Number: 31000}, Ceiling: ceilingOf(), New: new(uint64(1))},
			{Port: nft.Port{Protocol: nft.TCP, Number: 31001}, New: new(uint64(0))},
			{Port: nft.Port{Protocol: nft.TCP, Number: 32000}, HealthCheck: true},
		},
	}, {
		name:    "another-proxy",
		service: st.MakeService("shop/web").Label(v1alpha1.ServiceProxyNameLabel, "cilium").ClusterIPs("10.96.0.10").Port(80).Obj(),
	}, {
		name:    "headless",
		service: st.MakeService("shop/web").ClusterIPs("None").Port(80).Obj(),
	}} {
		t.Run(test.name, func(t *testing.T) {
			s := Subject{Service: test.service, Node: node, NodePortIPs: []netip.Addr{netip.MustParseAddr("198.18.0.11")}}
			if test.slice != nil {
				s.Slices = []*endpoints.Slice{endpoints.Of(test.slice.Obj())}
			}
			if test.another != nil {
				s.Slices = append(s.Slices, endpoints.Of(test.another.Obj()))
			}
			s.Doors, s.Guarded = test.doors, true
			s.Plan = route.Service(s.Service, s.Slices, node, selection.Selection{Mode: v1alpha1.ProxyModeAll, ProxyName: "portolan"})
			if test.conflicts != nil {
				s.Conflicts = test.conflicts(s.Plan)
			}
			golden.Assert(t, Service(s), test.name+".golden")
		})
	}
}

// policies are NodePortAccess objects of all kinds.
func policies(t *testing.T) []*access.Policy {
	t.Helper()
	named := func(name string, spec v1alpha1.NodePortAccessSpec) *access.Policy {
		return access.NewPolicy(&v1alpha1.NodePortAccess{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}, Spec: spec})
	}
	from := func(cidr v1alpha1.CIDR, except ...v1alpha1.CIDR) v1alpha1.AccessPeer {
		return v1alpha1.AccessPeer{IPBlock: v1alpha1.IPBlock{CIDR: cidr, Except: except}}
	}
	return []*access.Policy{
		named("edge", v1alpha1.NodePortAccessSpec{
			Interfaces: []string{"eth1"}, Addresses: []v1alpha1.CIDR{"198.51.100.0/24"},
			NewConnections: &v1alpha1.ConnectionRate{PerSecond: 100, Burst: 200},
		}),
		named("elsewhere", v1alpha1.NodePortAccessSpec{NodeSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"edge": "true"}}}),
		named("office", v1alpha1.NodePortAccessSpec{From: []v1alpha1.AccessPeer{from("203.0.113.0/24", "203.0.113.7/32"), from("2001:db8::/32")}}),
		named("wrong", v1alpha1.NodePortAccessSpec{From: []v1alpha1.AccessPeer{from("203.0.113.7/24")}}),
	}
}

// ceilingOf is that of a pool whose numbers a range may reach, or nobody.
func ceilingOf(cidrs ...v1alpha1.CIDR) *access.Pool {
	pool := &v1alpha1.NodePortPool{ObjectMeta: metav1.ObjectMeta{Name: "team-a"}}
	pool.Spec.Access = &v1alpha1.PoolAccess{}
	for _, cidr := range cidrs {
		pool.Spec.Access.From = append(pool.Spec.Access.From, v1alpha1.AccessPeer{IPBlock: v1alpha1.IPBlock{CIDR: cidr}})
	}
	return access.NewPool(pool)
}
