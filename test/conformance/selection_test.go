package conformance

import (
	"github.com/portolan-dev/portolan/test/proxysite"
)

const proxyName = "service.kubernetes.io/service-proxy-name"

// Which Services a proxy serves.
var selections = []behaviour{
	{
		name: "Services of another proxy are left alone",
		given: []object{
			with(everywhere().Label(proxyName, "portolan"), pods("local1")),
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
		},
	},
	{
		name:   "labelled Services only are served where the proxy is told so",
		of:     ours,
		config: proxysite.Config{Services: "labelled"},
		given: []object{
			with(everywhere().Label(proxyName, "portolan"), pods("local1")),
			with(service("plain"), pods("local1")),
			with(service("others").Label(proxyName, "cilium"), pods("local1")),
		},
		probes: []probe{
			{from: "client", to: nodePort("web", 80), want: "local1 masqueraded"},
			{from: "client", to: at(external1, 80), want: "local1 masqueraded"},
			{from: "local3", to: clusterIP("web", 80), want: "local1"},
			{from: "client", to: nodePort("plain", 80), want: refused},
			{from: "client", to: nodePort("others", 80), want: refused},
		},
	},
}
