package conformance

import (
	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/test/proxysite"
)

const proxyName = v1alpha1.ServiceProxyNameLabel

// Which Services a proxy serves.
var selections = []behaviour{
	{
		name: "Services of another proxy are left alone",
		given: []object{
			with(everywhere().Label(proxyName, "other"), pods("local1")),
			with(service("plain"), pods("local1")),
		},
		probes: []probe{
			{from: "client", to: nodePort("web", 80), want: refused},
			{from: "client", to: at(external1, 80), want: silent},
			{from: "client", to: at(balancer1, 80), want: silent},
			{from: "local3", to: clusterIP("web", 80), want: silent},
			{from: "client", to: nodePort("plain", 80), want: "local1 masqueraded"},
		},
		then: []step{
			{
				name:   "once the label has gone",
				change: put(with(everywhere(), pods("local1"))),
				probes: []probe{
					{from: "client", to: nodePort("web", 80), want: "local1 masqueraded"},
					{from: "local3", to: clusterIP("web", 80), want: "local1"},
				},
			},
			{
				name:   "once it is there again",
				change: put(with(everywhere().Label(proxyName, "other"), pods("local1"))),
				probes: []probe{
					{from: "client", to: nodePort("web", 80), want: refused},
					{from: "client", to: at(external1, 80), want: silent},
				},
			},
			{
				name:   "where its addresses are the client's",
				change: theClients(external1, balancer1, "cluster IP of web"),
				probes: []probe{
					{from: "neighbour", to: at(external1, 80), over: overUDP, want: "client"},
					{from: "neighbour", to: at(balancer1, 80), over: overUDP, want: "client"},
					{from: "local3", to: at(external1, 80), want: "client"},
					{from: "local3", to: clusterIP("web", 80), want: silent},
				},
			},
		},
	},
	{
		name:  "Services that are labelled as ours are served where all are",
		given: []object{with(everywhere().Label(proxyName, "portolan"), pods("local1"))},
		probes: []probe{
			{from: "client", to: nodePort("web", 80), want: "local1 masqueraded"},
			{from: "local3", to: clusterIP("web", 80), want: "local1"},
		},
	},
	{
		name:   "other Services' packets pass where labelled ones are served",
		of:     ours,
		config: proxysite.Config{Services: "labelled"},
		alone:  true,
		given:  []object{with(everywhere(), pods("local1"))},
		then: []step{{
			name:   "where its addresses are the client's",
			change: theClients(external1, balancer1, "cluster IP of web", unallocated),
			probes: []probe{
				{from: "neighbour", to: at(external1, 80), over: overUDP, want: "client"},
				{from: "neighbour", to: at(balancer1, 80), over: overUDP, want: "client"},
				{from: "neighbour", to: clusterIP("web", 80), over: overUDP, want: "client"},
				{from: "local3", to: at(external1, 80), want: "client"},
				{from: "local3", to: clusterIP("web", 80), want: "client"},
				{from: "node", to: clusterIP("web", 80), want: "client"},
				{from: "local3", to: at(unallocated, 80), want: "client"},
			},
		}},
	},
	labelledOnly("labelled Services only are served where the proxy is told so", "", refused, silent),
	labelledOnly("labelled Services are served beside kube-proxy in nftables mode", proxysite.KubeProxyNFTables, "local1 masqueraded", "local1"),
	labelledOnly("labelled Services are served beside kube-proxy in iptables mode", proxysite.KubeProxyIPTables, "local1 masqueraded", "local1"),
}

// labelledOnly is a case with a labelled Service, and another one whose node port and cluster IP do that.
func labelledOnly(name string, beside proxysite.Kind, otherNodePort, otherClusterIP string) behaviour {
	labelled := everywhere().Label(proxyName, "portolan")
	return behaviour{
		name: name, of: ours, config: proxysite.Config{Services: "labelled"}, beside: beside,
		given: []object{
			with(labelled, pods("local1", "remote1")),
			with(service("plain"), pods("local1")),
			with(service("others").Label(proxyName, "other"), pods("local1")),
		},
		probes: []probe{
			{from: "client", to: nodePort("web", 80), want: "local1, remote1 masqueraded"},
			{from: "client", to: at(external1, 80), want: "local1, remote1 masqueraded"},
			{from: "client", to: clusterIP("web", 80), want: "local1, remote1 masqueraded"},
			{from: "local3", to: clusterIP("web", 80), want: "local1, remote1"},
			{from: "local1", to: clusterIP("web", 80), want: "remote1; local1 masqueraded"},
			{from: "node", to: clusterIP("web", 80), want: "local1, remote1"},
			{from: "client", to: nodePort("plain", 80), want: otherNodePort},
			{from: "local3", to: clusterIP("plain", 80), want: otherClusterIP},
			{from: "client", to: nodePort("others", 80), want: refused},
		},
		then: []step{
			{
				name:   "without an endpoint",
				change: put(with(labelled)),
				probes: []probe{
					{from: "client", to: nodePort("web", 80), want: refused},
					{from: "local3", to: clusterIP("web", 80), want: refused},
				},
			},
			{
				name:   "under a policy of Local",
				change: put(with(everywhere().LocalTraffic().Label(proxyName, "portolan"), pods("local1", "remote1"))),
				probes: []probe{
					{from: "client", to: nodePort("web", 80), want: "local1"},
					{from: "client", to: at(external1, 80), want: "local1"},
				},
			},
		},
	}
}
