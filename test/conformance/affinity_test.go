package conformance

import (
	"time"

	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func sticky3h() *st.Service { return everywhere().Affinity(3 * time.Hour) }

// Who stays with whom, where sessionAffinity is ClientIP.
var affinities = []behaviour{
	{
		name:  "a client stays with one endpoint",
		given: []object{with(sticky3h(), pods("local1", "local2", "remote1", "remote2"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), want: "one of local1, local2, remote1, remote2"},
			{from: "node", to: clusterIP("web", 80), want: "one of local1, local2, remote1, remote2"},
			{from: "client", to: clusterIP("web", 80), want: "one of local1, local2, remote1, remote2 masqueraded"},
			{from: "client", to: nodePort("web", 80), want: "one of local1, local2, remote1, remote2 masqueraded"},
			{from: "client", to: at(external1, 80), want: "one of local1, local2, remote1, remote2 masqueraded"},
			{from: "neighbour", to: at(balancer1, 80), want: "one of local1, local2, remote1, remote2 masqueraded"},
		},
		then: []step{
			{
				name:   "once other endpoints have come",
				change: put(with(sticky3h(), pods("local1", "local2", "remote1", "remote2", "remote3", "local3"))),
				probes: []probe{
					{from: "local3", to: clusterIP("web", 80), want: "the same of local1, local2, remote1, remote2"},
					{from: "client", to: clusterIP("web", 80), want: "the same of local1, local2, remote1, remote2 masqueraded"},
					{from: "client", to: nodePort("web", 80), want: "the same of local1, local2, remote1, remote2 masqueraded"},
					{from: "client", to: at(external1, 80), want: "the same of local1, local2, remote1, remote2 masqueraded"},
				},
			},
			{
				name:   "once its endpoint has gone",
				change: put(with(sticky3h(), pods("remote3"))),
				probes: []probe{
					{from: "local3", to: clusterIP("web", 80), want: "remote3"},
					{from: "client", to: nodePort("web", 80), want: "remote3 masqueraded"},
				},
			},
			{
				name:   "once there are others again",
				change: put(with(sticky3h(), pods("local1", "local2", "remote1", "remote2", "remote3"))),
				probes: []probe{
					{from: "local3", to: clusterIP("web", 80), want: "remote3"},
					{from: "client", to: nodePort("web", 80), want: "remote3 masqueraded"},
				},
			},
		},
	},
	{
		name:  "a client stays with a local endpoint under a policy of Local",
		given: []object{with(sticky3h().LocalTraffic(), pods("local1", "local2", "local3", "remote1"))},
		probes: []probe{
			{from: "client", to: nodePort("web", 80), want: "one of local1, local2, local3"},
			{from: "client", to: at(external1, 80), want: "one of local1, local2, local3"},
		},
	},
	{
		name:  "one of several ports' clients stay, too",
		given: []object{with(service("web").Affinity(3*time.Hour).NodePort(81, 0, st.Named("more"), st.Target(8081)), pods("local1", "local2", "remote1"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), want: "one of local1, local2, remote1"},
			{from: "local3", to: clusterIP("web", 81), over: overTCP, want: "one of local1-other, local2-other, remote1-other"},
		},
	},
	{
		name:  "a client that has stayed away may meet others",
		given: []object{with(everywhere().Affinity(time.Second), pods("local1", "remote1"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), want: "local1, remote1", times: 20, pause: 1300 * time.Millisecond},
		},
	},
	{
		name:  "a client that comes again and again stays",
		given: []object{with(everywhere().Affinity(2*time.Second), pods("local1", "local2", "remote1", "remote2", "remote3"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), want: "one of local1, local2, remote1, remote2, remote3", times: 12, pause: 500 * time.Millisecond},
			{from: "client", to: nodePort("web", 80), want: "one of local1, local2, remote1, remote2, remote3 masqueraded", times: 12, pause: 500 * time.Millisecond},
		},
	},
	{
		name:  "clients stay over a restart of the proxy",
		alone: true,
		given: []object{with(sticky3h(), pods("local1", "local2", "remote1", "remote2"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), want: "one of local1, local2, remote1, remote2"},
			{from: "client", to: clusterIP("web", 80), want: "one of local1, local2, remote1, remote2 masqueraded"},
			{from: "client", to: nodePort("web", 80), want: "one of local1, local2, remote1, remote2 masqueraded"},
			{from: "neighbour", to: nodePort("web", 80), want: "one of local1, local2, remote1, remote2 masqueraded"},
		},
		then: []step{
			{name: "after it", change: restarted, probes: stillThere},
			{name: "after a kill", change: killed, probes: stillThere},
		},
	},
	{
		name:  "a Service whose clients need no longer stay",
		given: []object{with(sticky3h(), pods("local1", "local2"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), want: "one of local1, local2"},
		},
		then: []step{{
			name:   "once it says so",
			change: put(with(everywhere(), pods("local1", "local2"))),
			probes: []probe{
				{from: "local3", to: clusterIP("web", 80), want: "local1, local2"},
			},
		}},
	},
}

var stillThere = []probe{
	{from: "local3", to: clusterIP("web", 80), want: "the same of local1, local2, remote1, remote2"},
	{from: "client", to: clusterIP("web", 80), want: "the same of local1, local2, remote1, remote2 masqueraded"},
	{from: "client", to: nodePort("web", 80), want: "the same of local1, local2, remote1, remote2 masqueraded"},
	{from: "neighbour", to: nodePort("web", 80), want: "the same of local1, local2, remote1, remote2 masqueraded"},
}
