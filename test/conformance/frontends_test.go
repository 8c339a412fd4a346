package conformance

import (
	corev1 "k8s.io/api/core/v1"

	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
	"github.com/portolan-dev/portolan/test/proxysite"
)

// everywhere is a Service with an address of each kind.
func everywhere() *st.Service { return web().LoadBalancer().ExternalIPs(external1).Ingress(balancer1) }

// Which addresses and ports lead to a Service.
var frontends = []behaviour{
	{
		name:  "a cluster IP leads to every ready endpoint",
		given: []object{with(web(), pods("local1", "local2", "remote1"), unready("local3", "remote2"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), want: "local1, local2, remote1"},
			{from: "node", to: clusterIP("web", 80), want: "local1, local2, remote1"},
			{from: "client", to: clusterIP("web", 80), want: "local1, local2, remote1 masqueraded"},
		},
	},
	{
		name:  "external addresses and node ports lead to every ready endpoint, and hide who asks",
		given: []object{with(everywhere(), pods("local1", "remote1"))},
		probes: []probe{
			{from: "client", to: nodePort("web", 80), want: "local1, remote1 masqueraded"},
			{from: "client", to: at(external1, 80), want: "local1, remote1 masqueraded"},
			{from: "client", to: at(balancer1, 80), want: "local1, remote1 masqueraded"},
			{from: "local3", to: nodePort("web", 80), want: "local1, remote1 masqueraded"},
			{from: "local3", to: at(external1, 80), want: "local1, remote1 masqueraded"},
			{from: "local3", to: at(balancer1, 80), want: "local1, remote1 masqueraded"},
			{from: "remote3", to: nodePort("web", 80), want: "local1, remote1 masqueraded"},
			{from: "other", to: nodePort("web", 80), want: "local1, remote1 masqueraded"},
			{from: "node", to: nodePort("web", 80), want: "local1, remote1"},
			{from: "node", to: at(external1, 80), want: "local1, remote1"},
			{from: "node", to: at(balancer1, 80), want: "local1, remote1"},
		},
	},
	{
		name:  "pods in the nodes' network are endpoints like others",
		given: []object{with(web(), pods("node", "other"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), want: "node, other"},
			{from: "node", to: clusterIP("web", 80), want: "node, other"},
			// Nothing hides from the node itself.
			{from: "client", to: clusterIP("web", 80), want: "node; other masqueraded"},
			{from: "client", to: nodePort("web", 80), want: "node; other masqueraded"},
		},
	},
	{
		name: "one number can be two ports, of TCP and of UDP",
		given: []object{with(bare("web").
			NodePort(80, 0, st.Named("stream"), st.Target(proxysite.PodPort)).
			NodePort(80, 0, st.Named("packets"), st.UDP, st.Target(proxysite.OtherPort)), pods("local1"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), over: overTCP, want: "local1"},
			{from: "local3", to: clusterIP("web", 80), over: overUDP, want: "local1-other"},
			{from: "client", to: nodePort("web", 80), over: overTCP, want: "local1 masqueraded"},
			{from: "client", to: nodePort("web", 80), over: overUDP, want: "local1-other masqueraded"},
		},
	},
	{
		name: "SCTP has frontends like TCP and UDP",
		given: []object{
			with(bare("web").LoadBalancer().ExternalIPs(external1).NodePort(80, 0, st.Named("sctp"), st.SCTP, st.Target(proxysite.PodPort)), pods("local1", "local2")),
			with(bare("none").NodePort(80, 0, st.Named("sctp"), st.SCTP, st.Target(proxysite.PodPort))),
		},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), over: overSCTP, want: "local1, local2"},
			{from: "node", to: clusterIP("web", 80), over: overSCTP, want: "local1, local2"},
			{from: "client", to: nodePort("web", 80), over: overSCTP, want: "local1, local2 masqueraded"},
			{from: "client", to: at(external1, 80), over: overSCTP, want: "local1, local2 masqueraded"},
			{from: "neighbour", to: clusterIP("none", 80), over: overSCTP, want: refused},
			{from: "neighbour", to: nodePort("none", 80), over: overSCTP, want: refused},
		},
	},
	{
		name: "a Service of one family is served in that one",
		given: []object{
			with(service("four").Families(corev1.IPv4Protocol), pods("local1")),
			with(service("six").Families(corev1.IPv6Protocol), pods("local1")),
		},
		probes: []probe{
			{from: "local3", to: clusterIP("four", 80), over: overIPv4, want: "local1"},
			{from: "client", to: nodePort("four", 80), over: overIPv4, want: "local1 masqueraded"},
			{from: "client", to: nodePort("four", 80), over: overIPv6, want: refused},
			{from: "local3", to: clusterIP("six", 80), over: overIPv6, want: "local1"},
			{from: "client", to: nodePort("six", 80), over: overIPv6, want: "local1 masqueraded"},
			{from: "client", to: nodePort("six", 80), over: overIPv4, want: refused},
		},
	},
	{
		name:  "each family has its own endpoints",
		given: []object{with(web(), inFamily("IPv4", "local1"), inFamily("IPv6", "local2"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), over: overIPv4, want: "local1"},
			{from: "local3", to: clusterIP("web", 80), over: overIPv6, want: "local2"},
		},
	},
	{
		name: "a load balancer's address of mode Proxy is none of the node's",
		given: []object{with(web().LoadBalancer().
			IngressMode(corev1.LoadBalancerIPModeProxy, balancer1).IngressMode(corev1.LoadBalancerIPModeVIP, balancer2), pods("local1"))},
		probes: []probe{
			{from: "client", to: at(balancer2, 80), want: "local1 masqueraded"},
		},
		then: []step{{
			name:   "where it is the client's",
			change: theClients(balancer1),
			probes: []probe{
				{from: "neighbour", to: at(balancer1, 80), over: overUDP, want: "client"},
				{from: "local3", to: at(balancer1, 80), want: "client"},
				{from: "node", to: at(balancer1, 80), want: "client"},
			},
		}},
	},
	{
		name:  "source ranges guard the load balancer's address, and no other",
		given: []object{with(everywhere().SourceRanges("client", "local3"), pods("local1"))},
		probes: []probe{
			{from: "client", to: at(balancer1, 80), want: "local1 masqueraded"},
			{from: "neighbour", to: at(balancer1, 80), want: silent},
			{from: "local3", to: at(balancer1, 80), want: "local1 masqueraded"},
			{from: "local2", to: at(balancer1, 80), want: silent},
			{from: "node", to: at(balancer1, 80), want: silent},
			{from: "neighbour", to: at(external1, 80), want: "local1 masqueraded"},
			{from: "neighbour", to: nodePort("web", 80), want: "local1 masqueraded"},
			{from: "local2", to: clusterIP("web", 80), want: "local1"},
		},
		then: []step{
			{
				name:   "once it is another range",
				change: put(with(everywhere().SourceRanges("neighbour", "node"), pods("local1"))),
				probes: []probe{
					{from: "client", to: at(balancer1, 80), want: silent},
					{from: "neighbour", to: at(balancer1, 80), want: "local1 masqueraded"},
					{from: "node", to: at(balancer1, 80), want: "local1"},
				},
			},
			{
				name:   "once there are none",
				change: put(with(everywhere(), pods("local1"))),
				probes: []probe{
					{from: "client", to: at(balancer1, 80), want: "local1 masqueraded"},
					{from: "node", to: at(balancer1, 80), want: "local1"},
				},
			},
		},
	},
	{
		name:  "source ranges hold under a policy of Local",
		given: []object{with(everywhere().LocalTraffic().SourceRanges("client"), pods("local1", "remote1"))},
		probes: []probe{
			{from: "client", to: at(balancer1, 80), want: "local1"},
			{from: "neighbour", to: at(balancer1, 80), want: silent},
			{from: "local2", to: at(balancer1, 80), want: silent},
			{from: "neighbour", to: nodePort("web", 80), want: "local1"},
		},
	},
	{
		name:  "what a Service gives up is closed",
		given: []object{with(everywhere(), pods("local1"))},
		probes: []probe{
			{from: "client", to: at(external1, 80), want: "local1 masqueraded"},
		},
		then: []step{
			{
				name:   "once it has other addresses",
				change: put(with(web().LoadBalancer().ExternalIPs(external2).Ingress(balancer2), pods("local1"))),
				probes: []probe{
					{from: "client", to: at(external1, 80), want: silent},
					{from: "client", to: at(balancer1, 80), want: silent},
					{from: "client", to: at(external2, 80), want: "local1 masqueraded"},
					{from: "client", to: at(balancer2, 80), want: "local1 masqueraded"},
					{from: "client", to: nodePort("web", 80), want: "local1 masqueraded"},
				},
			},
			{
				name:   "once it has another port",
				change: put(with(bare("web").NodePort(81, 0, st.Named("tcp"), st.Target(proxysite.PodPort)).NodePort(81, 0, st.Named("udp"), st.UDP, st.Target(proxysite.PodPort)), pods("local1"))),
				probes: []probe{
					{from: "local3", to: clusterIP("web", 81), want: "local1"},
					{from: "local3", to: clusterIP("web", 80), want: refused},
					{from: "client", to: at(external2, 80), want: silent},
				},
			},
			{
				name:   "once it is a cluster IP only",
				change: put(with(bare("web").Port(80, st.Named("tcp"), st.Target(proxysite.PodPort)).Port(80, st.Named("udp"), st.UDP, st.Target(proxysite.PodPort)), pods("local1"))),
				probes: []probe{
					{from: "local3", to: clusterIP("web", 80), want: "local1"},
					{from: "client", to: nodePort("web", 81), want: refused},
				},
			},
		},
	},
	{
		name:  "a Service that goes leaves nothing",
		given: []object{with(everywhere(), pods("local1"))},
		then: []step{{
			change: away("web"),
			name:   "once it has gone",
			probes: []probe{
				{from: "client", to: clusterIP("web", 80), want: silent},
				{from: "local3", to: clusterIP("web", 80), want: silent},
				{from: "client", to: nodePort("web", 80), want: refused},
				{from: "client", to: at(external1, 80), want: silent},
				{from: "client", to: at(balancer1, 80), want: silent},
			},
		}},
	},
	{
		name:  "another target port is another place to go",
		given: []object{with(web(), pods("local1", "remote1"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), want: "local1, remote1"},
		},
		then: []step{{
			name: "once it has changed",
			change: put(with(bare("web").NodePort(80, 0, st.Named("tcp"), st.Target(proxysite.OtherPort)).
				NodePort(80, 0, st.Named("udp"), st.UDP, st.Target(proxysite.OtherPort)), pods("local1", "remote1"))),
			probes: []probe{
				{from: "local3", to: clusterIP("web", 80), want: "local1-other, remote1-other"},
				{from: "client", to: nodePort("web", 80), want: "local1-other, remote1-other masqueraded"},
			},
		}},
	},
	{
		name: "ports are known by their names",
		given: []object{with(bare("web").NodePort(80, 0, st.Named("one"), st.Target(proxysite.PodPort)).
			NodePort(81, 0, st.Named("two"), st.Target(proxysite.OtherPort)), pods("local1"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), over: overTCP, want: "local1"},
			{from: "local3", to: clusterIP("web", 81), over: overTCP, want: "local1-other"},
		},
		then: []step{{
			name: "once they have changed places",
			change: put(with(bare("web").NodePort(80, 0, st.Named("two"), st.Target(proxysite.OtherPort)).
				NodePort(81, 0, st.Named("one"), st.Target(proxysite.PodPort)), pods("local1"))),
			probes: []probe{
				{from: "local3", to: clusterIP("web", 80), over: overTCP, want: "local1-other"},
				{from: "local3", to: clusterIP("web", 81), over: overTCP, want: "local1"},
			},
		}},
	},
	{
		name:  "a node port is at the node's primary addresses",
		given: []object{with(web(), pods("local1"))},
		probes: []probe{
			{from: "client", to: nodePort("web", 80), want: "local1 masqueraded"},
			{from: "client", to: nodePortAt(second, "web", 80), want: refused},
			{from: "node", to: nodePortAt(loopback, "web", 80), want: refused},
			{from: "local3", to: nodePortAt("other", "web", 80), want: refused},
		},
	},
	{
		name:   "node ports are at the addresses that the proxy is told",
		config: proxysite.Config{NodePortAddresses: secondOnly},
		given:  []object{with(web(), pods("local1"))},
		probes: []probe{
			{from: "client", to: nodePort("web", 80), want: refused},
			{from: "client", to: nodePortAt(second, "web", 80), want: "local1 masqueraded"},
			{from: "local3", to: nodePortAt(second, "web", 80), want: "local1 masqueraded"},
			{from: "node", to: nodePortAt(second, "web", 80), want: "local1"},
		},
	},
	{
		name:   "node ports follow the node's addresses",
		config: proxysite.Config{NodePortAddresses: secondOnly},
		alone:  true,
		given:  []object{with(web(), pods("local1"))},
		probes: []probe{
			{from: "client", to: nodePortAt(third, "web", 80), want: silent},
		},
		then: []step{
			{
				name:   "once an address has come",
				change: addressCame,
				probes: []probe{
					{from: "client", to: nodePortAt(third, "web", 80), want: "local1 masqueraded", eventually: true},
					{from: "client", to: nodePortAt(second, "web", 80), want: "local1 masqueraded"},
				},
			},
			{
				name:   "once it has gone",
				change: addressWent,
				probes: []probe{
					{from: "client", to: nodePortAt(third, "web", 80), want: silent},
					{from: "client", to: nodePortAt(second, "web", 80), want: "local1 masqueraded"},
				},
			},
		},
	},
	{
		name:  "node ports follow the Node's primary address",
		of:    ours, // kube-proxy ends when it changes, and expects to be started again
		alone: true,
		given: []object{with(web(), pods("local1"))},
		then: []step{{
			name:   "once it is another",
			change: anotherPrimaryAddress,
			probes: []probe{
				{from: "client", to: nodePortAt(second, "web", 80), want: "local1 masqueraded", eventually: true},
				{from: "client", to: nodePort("web", 80), want: refused, eventually: true},
			},
		}},
	},
	{
		name:   "node ports are at the loopback where the proxy is told so",
		config: proxysite.Config{Localhost: true},
		given:  []object{with(web(), pods("local1", "remote1"))},
		probes: []probe{
			{from: "node", to: nodePortAt(loopback, "web", 80), over: overTCP, want: "local1, remote1"},
			{from: "node", to: nodePortAt(loopback, "web", 80), over: overUDP, want: refused},
		},
	},
	{
		name: "Services without a cluster IP are none of the proxy's",
		given: []object{
			with(web().Type(corev1.ServiceTypeClusterIP).ClusterIPs(corev1.ClusterIPNone).ExternalIPs(external1), pods("local1")),
			with(service("elsewhere").Type(corev1.ServiceTypeExternalName).ExternalIPs(external2)),
		},
		probes: []probe{
			{from: "client", to: at(external1, 80), want: silent},
			{from: "client", to: at(external2, 80), want: silent},
		},
		then: []step{{
			name:   "where their addresses are the client's",
			change: theClients(external1, external2),
			probes: []probe{
				{from: "neighbour", to: at(external1, 80), over: overUDP, want: "client"},
				{from: "neighbour", to: at(external2, 80), over: overUDP, want: "client"},
				{from: "local3", to: at(external1, 80), want: "client"},
				{from: "node", to: at(external2, 80), want: "client"},
			},
		}},
	},
	{
		name:  "two Services with one external address",
		alone: true,
		given: []object{with(service("older").ExternalIPs(external1), pods("local1"))},
		probes: []probe{
			{from: "client", to: at(external1, 80), want: "local1 masqueraded"},
		},
		then: []step{
			{
				name:   "once both have it",
				change: inTurn(pass(secondOfTimestamps), put(with(service("newer").ExternalIPs(external1), pods("local2")))),
				probes: []probe{
					{from: "client", to: at(external1, 80), want: "local1 masqueraded"},
					{from: "client", to: nodePort("newer", 80), want: "local2 masqueraded"},
				},
			},
			{
				name:   "once the older one has gone",
				change: away("older"),
				probes: []probe{
					{from: "client", to: at(external1, 80), want: "local2 masqueraded"},
				},
			},
		},
	},
}
