package conformance

import (
	"github.com/portolan-dev/portolan/test/proxysite"

	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// Which endpoints a frontend leads to.
var choices = []behaviour{
	{
		name:  "a Service without endpoints refuses",
		given: []object{with(everywhere(), unready("local1", "remote1"))},
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
			{from: "node", to: at(external1, 80), want: refused},
			{from: "node", to: at(balancer1, 80), want: refused},
		},
		then: []step{{
			name:   "once it has one",
			change: put(with(everywhere(), pods("remote1"))),
			probes: []probe{
				{from: "local3", to: clusterIP("web", 80), want: "remote1"},
				{from: "client", to: nodePort("web", 80), want: "remote1 masqueraded"},
				{from: "client", to: at(external1, 80), want: "remote1 masqueraded"},
				{from: "client", to: at(balancer1, 80), want: "remote1 masqueraded"},
			},
		}},
	},
	{
		name:  "a refusal of TCP comes at once",
		given: []object{with(everywhere())},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), over: overTCP, promptly: true, want: refused},
			{from: "node", to: clusterIP("web", 80), over: overTCP, promptly: true, want: refused},
			{from: "client", to: nodePort("web", 80), over: overTCP, promptly: true, want: refused},
			{from: "client", to: at(external1, 80), over: overTCP, promptly: true, want: refused},
		},
	},
	{
		name:  "a Service that nobody has endpoints for under a policy of Local refuses",
		given: []object{with(everywhere().LocalTraffic().LocalInternalTraffic(), unready("local1", "remote1"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), want: refused},
			{from: "client", to: nodePort("web", 80), want: refused},
			{from: "client", to: at(external1, 80), want: refused},
			{from: "client", to: at(balancer1, 80), want: refused},
		},
	},
	{
		name:  "a cluster IP refuses ports that its Service does not have",
		given: []object{with(web(), pods("local1"))},
		probes: []probe{
			{from: "local3", to: at("cluster IP of web", 81), want: refused},
			{from: "node", to: at("cluster IP of web", 81), want: refused},
			{from: "client", to: at("cluster IP of web", 81), want: refused},
		},
	},
	{
		name:  "a cluster IP that no Service has is silent",
		alone: true,
		then: []step{{
			name:   "where the node's default route would lead on",
			change: theClients(unallocated),
			probes: []probe{
				{from: "local3", to: at(unallocated, 80), want: silent},
				{from: "node", to: at(unallocated, 80), want: silent},
				{from: "neighbour", to: at(unallocated, 80), over: overUDP, want: silent},
			},
		}},
	},
	{
		name:  "the ranges of cluster IPs may change",
		alone: true,
		then: []step{
			{
				name:   "before",
				change: theClients(more),
				probes: []probe{
					{from: "local3", to: at(more, 80), want: "client"},
					{from: "node", to: at(more, 80), want: "client"},
				},
			},
			{
				name:   "with one more",
				change: anotherServiceRange,
				probes: []probe{
					{from: "local3", to: at(more, 80), want: silent, eventually: true},
					{from: "node", to: at(more, 80), want: silent, eventually: true},
				},
			},
			{
				name:   "without it",
				change: noOtherServiceRange,
				probes: []probe{
					{from: "local3", to: at(more, 80), want: "client", eventually: true},
					{from: "node", to: at(more, 80), want: "client", eventually: true},
				},
			},
		},
	},
	{
		name:  "an external policy of Local leads to local endpoints, who see the client",
		given: []object{with(everywhere().LocalTraffic(), pods("local1", "local2", "remote1"))},
		probes: []probe{
			{from: "client", to: nodePort("web", 80), want: "local1, local2"},
			{from: "client", to: at(external1, 80), want: "local1, local2"},
			{from: "client", to: at(balancer1, 80), want: "local1, local2"},
			{from: "other", to: nodePort("web", 80), want: "local1, local2"},
			{from: "client", to: clusterIP("web", 80), want: "local1, local2, remote1 masqueraded"},
			{from: "local3", to: clusterIP("web", 80), want: "local1, local2, remote1"},
		},
	},
	{
		name:  "an external policy of Local does not bind local pods and the node",
		given: []object{with(everywhere().LocalTraffic(), pods("local1", "local2", "remote1"))},
		probes: []probe{
			{from: "local3", to: nodePort("web", 80), want: "local1, local2, remote1"},
			{from: "local3", to: at(external1, 80), want: "local1, local2, remote1"},
			{from: "local3", to: at(balancer1, 80), want: "local1, local2, remote1"},
			{from: "node", to: nodePort("web", 80), want: "local1, local2, remote1"},
			{from: "node", to: at(external1, 80), want: "local1, local2, remote1"},
			{from: "node", to: at(balancer1, 80), want: "local1, local2, remote1"},
		},
	},
	{
		name:  "an external policy of Local without a local endpoint is silent, but for local pods and the node",
		given: []object{with(everywhere().LocalTraffic(), pods("remote1"), unready("local1"))},
		probes: []probe{
			{from: "client", to: nodePort("web", 80), want: silent},
			{from: "client", to: at(external1, 80), want: silent},
			{from: "client", to: at(balancer1, 80), want: silent},
			{from: "local3", to: nodePort("web", 80), want: "remote1"},
			{from: "local3", to: at(external1, 80), want: "remote1"},
			{from: "local3", to: at(balancer1, 80), want: "remote1"},
			{from: "node", to: nodePort("web", 80), want: "remote1"},
			{from: "node", to: at(external1, 80), want: "remote1"},
			{from: "node", to: at(balancer1, 80), want: "remote1"},
			{from: "client", to: clusterIP("web", 80), want: "remote1 masqueraded"},
		},
	},
	{
		name:  "an internal policy of Local leads to local endpoints",
		given: []object{with(everywhere().LocalInternalTraffic(), pods("local1", "local2", "remote1"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), want: "local1, local2"},
			{from: "node", to: clusterIP("web", 80), want: "local1, local2"},
			{from: "client", to: clusterIP("web", 80), want: "local1, local2 masqueraded"},
			{from: "client", to: nodePort("web", 80), want: "local1, local2, remote1 masqueraded"},
			{from: "client", to: at(external1, 80), want: "local1, local2, remote1 masqueraded"},
		},
	},
	{
		name:  "an internal policy of Local without a local endpoint is silent",
		given: []object{with(everywhere().LocalInternalTraffic(), pods("remote1"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), want: silent},
			{from: "node", to: clusterIP("web", 80), want: silent},
			{from: "client", to: clusterIP("web", 80), want: silent},
			{from: "client", to: nodePort("web", 80), want: "remote1 masqueraded"},
		},
	},
	{
		name:  "both policies can be Local",
		given: []object{with(everywhere().LocalTraffic().LocalInternalTraffic(), pods("local1", "remote1"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), want: "local1"},
			{from: "client", to: nodePort("web", 80), want: "local1"},
			{from: "local3", to: nodePort("web", 80), want: "local1, remote1"},
		},
	},
	{
		name:  "a policy can change",
		given: []object{with(everywhere(), pods("local1", "remote1"))},
		probes: []probe{
			{from: "client", to: nodePort("web", 80), want: "local1, remote1 masqueraded"},
		},
		then: []step{
			{
				name:   "once it is Local",
				change: put(with(everywhere().LocalTraffic(), pods("local1", "remote1"))),
				probes: []probe{
					{from: "client", to: nodePort("web", 80), want: "local1"},
					{from: "client", to: at(external1, 80), want: "local1"},
				},
			},
			{
				name:   "once it is Cluster again",
				change: put(with(everywhere(), pods("local1", "remote1"))),
				probes: []probe{
					{from: "client", to: nodePort("web", 80), want: "local1, remote1 masqueraded"},
					{from: "client", to: at(external1, 80), want: "local1, remote1 masqueraded"},
				},
			},
		},
	},
	{
		name:  "endpoints that terminate are for when none is ready",
		given: []object{with(everywhere(), pods("local1"), lasting("local2", "remote1"), ending("local3"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), want: "local1"},
			{from: "client", to: nodePort("web", 80), want: "local1 masqueraded"},
		},
		then: []step{
			{
				name:   "once none is ready",
				change: put(with(everywhere(), unready("local1"), lasting("local2", "remote1"), ending("local3"))),
				probes: []probe{
					{from: "local3", to: clusterIP("web", 80), want: "local2, remote1"},
					{from: "client", to: nodePort("web", 80), want: "local2, remote1 masqueraded"},
				},
			},
			{
				name:   "once none serves",
				change: put(with(everywhere(), ending("local2", "remote1", "local3"))),
				probes: []probe{
					{from: "local3", to: clusterIP("web", 80), want: refused},
					{from: "client", to: nodePort("web", 80), want: refused},
				},
			},
		},
	},
	{
		name:  "under a policy of Local a local endpoint that terminates is better than a remote one that is ready",
		given: []object{with(everywhere().LocalTraffic().LocalInternalTraffic(), lasting("local1"), pods("remote1"))},
		probes: []probe{
			{from: "client", to: nodePort("web", 80), want: "local1"},
			{from: "client", to: at(external1, 80), want: "local1"},
			{from: "local3", to: clusterIP("web", 80), want: "local1"},
			{from: "node", to: nodePort("web", 80), want: "remote1"},
		},
		then: []step{{
			name:   "beside a local one that is ready",
			change: put(with(everywhere().LocalTraffic().LocalInternalTraffic(), lasting("local1"), pods("local2", "remote1"))),
			probes: []probe{
				{from: "client", to: nodePort("web", 80), want: "local2"},
				{from: "local3", to: clusterIP("web", 80), want: "local2"},
			},
		}},
	},
	{
		name:  "what an endpoint does not say of itself is good",
		given: []object{with(web(), those([]st.EndpointOption{st.Unsaid}, "local1"), pods("local2"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), want: "local1, local2"},
		},
	},
	{
		name:  "hints for the node's zone keep traffic in it",
		given: []object{with(everywhere(), forZones(here, "local1", "remote1"), forZones(there, "local2", "remote2"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), want: "local1, remote1"},
			{from: "node", to: clusterIP("web", 80), want: "local1, remote1"},
			{from: "client", to: nodePort("web", 80), want: "local1, remote1 masqueraded"},
			{from: "client", to: at(external1, 80), want: "local1, remote1 masqueraded"},
		},
		then: []step{
			{
				name:   "where one has no hint",
				change: put(with(everywhere(), forZones(here, "local1", "remote1"), pods("local2"))),
				probes: []probe{{from: "local3", to: clusterIP("web", 80), want: "local1, local2, remote1"}},
			},
			{
				name:   "where one that is not ready has no hint",
				change: put(with(everywhere(), forZones(here, "local1", "remote1"), forZones(there, "remote2"), unready("local2"))),
				probes: []probe{{from: "local3", to: clusterIP("web", 80), want: "local1, remote1"}},
			},
			{
				name:   "where all are for another zone",
				change: put(with(everywhere(), forZones(there, "local1", "remote1"))),
				probes: []probe{{from: "local3", to: clusterIP("web", 80), want: "local1, remote1"}},
			},
			{
				name: "where those of the zone only terminate",
				change: put(with(everywhere(), those([]st.EndpointOption{st.Lasting, st.ForZones(here...)}, "local1"),
					forZones(there, "remote1"))),
				probes: []probe{{from: "local3", to: clusterIP("web", 80), want: "remote1"}},
			},
			{
				name: "where all terminate",
				change: put(with(everywhere(), those([]st.EndpointOption{st.Lasting, st.ForZones(here...)}, "local1"),
					those([]st.EndpointOption{st.Lasting, st.ForZones(there...)}, "remote1"))),
				probes: []probe{{from: "local3", to: clusterIP("web", 80), want: "local1, remote1"}},
			},
		},
	},
	{
		name:  "hints follow the node's zone",
		alone: true,
		given: []object{with(web(), forZones(here, "local1"), forZones(there, "local2"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), want: "local1"},
		},
		then: []step{
			{
				name:   "once it is in another",
				change: zoneBecame(proxysite.OtherZone),
				probes: []probe{{from: "local3", to: clusterIP("web", 80), want: "local2", eventually: true}},
			},
			{
				name:   "once it is in none",
				change: zoneBecame(""),
				probes: []probe{{from: "local3", to: clusterIP("web", 80), want: "local1, local2", eventually: true}},
			},
		},
	},
	{
		name:  "hints for the node keep traffic on it",
		given: []object{with(everywhere(), forNodes([]string{"node"}, "local1", "local2"), forNodes([]string{"other"}, "remote1"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), want: "local1, local2"},
			{from: "client", to: nodePort("web", 80), want: "local1, local2 masqueraded"},
		},
		then: []step{
			{
				name:   "where all are for another node",
				change: put(with(everywhere(), forNodes([]string{"other"}, "local1", "remote1"))),
				probes: []probe{{from: "local3", to: clusterIP("web", 80), want: "local1, remote1"}},
			},
			{
				name: "where all are for another node, and one for the zone",
				change: put(with(everywhere(),
					those([]st.EndpointOption{st.ForNodes("other"), st.ForZones(here...)}, "local1"),
					those([]st.EndpointOption{st.ForNodes("other"), st.ForZones(there...)}, "remote1"))),
				probes: []probe{{from: "local3", to: clusterIP("web", 80), want: "local1"}},
			},
		},
	},
	{
		name:  "hints do not narrow a policy of Local",
		given: []object{with(everywhere().LocalTraffic(), forZones(there, "local1", "local2"), forZones(here, "remote1"))},
		probes: []probe{
			{from: "client", to: nodePort("web", 80), want: "local1, local2"},
			{from: "local3", to: nodePort("web", 80), want: "remote1"},
			{from: "local3", to: clusterIP("web", 80), want: "remote1"},
		},
	},
	{
		name:  "an endpoint that is listed twice counts by its better half",
		given: []object{with(web(), lasting("local1"), pods("local1"), lasting("local2"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), want: "local1"},
		},
	},
	{
		name:  "endpoints may be in several slices",
		given: []object{inSlices(web(), pods("local1"), pods("local2", "remote1"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), want: "local1, local2, remote1"},
		},
		then: []step{
			{
				name:   "in two of them",
				change: put(inSlices(web(), pods("local1", "local2"), pods("local2"))),
				probes: []probe{
					{from: "local3", to: clusterIP("web", 80), over: []variant{tcp4, udp6}, want: evenly + "local1, local2", times: 2000},
				},
			},
			{
				name:   "once one of them has gone",
				change: put(inSlices(web(), pods("local1", "local2"))),
				probes: []probe{
					{from: "local3", to: clusterIP("web", 80), want: "local1, local2"},
				},
			},
			{
				name:   "once the last one has gone",
				change: put(inSlices(web())),
				probes: []probe{
					{from: "local3", to: clusterIP("web", 80), want: refused},
				},
			},
		},
	},
	{
		name:  "connections are spread evenly",
		given: []object{with(web(), pods("local1", "local2", "remote1"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), over: []variant{tcp4, udp6}, want: evenly + "local1, local2, remote1", times: 10000},
			{from: "client", to: nodePort("web", 80), over: []variant{tcp6, udp4}, want: evenly + "local1, local2, remote1 masqueraded", times: 10000},
		},
	},
}

var (
	here  = []string{proxysite.Zone}
	there = []string{proxysite.OtherZone}
)
