package serviceports

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// traffic is a request for the number of these entries.
func traffic(number int32, ports ...Port) Request {
	return Request{Role: Traffic, NodePort: number, Ports: ports}
}

func tcp(index int, port int32) Port {
	return Port{Index: index, Port: port, Protocol: corev1.ProtocolTCP}
}

func udp(index int, port int32) Port {
	return Port{Index: index, Port: port, Protocol: corev1.ProtocolUDP}
}

func sctp(index int, port int32) Port {
	return Port{Index: index, Port: port, Protocol: corev1.ProtocolSCTP}
}

func TestRequestsAreTheNumbersTheAPIServerKeepsAllocated(t *testing.T) {
	for _, tc := range []struct {
		name string
		svc  *Service
		want []Request
	}{
		{
			name: "NodePort: one for each entry, in the order of the spec",
			svc:  MakeService("a/b").NodePort(443, 0).NodePort(80, 30080),
			want: []Request{traffic(0, tcp(0, 443)), traffic(30080, tcp(1, 80))},
		},
		{
			name: "LoadBalancer: the same",
			svc:  MakeService("a/b").LoadBalancer().Port(443).NodePort(80, 30080),
			want: []Request{traffic(0, tcp(0, 443)), traffic(30080, tcp(1, 80))},
		},
		{
			name: "LoadBalancer that allocates none: explicit numbers only, joined by nobody",
			svc:  MakeService("a/b").LoadBalancer().AllocateNodePorts(false).NodePort(53, 30053).Port(53, UDP).Port(80),
			want: []Request{traffic(30053, tcp(0, 53))},
		},
		{
			name: "LoadBalancer that says it allocates them",
			svc:  MakeService("a/b").LoadBalancer().AllocateNodePorts(true).Port(80),
			want: []Request{traffic(0, tcp(0, 80))},
		},
		{
			name: "LoadBalancer with local traffic: the health check comes last",
			svc:  MakeService("a/b").LoadBalancer().LocalTraffic().HealthCheck(32000).Port(80),
			want: []Request{traffic(0, tcp(0, 80)), {Role: HealthCheck, NodePort: 32000}},
		},
		{
			name: "a health check number is chosen even where node ports are not",
			svc:  MakeService("a/b").LoadBalancer().AllocateNodePorts(false).LocalTraffic().Port(80),
			want: []Request{{Role: HealthCheck}},
		},
		{
			name: "NodePort with local traffic: no health check",
			svc:  MakeService("a/b").NodePort(80, 30080).LocalTraffic().HealthCheck(32000),
			want: []Request{traffic(30080, tcp(0, 80))},
		},
		{
			name: "ClusterIP: none",
			svc:  MakeService("a/b").Port(80),
		},
		{
			name: "ExternalName: none, even with a number",
			svc:  MakeService("a/b").NodePort(80, 30080).Type(corev1.ServiceTypeExternalName),
		},
		{
			name: "TCP, UDP and SCTP on one `port` share the number to be chosen",
			svc:  MakeService("a/b").Port(53).Port(80).Port(53, UDP).Port(53, SCTP).Type(corev1.ServiceTypeNodePort),
			want: []Request{traffic(0, tcp(0, 53), udp(2, 53), sctp(3, 53)), traffic(0, tcp(1, 80))},
		},
		{
			name: "entries without a number join the first one on their `port`, though it stands behind them",
			svc:  MakeService("a/b").NodePort(53, 0).NodePort(53, 30053, UDP).NodePort(53, 30054, SCTP),
			want: []Request{traffic(30053, tcp(0, 53), udp(1, 53)), traffic(30054, sctp(2, 53))},
		},
		{
			name: "but not where their protocol has it already, which would be refused",
			svc:  MakeService("a/b").NodePort(80, 30080).NodePort(81, 30080, UDP).NodePort(80, 0, UDP),
			want: []Request{traffic(30080, tcp(0, 80), udp(1, 81)), traffic(0, udp(2, 80))},
		},
		{
			name: "entries with one explicit number are one request, whatever their `port`",
			svc:  MakeService("a/b").NodePort(80, 30080).NodePort(81, 30080, UDP),
			want: []Request{traffic(30080, tcp(0, 80), udp(1, 81))},
		},
		{
			name: "a protocol that is left out is TCP",
			svc:  MakeService("a/b").NodePort(80, 0, func(p *corev1.ServicePort) { p.Protocol = "" }),
			want: []Request{traffic(0, tcp(0, 80))},
		},
		{
			name: "entries keep their names",
			svc:  MakeService("a/b").NodePort(80, 30080, Named("http")),
			want: []Request{traffic(30080, Port{Index: 0, Name: "http", Port: 80, Protocol: corev1.ProtocolTCP})},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Requests(tc.svc.Obj())); diff != "" {
				t.Errorf("Requests() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStoredShowsEveryNumberWhateverTheType(t *testing.T) {
	svc := MakeService("a/b").NodePort(80, 30080).NodePort(81, 0).NodePort(80, 30080, UDP).HealthCheck(32000)
	want := []Request{traffic(30080, tcp(0, 80), udp(2, 80)), {Role: HealthCheck, NodePort: 32000}}
	for _, typ := range []corev1.ServiceType{
		corev1.ServiceTypeExternalName, corev1.ServiceTypeClusterIP, corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer,
	} {
		t.Run(string(typ), func(t *testing.T) {
			if diff := cmp.Diff(want, Stored(svc.Type(typ).Obj())); diff != "" {
				t.Errorf("Stored() (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSetWritesANumberToEveryEntryThatSharesIt(t *testing.T) {
	svc := MakeService("a/b").LoadBalancer().LocalTraffic().Port(53).Port(80).Port(53, UDP).Obj()
	requests := Requests(svc)
	for i := range requests {
		requests[i].NodePort = 30000 + int32(i)
	}
	Set(svc, requests)

	want := MakeService("a/b").LoadBalancer().LocalTraffic().HealthCheck(30002).
		NodePort(53, 30000).NodePort(80, 30001).NodePort(53, 30000, UDP).Obj()
	if diff := cmp.Diff(want, svc); diff != "" {
		t.Errorf("Service (-want +got):\n%s", diff)
	}
}

func TestNumbersAreSortedAndDistinctAndNotZero(t *testing.T) {
	svc := MakeService("a/b").LoadBalancer().LocalTraffic().HealthCheck(30001).
		NodePort(80, 30080).NodePort(81, 30001).NodePort(82, 0)
	if diff := cmp.Diff([]int32{30001, 30080}, Numbers(Requests(svc.Obj()))); diff != "" {
		t.Errorf("Numbers() (-want +got):\n%s", diff)
	}
}

func TestPathIsTheFirstEntryThatCarriesTheNumber(t *testing.T) {
	for _, tc := range []struct {
		name    string
		request Request
		want    string
	}{
		{"of one entry", traffic(30080, tcp(2, 80)), "spec.ports[2].nodePort"},
		{"of several", traffic(30053, tcp(1, 53), udp(3, 53)), "spec.ports[1].nodePort"},
		{"of the health check", Request{Role: HealthCheck}, "spec.healthCheckNodePort"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := tc.request.Path().String(); got != tc.want {
				t.Errorf("Path() = %s, want %s", got, tc.want)
			}
		})
	}
}

func TestUsesAreTheNumbersOfAServiceByProtocol(t *testing.T) {
	svc := MakeService("a/b").LoadBalancer().LocalTraffic().HealthCheck(32000).
		NodePort(53, 30053, Named("dns")).Port(53, UDP, Named("dns-udp")).Port(80, Named("open")).Obj()
	want := []Use{
		{Traffic, corev1.ProtocolTCP, 30053, "dns"}, {Traffic, corev1.ProtocolUDP, 30053, "dns-udp"},
		{HealthCheck, corev1.ProtocolTCP, 32000, ""},
	}
	if diff := cmp.Diff(want, Uses(svc)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
