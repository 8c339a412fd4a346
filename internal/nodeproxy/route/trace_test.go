package route

import (
	"maps"
	"net/netip"
	"testing"
	"time"

	"gotest.tools/v3/golden"
	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/selection"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// network is the node's part of the network that the town's cases speak of.
var network = Network{
	NodePortIPs:  ips("192.168.0.1", "fd00:192:168::1"),
	ServiceCIDRs: prefixes("10.96.0.0/16", "fd00:96::/112"),
	Pods:         prefixes("10.244.1.0/24", "fd00:244:1::/64"),
}

// town is a node with a Service of each sort: pods 10.244.1.* are its own, 10.244.2.* another's.
func town(t *testing.T) *world {
	w := newWorld(t)
	w.do(w.planner.SetNetwork(network))
	both := func(service string) []*st.Slice {
		return []*st.Slice{
			st.MakeSlice(service, "a").Port("http", 8080).Port("dns", 5353, st.UDP).Port("sigtran", 2905, st.SCTP).
				Endpoint("10.244.1.2", st.OnNode("node-1")).Endpoint("10.244.2.2", st.OnNode("node-2")),
			st.MakeSlice(service, "b").IPv6().Port("http", 8080).
				Endpoint("fd00:244:1::2", st.OnNode("node-1")).Endpoint("fd00:244:2::2", st.OnNode("node-2")),
		}
	}
	away := func(service string) *st.Slice {
		return st.MakeSlice(service, "a").Port("http", 8080).Endpoint("10.244.2.3", st.OnNode("node-2"))
	}
	external := func(name string, n int, clusterIP string) *st.Service {
		return st.MakeService(name).ClusterIPs(clusterIP).LoadBalancer().NodePort(80, int32(30000+n), st.Named("http"))
	}
	w.serve(external("shop/web", 10, "10.96.0.10").ClusterIPs("10.96.0.10", "fd00:96::10").
		Ingress("203.0.113.10", "2001:db8::10").ExternalIPs("192.0.2.10"), both("shop/web")...)
	w.serve(external("shop/local", 20, "10.96.0.20").LocalTraffic().Ingress("203.0.113.20"), both("shop/local")...)
	w.serve(external("shop/away", 30, "10.96.0.30").LocalTraffic().LocalInternalTraffic().Ingress("203.0.113.30"), away("shop/away"))
	w.serve(external("shop/empty", 40, "10.96.0.40").LocalTraffic().Ingress("203.0.113.40"))
	w.serve(external("shop/limited", 50, "10.96.0.50").Ingress("203.0.113.50").SourceRanges("198.51.100.0/24", "192.168.0.0/24", "10.244.1.2/32"),
		both("shop/limited")...)
	w.serve(st.MakeService("shop/sticky").ClusterIPs("10.96.0.60").NodePort(80, 30060, st.Named("http")).Affinity(3*time.Hour), both("shop/sticky")...)
	w.serve(st.MakeService("shop/dns").ClusterIPs("10.96.0.70").NodePort(53, 30070, st.UDP, st.Named("dns")).
		Port(2905, st.SCTP, st.Named("sigtran")), both("shop/dns")...)
	w.do(w.planner.Prune())
	return w
}

func TestAPacketGoesWhereItsFrontendAndItsSourceSay(t *testing.T) {
	table := town(t).table
	const (
		pod, otherPod, node, outside = "10.244.1.9", "10.244.2.9", "192.168.0.1", "198.51.100.9"
		balanced                     = "sent to 10.244.1.2:8080, 10.244.2.2:8080"
		masqueraded                  = "sent to 10.244.1.2:8080 (masqueraded), 10.244.2.2:8080 (masqueraded)"
	)
	for _, tc := range []struct{ name, source, destination, want string }{
		{"pod to cluster IP", pod, "10.96.0.10:80", balanced},
		{"pod of another node to cluster IP", otherPod, "10.96.0.10:80", masqueraded},
		{"node to cluster IP", node, "10.96.0.10:80", masqueraded},
		{"outside to cluster IP", outside, "10.96.0.10:80", masqueraded},
		{"endpoint to cluster IP, to itself perhaps", "10.244.1.2", "10.96.0.10:80", "sent to 10.244.1.2:8080 (masqueraded), 10.244.2.2:8080"},
		{"unused port of a cluster IP", pod, "10.96.0.10:81", "refused"},
		{"unused protocol of a cluster IP", pod, "udp 10.96.0.10:80", "refused"},
		{"unallocated cluster IP", pod, "10.96.0.11:80", "dropped"},
		{"unallocated cluster IP, from the node", node, "10.96.0.11:80", "dropped"},
		{"any other address", pod, "192.0.2.99:80", "passed"},

		{"outside to node port", outside, "192.168.0.1:30010", masqueraded},
		{"pod to node port", pod, "192.168.0.1:30010", masqueraded},
		{"node to node port", node, "192.168.0.1:30010", masqueraded},
		{"node port on an address that serves none", outside, "192.168.0.2:30010", "passed"},
		{"node port on localhost", node, "127.0.0.1:30010", "passed"},
		{"node port of another protocol", outside, "udp 192.168.0.1:30010", "passed"},
		{"a port that is no node port", outside, "192.168.0.1:22", "passed"},
		{"outside to load balancer IP", outside, "203.0.113.10:80", masqueraded},
		{"outside to external IP", outside, "192.0.2.10:80", masqueraded},
		{"unused port of a load balancer IP", outside, "203.0.113.10:81", "passed"},

		{"Local policy: outside to node port", outside, "192.168.0.1:30020", "sent to 10.244.1.2:8080"},
		{"Local policy: pod of another node to node port", otherPod, "192.168.0.1:30020", "sent to 10.244.1.2:8080"},
		{"Local policy: pod to node port", pod, "192.168.0.1:30020", balanced},
		{"Local policy: node to node port", node, "192.168.0.1:30020", masqueraded},
		{"Local policy: endpoint to node port", "10.244.1.2", "192.168.0.1:30020", "sent to 10.244.1.2:8080 (masqueraded), 10.244.2.2:8080"},
		{"Local policy: outside to load balancer IP", outside, "203.0.113.20:80", "sent to 10.244.1.2:8080"},
		{"Local policy: pod to load balancer IP", pod, "203.0.113.20:80", balanced},
		{"Local policy: node to load balancer IP", node, "203.0.113.20:80", masqueraded},
		{"Local policy: pod to cluster IP", pod, "10.96.0.20:80", balanced},

		{"Local policies, none here: pod to cluster IP", pod, "10.96.0.30:80", "dropped"},
		{"Local policies, none here: node to cluster IP", node, "10.96.0.30:80", "dropped"},
		{"Local policies, none here: outside to node port", outside, "192.168.0.1:30030", "dropped"},
		{"Local policies, none here: pod to node port", pod, "192.168.0.1:30030", "sent to 10.244.2.3:8080"},
		{"Local policies, none here: node to load balancer IP", node, "203.0.113.30:80", "sent to 10.244.2.3:8080 (masqueraded)"},

		{"no endpoint: cluster IP", pod, "10.96.0.40:80", "refused"},
		{"no endpoint: outside to node port", outside, "192.168.0.1:30040", "refused"},
		{"no endpoint: node to node port", node, "192.168.0.1:30040", "refused"},
		{"no endpoint: pod to load balancer IP", pod, "203.0.113.40:80", "refused"},

		{"source ranges: admitted", outside, "203.0.113.50:80", masqueraded},
		{"source ranges: not admitted", "203.0.113.99", "203.0.113.50:80", "dropped"},
		{"source ranges: pods are not admitted either", pod, "203.0.113.50:80", "dropped"},
		{"source ranges: unless they are named", "10.244.1.2", "203.0.113.50:80", masqueraded},
		{"source ranges: the node admitted, by the IP itself", "203.0.113.50", "203.0.113.50:80", masqueraded},
		{"source ranges do not limit the node port", "203.0.113.99", "192.168.0.1:30050", masqueraded},
		{"source ranges do not limit the cluster IP", pod, "10.96.0.50:80", balanced},

		{"session affinity balances the first time", pod, "10.96.0.60:80", balanced},
		{"session affinity at the node port", outside, "192.168.0.1:30060", masqueraded},

		{"UDP to cluster IP", pod, "udp 10.96.0.70:53", "sent to 10.244.1.2:5353, 10.244.2.2:5353"},
		{"UDP to node port", outside, "udp 192.168.0.1:30070", "sent to 10.244.1.2:5353 (masqueraded), 10.244.2.2:5353 (masqueraded)"},
		{"SCTP to cluster IP", pod, "sctp 10.96.0.70:2905", "sent to 10.244.1.2:2905, 10.244.2.2:2905"},

		{"IPv6: pod to cluster IP", "fd00:244:1::9", "[fd00:96::10]:80", "sent to [fd00:244:1::2]:8080, [fd00:244:2::2]:8080"},
		{"IPv6: outside to cluster IP", "2001:db8::9", "[fd00:96::10]:80", "sent to [fd00:244:1::2]:8080 (masqueraded), [fd00:244:2::2]:8080 (masqueraded)"},
		{"IPv6: outside to node port", "2001:db8::9", "[fd00:192:168::1]:30010", "sent to [fd00:244:1::2]:8080 (masqueraded), [fd00:244:2::2]:8080 (masqueraded)"},
		{"IPv6: node port of a Service without IPv6", "2001:db8::9", "[fd00:192:168::1]:30020", "passed"},
		{"IPv6: unallocated cluster IP", "fd00:244:1::9", "[fd00:96::11]:80", "dropped"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := trace(table, packet(tc.source, tc.destination))
			if got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestWhoIsInsideIsForTheNetworkAndTheRulesToSay(t *testing.T) {
	const balanced, masqueraded = "sent to 10.244.1.2:8080, 10.244.2.2:8080", "sent to 10.244.1.2:8080 (masqueraded), 10.244.2.2:8080 (masqueraded)"
	w := town(t)
	byAddress := maps.Clone(w.table)
	w.do(w.planner.SetNetwork(Network{NodePortIPs: network.NodePortIPs}))
	unknown := maps.Clone(w.table)
	w.do(w.planner.SetNetwork(Network{NodePortIPs: network.NodePortIPs, PodInterfaces: []string{"veth*", "cni0"}}))
	byInterface := w.table
	for _, tc := range []struct {
		name                        string
		table                       nft.Table
		source, device, destination string
		rules                       nft.Rules
		want                        string
	}{
		{"unknown: pod to cluster IP", unknown, "10.244.1.9", "veth1", "10.96.0.10:80", nft.Rules{IPv4: nft.MasqueradeNone}, balanced},
		{"unknown: outside to cluster IP", unknown, "198.51.100.9", "eth0", "10.96.0.10:80", nft.Rules{IPv4: nft.MasqueradeNone}, balanced},
		{"unknown: pod to node port of Local policy", unknown, "10.244.1.9", "veth1", "192.168.0.1:30020", nft.Rules{IPv4: nft.MasqueradeNone}, "sent to 10.244.1.2:8080"},
		{"unknown: node to node port of Local policy", unknown, "192.168.0.1", "", "192.168.0.1:30020", nft.Rules{IPv4: nft.MasqueradeNone}, masqueraded},
		{"by interface: pod of any address", byInterface, "172.16.0.9", "veth1", "192.168.0.1:30020", nft.Rules{}, balanced},
		{"by interface: pod behind a bridge", byInterface, "172.16.0.9", "cni0", "10.96.0.10:80", nft.Rules{}, balanced},
		{"by interface: a name that only begins like a bridge's", byInterface, "172.16.0.9", "cni01", "10.96.0.10:80", nft.Rules{}, masqueraded},
		{"by interface: a pod's address on another interface", byInterface, "10.244.1.9", "eth0", "10.96.0.10:80", nft.Rules{}, masqueraded},
		{"by interface: node to cluster IP", byInterface, "192.168.0.1", "", "10.96.0.10:80", nft.Rules{}, masqueraded},
		{"by address: pod on any interface", byAddress, "10.244.1.9", "eth0", "10.96.0.10:80", nft.Rules{}, balanced},
		{"masquerade all: pod to cluster IP", byAddress, "10.244.1.9", "veth1", "10.96.0.10:80", nft.Rules{IPv4: nft.MasqueradeAll}, masqueraded},
		{"masquerade all: pod to node port of Local policy", byAddress, "10.244.1.9", "veth1", "192.168.0.1:30020", nft.Rules{IPv4: nft.MasqueradeAll}, balanced},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := packet(tc.source, tc.destination)
			p.Interface = tc.device
			if got := tc.table.Trace(p, tc.rules).String(); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// packet is one to "protocol address:port", TCP where none is said. The node's own come from the node.
func packet(source, destination string) nft.Packet {
	p := nft.Packet{Interface: "eth0", From: ip(source), Protocol: nft.TCP}
	for name, protocol := range map[string]nft.Protocol{"udp ": nft.UDP, "sctp ": nft.SCTP} {
		if len(destination) > len(name) && destination[:len(name)] == name {
			p.Protocol, destination = protocol, destination[len(name):]
		}
	}
	p.To = netip.MustParseAddrPort(destination)
	if p.From == thisNode.IPs[0] {
		p.Interface = ""
	}
	return p
}

func TestTheTableReadsAsInTheGoldenFile(t *testing.T) {
	golden.Assert(t, town(t).table.Canonical().String(), "town.golden")
}

func TestWithAnotherProxyBesideOnlyWhatIsOursIsRefused(t *testing.T) {
	w := newWorld(t)
	w.do(w.planner.SetNetwork(Network{}))
	labelled := selection.Selection{Mode: v1alpha1.ProxyModeLabelled, ProxyName: "portolan"}
	for name, svc := range map[string]*st.Service{
		"shop/ours":   st.MakeService("shop/ours").ClusterIPs("10.96.0.10").Port(80).Label(v1alpha1.ServiceProxyNameLabel, "portolan"),
		"shop/theirs": st.MakeService("shop/theirs").ClusterIPs("10.96.0.20").Type(corev1.ServiceTypeNodePort).NodePort(80, 30080),
	} {
		w.set(name, Service(svc.Obj(), nil, thisNode, labelled))
	}
	for destination, want := range map[string]string{"10.96.0.10:80": "refused", "10.96.0.10:81": "refused", "10.96.0.20:80": "passed", "10.96.0.21:80": "passed"} {
		if got := w.trace("10.244.1.9", destination); got != want {
			t.Errorf("%s: got %s, want %s", destination, got, want)
		}
	}
}
