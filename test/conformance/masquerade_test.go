package conformance

import "github.com/portolan-dev/portolan/test/proxysite"

// Whom endpoints see.
var masquerading = []behaviour{
	{
		name:  "a pod that meets itself through a Service sees the node",
		given: []object{with(everywhere(), pods("local1", "local2"))},
		probes: []probe{
			{from: "local1", to: clusterIP("web", 80), want: "local2; local1 masqueraded"},
			{from: "local2", to: clusterIP("web", 80), want: "local1; local2 masqueraded"},
			{from: "local1", to: nodePort("web", 80), want: "local1, local2 masqueraded"},
		},
	},
	{
		name:  "a pod that meets itself under a policy of Local sees the node",
		given: []object{with(everywhere().LocalTraffic().LocalInternalTraffic(), pods("local1", "local2"))},
		probes: []probe{
			{from: "local1", to: clusterIP("web", 80), want: "local2; local1 masqueraded"},
			{from: "local1", to: nodePort("web", 80), want: "local2; local1 masqueraded"},
			{from: "local1", to: at(external1, 80), want: "local2; local1 masqueraded"},
			{from: "local1", to: at(balancer1, 80), want: "local2; local1 masqueraded"},
		},
	},
	{
		name:  "pods of other nodes are of the cluster",
		given: []object{with(everywhere().LocalTraffic(), pods("local1"))},
		probes: []probe{
			{from: "remote3", to: clusterIP("web", 80), want: "local1"},
			{from: "remote3", to: nodePort("web", 80), want: "local1"},
			{from: "other", to: clusterIP("web", 80), want: "local1 masqueraded"},
		},
	},
	{
		name:  "who asks a pod itself is seen by it",
		given: []object{with(web(), pods("local1"))},
		probes: []probe{
			{from: "client", to: at(pod+"local1", proxysite.PodPort), want: "local1"},
			{from: "local3", to: at(pod+"local1", proxysite.PodPort), want: "local1"},
			{from: "local3", to: at(pod+"remote1", proxysite.PodPort), want: "remote1"},
			{from: "local3", to: at("client", 8080), want: refused},
		},
	},
	{
		name:   "a proxy that masquerades all hides pods from cluster IPs",
		config: proxysite.Config{MasqueradeAll: true},
		given:  []object{with(everywhere().LocalTraffic(), pods("local1", "remote1"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), want: "local1, remote1 masqueraded"},
			{from: "client", to: clusterIP("web", 80), want: "local1, remote1 masqueraded"},
			{from: "node", to: clusterIP("web", 80), want: "local1, remote1"},
			{from: "client", to: nodePort("web", 80), want: "local1"},
			{from: "local3", to: nodePort("web", 80), want: "local1, remote1"},
		},
	},
	{
		name:   "by the node's pod range, pods of other nodes are strangers",
		config: proxysite.Config{DetectLocal: proxysite.ByNodeCIDR},
		given:  []object{with(everywhere().LocalTraffic(), pods("local1", "local2"), unready("local3"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), want: "local1, local2"},
			{from: "remote3", to: clusterIP("web", 80), want: "local1, local2 masqueraded"},
			{from: "client", to: clusterIP("web", 80), want: "local1, local2 masqueraded"},
		},
		then: []step{{
			name:   "without a local endpoint",
			change: put(with(everywhere().LocalTraffic(), pods("remote1"))),
			probes: []probe{
				{from: "local3", to: nodePort("web", 80), want: "remote1"},
				{from: "remote3", to: nodePort("web", 80), want: silent},
				{from: "client", to: nodePort("web", 80), want: silent},
			},
		}},
	},
	{
		name:   "by the pods' bridge, what comes from elsewhere is from strangers",
		config: proxysite.Config{DetectLocal: proxysite.ByBridgeInterface}, // that of local1
		given:  []object{with(everywhere().LocalTraffic(), pods("local3"))},
		probes: []probe{
			{from: "local1", to: clusterIP("web", 80), want: "local3"},
			{from: "local2", to: clusterIP("web", 80), want: "local3 masqueraded"},
			{from: "remote3", to: clusterIP("web", 80), want: "local3 masqueraded"},
			{from: "client", to: clusterIP("web", 80), want: "local3 masqueraded"},
			{from: "node", to: clusterIP("web", 80), want: "local3"},
		},
		then: []step{{
			name:   "without a local endpoint",
			change: put(with(everywhere().LocalTraffic(), pods("remote1"))),
			probes: []probe{
				{from: "local1", to: nodePort("web", 80), want: "remote1"},
				{from: "local2", to: nodePort("web", 80), want: silent},
			},
		}},
	},
	{
		name:   "by the names of the pods' interfaces, what comes from elsewhere is from strangers",
		config: proxysite.Config{DetectLocal: proxysite.ByInterfaceNamePrefix},
		given:  []object{with(everywhere().LocalTraffic(), pods("local3"))},
		probes: []probe{
			{from: "local1", to: clusterIP("web", 80), want: "local3"},
			{from: "local2", to: clusterIP("web", 80), want: "local3"},
			{from: "remote3", to: clusterIP("web", 80), want: "local3 masqueraded"},
			{from: "client", to: clusterIP("web", 80), want: "local3 masqueraded"},
			{from: "node", to: clusterIP("web", 80), want: "local3"},
		},
		then: []step{{
			name:   "without a local endpoint",
			change: put(with(everywhere().LocalTraffic(), pods("remote1"))),
			probes: []probe{
				{from: "local1", to: nodePort("web", 80), want: "remote1"},
				{from: "remote3", to: nodePort("web", 80), want: silent},
			},
		}},
	},
}
