package route

import (
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestAServiceHasTheFrontendsThatItsSpecAndStatusName(t *testing.T) {
	const endpoint = "10.0.0.1:8080"
	single := func() *st.Service {
		return st.MakeService("shop/web").ClusterIPs("10.96.0.10")
	}
	hostname := func(s *st.Service) *st.Service {
		return s.Ingress("203.0.113.1")
	}
	for _, tc := range []struct {
		name string
		svc  *st.Service
		want map[string]string
	}{
		{"cluster IP", single().Port(80, st.Named("http")), map[string]string{
			"10.96.0.10:80/tcp": endpoint,
		}},
		{"node port", single().NodePort(80, 30080, st.Named("http")), map[string]string{
			"10.96.0.10:80/tcp":        endpoint,
			"IPv4 node port 30080/tcp": endpoint + ", masqueraded",
		}},
		{"external IPs, of its families alone", single().Port(80, st.Named("http")).ExternalIPs("192.0.2.1", "2001:db8::1", "nonsense"), map[string]string{
			"10.96.0.10:80/tcp": endpoint,
			"192.0.2.1:80/tcp":  endpoint + ", masqueraded",
		}},
		{"load balancer IP", hostname(single().LoadBalancer().NodePort(80, 30080, st.Named("http"))), map[string]string{
			"10.96.0.10:80/tcp":        endpoint,
			"203.0.113.1:80/tcp":       endpoint + ", masqueraded",
			"IPv4 node port 30080/tcp": endpoint + ", masqueraded",
		}},
		{"an IP that is both a load balancer's and external is the former", hostname(single().LoadBalancer().Port(80, st.Named("http")).
			ExternalIPs("203.0.113.1").SourceRanges("198.51.100.0/24")), map[string]string{
			"10.96.0.10:80/tcp":  endpoint,
			"203.0.113.1:80/tcp": endpoint + ", masqueraded, from 198.51.100.0/24",
		}},
		{"two protocols on one number", single().NodePort(53, 30053, st.Named("http")).NodePort(53, 30053, st.UDP, st.Named("dns")), map[string]string{
			"10.96.0.10:53/tcp":        endpoint,
			"10.96.0.10:53/udp":        "10.0.0.1:5353",
			"IPv4 node port 30053/tcp": endpoint + ", masqueraded",
			"IPv4 node port 30053/udp": "10.0.0.1:5353, masqueraded",
		}},
		{"a port that no slice has", single().Port(80, st.Named("http")).Port(443, st.Named("https")), map[string]string{
			"10.96.0.10:80/tcp":  endpoint,
			"10.96.0.10:443/tcp": "refuse",
		}},
		{"a port of another protocol than the slice's", single().Port(80, st.SCTP, st.Named("http")), map[string]string{
			"10.96.0.10:80/sctp": "refuse",
		}},
		{"both families", st.MakeService("shop/web").ClusterIPs("fd00:96::10", "10.96.0.10").NodePort(80, 30080, st.Named("http")), map[string]string{
			"10.96.0.10:80/tcp":        endpoint,
			"[fd00:96::10]:80/tcp":     "[fd00::1]:8080",
			"IPv4 node port 30080/tcp": endpoint + ", masqueraded",
			"IPv6 node port 30080/tcp": "[fd00::1]:8080, masqueraded",
		}},
		{"Local policies", single().NodePort(80, 30080, st.Named("http")).LocalTraffic().LocalInternalTraffic(), map[string]string{
			"10.96.0.10:80/tcp":        "discard",
			"IPv4 node port 30080/tcp": "discard, inside: " + endpoint,
		}},
		{"session affinity", single().Port(80, st.Named("http")).Affinity(time.Minute), map[string]string{
			"10.96.0.10:80/tcp": endpoint + ", affinity 1m0s",
		}},
		{"headless", single().ClusterIPs("None").Port(80, st.Named("http")), map[string]string{}},
		{"no cluster IP yet", st.MakeService("shop/web").Port(80, st.Named("http")), map[string]string{}},
		{"ExternalName", single().Type(corev1.ServiceTypeExternalName).Port(80, st.Named("http")), map[string]string{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := routes(planOf(tc.svc,
				st.MakeSlice("shop/web", "a").Port("http", 8080).Port("dns", 5353, st.UDP).Endpoint("10.0.0.1", st.OnNode("node-2")),
				st.MakeSlice("shop/web", "b").IPv6().Port("http", 8080).Endpoint("fd00::1", st.OnNode("node-2")),
				st.MakeSlice("shop/web", "c").Label(corev1.IsHeadlessService, "").Port("http", 8080).Endpoint("10.0.0.7")))
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestALoadBalancerIPThatIsAProxysAddressIsNoFrontend(t *testing.T) {
	svc, slice := web()
	obj := svc.LoadBalancer().Ingress("203.0.113.1", "203.0.113.2").Obj()
	obj.Status.LoadBalancer.Ingress[0].IPMode = new(corev1.LoadBalancerIPModeProxy)
	obj.Status.LoadBalancer.Ingress[1].IPMode = new(corev1.LoadBalancerIPModeVIP)
	got := routes(Service(obj, objects([]*st.Slice{slice}), thisNode, everything))
	want := map[string]string{"10.96.0.10:80/tcp": "refuse", "203.0.113.2:80/tcp": "refuse, masqueraded"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestSourceRangesLimitLoadBalancerIPsOfTheirFamily(t *testing.T) {
	for _, tc := range []struct {
		name   string
		ranges []string
		v4, v6 []string
	}{
		{"none", nil, nil, nil},
		{"of one family leave the other open", []string{"198.51.100.0/24"}, []string{"198.51.100.0/24"}, nil},
		{"of both", []string{" 198.51.100.7/24 ", "2001:db8::/32"}, []string{"198.51.100.0/24"}, []string{"2001:db8::/32"}},
		{"one within another", []string{"198.51.100.0/24", "198.51.0.0/16", "198.51.0.0/16"}, []string{"198.51.0.0/16"}, nil},
		{"IPv4 as IPv6 has it", []string{"::ffff:198.51.100.0/120"}, []string{"198.51.100.0/24"}, nil},
		{"everybody", []string{"198.51.100.0/24", "0.0.0.0/0"}, nil, nil},
		{"with the node's own address: the IP itself too", []string{"192.168.0.0/24"}, []string{"192.168.0.0/24", "203.0.113.1/32"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			svc := st.MakeService("shop/web").ClusterIPs("10.96.0.10", "fd00:96::10").LoadBalancer().NodePort(80, 30080, st.Named("http")).
				Ingress("203.0.113.1", "2001:db8::f").ExternalIPs("192.0.2.1").SourceRanges(tc.ranges...)
			got := map[string][]string{}
			for _, r := range planOf(svc).Routes {
				for _, s := range r.Sources {
					got[r.Frontend.String()] = append(got[r.Frontend.String()], s.String())
				}
			}
			want := map[string][]string{"203.0.113.1:80/tcp": tc.v4, "[2001:db8::f]:80/tcp": tc.v6}
			maps.DeleteFunc(want, func(_ string, ranges []string) bool { return ranges == nil })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestAHealthCheckCountsAddressesWithReadyEndpointsHere(t *testing.T) {
	svc := st.MakeService("shop/web").ClusterIPs("10.96.0.10", "fd00:96::10").LoadBalancer().LocalTraffic().HealthCheck(32000).
		NodePort(80, 30080, st.Named("http")).NodePort(443, 30443, st.Named("https"))
	plan := planOf(svc,
		st.MakeSlice("shop/web", "a").Port("http", 8080).Port("https", 8443).
			Endpoint("10.0.0.1", st.OnNode("node-1")).Endpoint("10.0.0.2", st.OnNode("node-1")).
			Endpoint("10.0.0.3", on("node-1", st.Lasting)...).Endpoint("10.0.0.4", st.OnNode("node-2")),
		st.MakeSlice("shop/web", "b").IPv6().Port("http", 8080).Endpoint("fd00::1", st.OnNode("node-1")))
	if want := (HealthCheck{Port: 32000, IPv4: 2, IPv6: 1}); plan.HealthCheck != want {
		t.Errorf("got %+v, want %+v", plan.HealthCheck, want)
	}
	if got := planOf(svc.Type(corev1.ServiceTypeNodePort)).HealthCheck; got != (HealthCheck{}) {
		t.Errorf("a Service that is no load balancer's: %+v", got)
	}
}

func TestEndpointsHereAreHairpinsWhereAFrontendLeadsToThem(t *testing.T) {
	svc := st.MakeService("shop/web").ClusterIPs("10.96.0.10").NodePort(80, 30080, st.Named("http")).LocalTraffic()
	slice := st.MakeSlice("shop/web", "a").Port("http", 8080).
		Endpoint("10.0.0.1", on("node-1", st.ForZones("zone-a"))...). // by both policies
		Endpoint("10.0.0.2", on("node-1", st.ForZones("zone-b"))...). // by the Local one
		Endpoint("10.0.0.3", on("node-2", st.ForZones("zone-a"))...).
		Endpoint("10.0.0.4", on("node-1", st.Unready)...)
	want := []Hairpin{{nft.TCP, addrPorts("10.0.0.1:8080")[0]}, {nft.TCP, addrPorts("10.0.0.2:8080")[0]}}
	if diff := cmp.Diff(want, planOf(svc, slice).Hairpins, cmp.Comparer(func(a, b Hairpin) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestFlowsGoOnToWhateverServes(t *testing.T) {
	svc := st.MakeService("shop/dns").ClusterIPs("10.96.0.10").Port(53, st.UDP, st.Named("dns")).Port(53, st.Named("dns-tcp"))
	plan := planOf(svc, st.MakeSlice("shop/dns", "a").Port("dns", 5353, st.UDP).Port("dns-tcp", 5353).
		Endpoint("10.0.0.1", st.ForZones("zone-b")).Endpoint("10.0.0.2", st.Lasting).Endpoint("10.0.0.3", st.Unready).Endpoint("10.0.0.4", st.Ending))
	for _, r := range plan.Routes {
		var want []string
		if r.Protocol == nft.UDP {
			want = []string{"10.0.0.1:5353", "10.0.0.2:5353"}
		}
		if diff := cmp.Diff(want, texts(r.Serving), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", r.Frontend, diff)
		}
	}
}
