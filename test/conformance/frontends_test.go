package conformance

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
		name:  "a cluster IP refuses ports that no Service has there",
		given: []object{with(web(), pods("local1"))},
		probes: []probe{
			{from: "local3", to: at("cluster IP of web", 81), want: refused},
			{from: "node", to: at("cluster IP of web", 81), want: refused},
			{from: "client", to: at("cluster IP of web", 81), want: refused},
		},
	},
	{
		name:  "a cluster IP that no Service has is silent",
		given: nil,
		probes: []probe{
			{from: "local3", to: at(unallocated, 80), want: silent},
			{from: "node", to: at(unallocated, 80), want: silent},
			{from: "client", to: at(unallocated, 80), want: silent},
		},
	},
	{
		name:  "a Service without endpoints refuses",
		given: []object{with(web().LoadBalancer().ExternalIPs(external1).Ingress(balancer1), unready("local1", "remote1"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), want: refused},
			{from: "node", to: clusterIP("web", 80), want: refused},
			{from: "client", to: clusterIP("web", 80), want: refused},
			{from: "client", to: nodePort("web", 80), want: refused},
			{from: "client", to: at(external1, 80), want: refused},
			{from: "client", to: at(balancer1, 80), want: refused},
			{from: "local3", to: nodePort("web", 80), want: refused},
			{from: "local3", to: at(external1, 80), want: refused},
			{from: "node", to: nodePort("web", 80), want: refused},
			{from: "node", to: at(balancer1, 80), want: refused},
		},
	},
	{
		name:  "external addresses and node ports lead to every ready endpoint, and hide who asks",
		given: []object{with(web().LoadBalancer().ExternalIPs(external1).Ingress(balancer1), pods("local1", "remote1"))},
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
		name:  "an external policy of Local leads to local endpoints, who see the client",
		given: []object{with(web().LoadBalancer().LocalTraffic().ExternalIPs(external1).Ingress(balancer1), pods("local1", "local2", "remote1"))},
		probes: []probe{
			{from: "client", to: nodePort("web", 80), want: "local1, local2"},
			{from: "client", to: at(external1, 80), want: "local1, local2"},
			{from: "client", to: at(balancer1, 80), want: "local1, local2"},
			{from: "other", to: nodePort("web", 80), want: "local1, local2"},
			{from: "client", to: clusterIP("web", 80), want: "local1, local2, remote1 masqueraded"},
			{from: "local3", to: nodePort("web", 80), want: "local1, local2, remote1"},
			{from: "local3", to: at(external1, 80), want: "local1, local2, remote1"},
			{from: "local3", to: at(balancer1, 80), want: "local1, local2, remote1"},
			{from: "node", to: nodePort("web", 80), want: "local1, local2, remote1"},
			{from: "node", to: at(external1, 80), want: "local1, local2, remote1"},
			{from: "node", to: at(balancer1, 80), want: "local1, local2, remote1"},
		},
	},
}
