package inventory

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func listed(ports []Port) []string {
	var all []string
	for _, p := range ports {
		all = append(all, fmt.Sprintf("%s/%s %s %d %d %s", p.Namespace, p.Service, p.Name, p.Port, p.Number, p.Protocol))
	}
	return all
}

func TestWhatIsListedIsWhatTheFilterWants(t *testing.T) {
	services := []corev1.Service{
		*st.MakeService("shop/web").Label("app", "web").NodePort(443, 30443, st.Named("https")).NodePort(80, 30080, st.Named("http")).Obj(),
		*st.MakeService("games/arena").LoadBalancer().NodePort(7777, 30777, st.UDP).Obj(),
		*st.MakeService("games/signal").NodePort(2905, 30777, st.SCTP).Obj(),
		*st.MakeService("shop/inside").NodePort(80, 30001).Type(corev1.ServiceTypeClusterIP).Obj(),
		*st.MakeService("shop/elsewhere").NodePort(80, 30002).Type(corev1.ServiceTypeExternalName).Obj(),
		*st.MakeService("shop/direct").LoadBalancer().AllocateNodePorts(false).Port(80).Obj(),
	}
	allocations := []v1alpha1.NodePortAllocation{allocation(30443, "team-a"), allocation(30777, "games"), allocation(30080, "")}
	const (
		http, https   = "shop/web http 80 30080 TCP", "shop/web https 443 30443 TCP"
		arena, signal = "games/arena  7777 30777 UDP", "games/signal  2905 30777 SCTP"
	)
	for _, test := range []struct {
		name   string
		filter Filter
		want   []string
	}{
		{"all that have a node port", Filter{}, []string{arena, signal, http, https}},
		{"a namespace", Filter{Namespace: "games"}, []string{arena, signal}},
		{"labels", Filter{Selector: labels.SelectorFromSet(labels.Set{"app": "web"})}, []string{http, https}},
		{"a pool", Filter{Pools: []string{"team-a", "team-b"}}, []string{https}},
		{"protocols", Filter{Protocols: []corev1.Protocol{corev1.ProtocolUDP, corev1.ProtocolSCTP}}, []string{arena, signal}},
		{"all at once", Filter{Namespace: "shop", Pools: []string{"team-a"}, Protocols: []corev1.Protocol{corev1.ProtocolUDP}}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			inv := New(&Cluster{Services: services, Allocations: allocations}, test.filter)
			if diff := cmp.Diff(test.want, listed(inv.Ports)); diff != "" {
				t.Errorf("ports (-want +got):\n%s", diff)
			}
		})
	}
}

func TestALocalServiceIsAtNodesThatHaveItsPods(t *testing.T) {
	nodes := []corev1.Node{node("node-1", "192.0.2.1"), node("node-2", "192.0.2.2"), node("node-3", "192.0.2.3", notReady)}
	on := st.OnNode
	for _, test := range []struct {
		name   string
		slices []*st.Slice
		want   []string
	}{
		{"none without a slice", nil, nil},
		{"not those of pods that are not ready", []*st.Slice{
			st.MakeSlice("shop/web", "a").Port("http", 8080).Endpoint("10.0.0.1", on("node-1")).Endpoint("10.0.0.2", on("node-2"), st.Unready),
		}, []string{"node-1 192.0.2.1"}},
		{"not those of pods that end, while another is ready", []*st.Slice{
			st.MakeSlice("shop/web", "a").Port("http", 8080).Endpoint("10.0.0.1", on("node-1"), st.Lasting).Endpoint("10.0.0.2", on("node-2")),
		}, []string{"node-2 192.0.2.2"}},
		{"those of pods that end and still serve, where none is ready", []*st.Slice{
			st.MakeSlice("shop/web", "a").Port("http", 8080).Endpoint("10.0.0.1", on("node-1"), st.Lasting).Endpoint("10.0.0.2", on("node-2"), st.Ending),
		}, []string{"node-1 192.0.2.1"}},
		{"of all its slices", []*st.Slice{
			st.MakeSlice("shop/web", "a").Port("http", 8080).Endpoint("10.0.0.1", on("node-1")),
			st.MakeSlice("shop/web", "b").Port("http", 8080).Endpoint("10.0.0.2", on("node-2")),
		}, []string{"node-1 192.0.2.1", "node-2 192.0.2.2"}},
		{"those that have the port", []*st.Slice{
			st.MakeSlice("shop/web", "a").Port("http", 8080).Endpoint("10.0.0.1", on("node-1")),
			st.MakeSlice("shop/web", "b").Port("https", 8443).Endpoint("10.0.0.2", on("node-2")),
			st.MakeSlice("shop/web", "c").Port("http", 8080, st.UDP).Endpoint("10.0.0.2", on("node-2")),
		}, []string{"node-1 192.0.2.1"}},
		{"not those of another Service of the name", []*st.Slice{
			st.MakeSlice("blog/web", "a").Port("http", 8080).Endpoint("10.0.0.1", on("node-1")),
		}, nil},
		{"not those that take no traffic", []*st.Slice{
			st.MakeSlice("shop/web", "a").Port("http", 8080).Endpoint("10.0.0.1", on("node-3")).Endpoint("10.0.0.2", on("node-1")),
		}, []string{"node-1 192.0.2.1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			svc := st.MakeService("shop/web").LoadBalancer().NodePort(80, 30080, st.Named("http")).LocalTraffic().HealthCheck(30999).Obj()
			c := &Cluster{Nodes: nodes, Services: []corev1.Service{*svc}}
			for _, s := range test.slices {
				c.Slices = append(c.Slices, *s.Obj())
			}
			inv := New(c, Filter{})
			if diff := cmp.Diff(test.want, sites(inv.Ports[0].Nodes)); diff != "" {
				t.Errorf("nodes (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]string{"192.0.2.1 192.0.2.2 from 0.0.0.0/0"}, gates(inv.Checks[0].Doors)); diff != "" {
				t.Errorf("who may ask for its health, where (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOnlyALoadBalancersLocalServiceHasAHealthCheck(t *testing.T) {
	for _, test := range []struct {
		name    string
		service *st.Service
		want    int32
	}{
		{"load balancer, Local", st.MakeService("shop/web").LoadBalancer().NodePort(80, 30080).LocalTraffic().HealthCheck(30999), 30999},
		{"load balancer, Cluster", st.MakeService("shop/web").LoadBalancer().NodePort(80, 30080).HealthCheck(30999), 0},
		{"node port, Local", st.MakeService("shop/web").NodePort(80, 30080).LocalTraffic().HealthCheck(30999), 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			inv := New(&Cluster{Services: []corev1.Service{*test.service.Obj()}}, Filter{})
			if got := inv.Ports[0].HealthCheck; got != test.want || len(inv.Checks) != min(int(test.want), 1) {
				t.Errorf("got %d and %v, want %d", got, inv.Checks, test.want)
			}
		})
	}
}

func TestTheOrderOfWhatIsReadDoesNotMatter(t *testing.T) {
	c := &Cluster{}
	for i := range 8 {
		name := fmt.Sprint("node-", i)
		c.Nodes = append(c.Nodes, node(name, fmt.Sprint("192.0.2.", i), at(corev1.NodeInternalIP, fmt.Sprint("2001:db8::", i))))
		svc := st.MakeService(fmt.Sprintf("ns-%d/web", i%3)).NodePort(80, int32(30000+i)).LocalTraffic().Obj()
		svc.Name = fmt.Sprint("web-", i)
		c.Services = append(c.Services, *svc)
		slice := st.MakeSlice(svc.Namespace+"/"+svc.Name, "a").Port("", 8080).Endpoint("10.0.0.1", st.OnNode(name)).Obj()
		c.Slices = append(c.Slices, *slice, *slice)
		c.Accesses = append(c.Accesses, allow(fmt.Sprintf("ns-%d/%d", i%3, i), fmt.Sprintf("10.%d.0.0/16", i)))
		c.Pools = append(c.Pools, pool(fmt.Sprint("pool-", i), 30000, int32(30000+i), "10.0.0.0/8"))
	}
	want := New(c, Filter{})
	random := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		shuffle(random, c.Nodes)
		shuffle(random, c.Services)
		shuffle[discoveryv1.EndpointSlice](random, c.Slices)
		shuffle(random, c.Accesses)
		shuffle(random, c.Pools)
		if diff := cmp.Diff(want, New(c, Filter{}), cmp.AllowUnexported(Node{}), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" {
			t.Fatalf("in another order (-want +got):\n%s", diff)
		}
	}
}

func shuffle[T any](random *rand.Rand, all []T) {
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
}
