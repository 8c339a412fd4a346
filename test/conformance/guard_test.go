package conformance

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
	"github.com/portolan-dev/portolan/test/proxysite"
)

// everyAddress serves node ports at the second address, too.
var everyAddress = proxysite.Config{NodePortAddresses: []string{"192.0.2.0/24", "2001:db8::/64", "203.0.113.0/24", "2001:db8:2::/64"}}

// Who may reach node ports, whichever proxy serves them. Refused is a reset of TCP; all else is left without an answer.
var guarding = []behaviour{
	{
		name:    "a node port takes what a NodePortAccess allows",
		guarded: true,
		given:   []object{with(web(), pods("local1")), with(service("other"), pods("local2"))},
		probes:  open("client", "neighbour", "local3"),
		then: []step{
			{
				name:   "once a source is allowed",
				change: inTurn(put(with(web().Label("app", "web"), pods("local1"))), allow("office", toLabelled("app", "web"), from("client"))),
				probes: slices.Concat(
					open("client"), shut("neighbour", "other", "local3", "remote3"),
					[]probe{
						{from: "neighbour", to: nodePort("other", 80), want: "local2 masqueraded"},
						{from: "node", to: nodePort("web", 80), want: "local1"},
						{from: "local3", to: clusterIP("web", 80), want: "local1"},
					},
				),
			},
			{
				name:   "once it is another",
				change: allow("office", toLabelled("app", "web"), from("neighbour")),
				probes: slices.Concat(open("neighbour"), shut("client")),
			},
			{
				name:   "once pods are",
				change: allow("office", toLabelled("app", "web"), from("local3", "remote3")),
				probes: slices.Concat(open("local3", "remote3"), shut("client", "local2", "remote2")),
			},
			{
				name:   "once the Service is selected no more",
				change: put(with(web(), pods("local1"))),
				probes: open("client", "neighbour", "local3"),
			},
			{
				name:   "once it is again",
				change: put(with(web().Label("app", "web"), pods("local1"))),
				probes: shut("client"),
			},
			{
				name:   "once the NodePortAccess has gone",
				change: lift("office"),
				probes: open("client", "neighbour", "local3"),
			},
		},
	},
	{
		name:    "exceptions do not belong to a range",
		guarded: true,
		given:   []object{with(web(), pods("local1"))},
		then: []step{
			{
				name:   "of one host",
				change: allow("world", fromAllBut("client")),
				probes: slices.Concat(open("neighbour", "other", "local3"), shut("client")),
			},
			{
				name:   "of several",
				change: allow("world", fromAllBut("client", "other", "local3")),
				probes: slices.Concat(open("neighbour", "local2"), shut("client", "other", "local3")),
			},
			{
				name:   "of none",
				change: allow("world", fromAllBut()),
				probes: open("client", "other", "local3"),
			},
		},
	},
	{
		name:    "several NodePortAccess add up",
		guarded: true,
		given:   []object{with(web(), pods("local1"))},
		then: []step{
			{
				name:   "of two",
				change: inTurn(allow("office", from("client")), allow("branch", from("neighbour"))),
				probes: slices.Concat(open("client", "neighbour"), shut("other")),
			},
			{
				name:   "of two, where one excludes what the other allows",
				change: allow("branch", fromAllBut("client", "other")),
				probes: slices.Concat(open("client", "neighbour"), shut("other")),
			},
			{
				name:   "once one has gone",
				change: lift("office"),
				probes: slices.Concat(open("neighbour"), shut("client", "other")),
			},
			{
				name:   "once both have",
				change: lift("branch"),
				probes: open("client", "neighbour", "other"),
			},
		},
	},
	{
		name:    "a NodePortAccess is about ports by their names",
		guarded: true,
		given:   []object{with(web().NodePort(81, 0, st.Named("admin"), st.Target(proxysite.OtherPort)), pods("local1"))},
		then: []step{
			{
				name:   "of one",
				change: allow("admin", toPorts("admin"), from("client")),
				probes: slices.Concat(open("client", "neighbour"), []probe{
					{from: "client", to: nodePort("web", 81), over: overTCP, want: "local1-other masqueraded"},
					{from: "neighbour", to: nodePort("web", 81), over: overTCP, promptly: true, want: refused},
				}),
			},
			{
				name:   "of others",
				change: allow("admin", toPorts("tcp", "udp"), from("client")),
				probes: slices.Concat(open("client"), shut("neighbour"), []probe{
					{from: "neighbour", to: nodePort("web", 81), over: overTCP, want: "local1-other masqueraded"},
				}),
			},
			{
				name:   "of the one that has got the name",
				change: put(with(renamed(), pods("local1"))),
				probes: slices.Concat(open("neighbour"), []probe{
					{from: "client", to: nodePort("web", 81), over: overTCP, want: "local1-other masqueraded"},
					{from: "neighbour", to: nodePort("web", 81), over: overTCP, promptly: true, want: refused},
				}),
			},
		},
	},
	{
		name:    "a NodePortAccess allows on the nodes that it selects",
		guarded: true,
		given:   []object{with(web(), pods("local1"))},
		then: []step{
			{
				name:   "on this one",
				change: allow("office", from("client"), on(corev1.LabelTopologyZone, proxysite.Zone)),
				probes: slices.Concat(open("client"), shut("neighbour")),
			},
			{
				name:   "on another, and shuts this one all the same",
				change: allow("office", from("client"), on(corev1.LabelTopologyZone, proxysite.OtherZone)),
				probes: shut("client", "neighbour"),
			},
			{
				name:   "on those with a label",
				change: inTurn(allow("office", from("client"), on("example.com/edge", "yes")), nodeBecame("example.com/edge", "yes")),
				probes: inTime(open("client")),
			},
			{
				name:   "once the node has lost it",
				change: nodeBecame("example.com/edge", ""),
				probes: inTime(shut("client")),
			},
			{
				name:   "once that does not matter",
				change: allow("office", from("client")),
				probes: slices.Concat(open("client"), shut("neighbour")),
			},
		},
	},
	{
		name:    "a NodePortAccess allows by interfaces and at addresses",
		guarded: true,
		config:  everyAddress,
		given:   []object{with(web(), pods("local1"))},
		then: []step{
			{
				name:   "by one interface",
				change: allow("office", by(proxysite.NodeInterface)),
				probes: slices.Concat(open("client", "neighbour", "remote3"), shut("local3")),
			},
			{
				name:   "by one that the node has not",
				change: allow("office", by("eth7")),
				probes: shut("client", "local3"),
			},
			{
				name:   "at one address",
				change: allow("office", toAddress(second), from("client")),
				probes: slices.Concat(shut("client", "neighbour"), []probe{
					{from: "client", to: nodePortAt(second, "web", 80), want: "local1 masqueraded"},
					{from: "neighbour", to: nodePortAt(second, "web", 80), over: overTCP, promptly: true, want: refused},
					{from: "neighbour", to: nodePortAt(second, "web", 80), over: overUDP, want: silent},
				}),
			},
			{
				name:   "at one, and another by one interface",
				change: allow("pods", toAddress("node"), by(proxysite.PodInterfaces+"3")),
				probes: slices.Concat(shut("client", "local2"), open("local3"), []probe{
					{from: "client", to: nodePortAt(second, "web", 80), want: "local1 masqueraded"},
					{from: "local3", to: nodePortAt(second, "web", 80), over: overTCP, promptly: true, want: refused},
				}),
			},
		},
	},
	{
		name:    "a NodePortAccess limits the rate of each source",
		guarded: true,
		given:   []object{with(web(), pods("local1"))},
		then: []step{
			{
				name:   "at a low one",
				change: allow("office", from("client", "neighbour"), atRate(2)),
				probes: slices.Concat(shut("other"), []probe{
					{from: "client", to: nodePort("web", 80), times: 30, want: "local1 masqueraded; silent", eventually: true},
					{from: "neighbour", to: nodePort("web", 80), times: 2, want: "local1 masqueraded"},
				}),
			},
			{
				name:   "where another has no limit",
				change: allow("branch", from("client")),
				probes: []probe{
					{from: "client", to: nodePort("web", 80), times: 30, want: "local1 masqueraded"},
					{from: "neighbour", to: nodePort("web", 80), times: 30, want: "local1 masqueraded; silent", eventually: true},
				},
			},
		},
	},
	{
		name:    "a pool is a ceiling",
		guarded: true,
		given:   []object{with(web(), pods("local1")), with(service("other"), pods("local2"))},
		then: []step{
			{
				name:   "without a NodePortAccess",
				change: confine("web", "client", "neighbour"),
				probes: slices.Concat(open("client", "neighbour"), shut("other", "local3"), []probe{
					{from: "other", to: nodePort("other", 80), want: "local2 masqueraded"},
					{from: "node", to: nodePort("web", 80), want: "local1"},
				}),
			},
			{
				name:   "over one that allows less, and more",
				change: allow("office", from("client", "other")),
				probes: slices.Concat(open("client"), shut("neighbour", "other", "local3")),
			},
			{
				name:   "over one that allows all",
				change: allow("office"),
				probes: slices.Concat(open("client", "neighbour"), shut("other", "local3")),
			},
			{
				name:   "once it is lower",
				change: confine("web", "client"),
				probes: slices.Concat(open("client"), shut("neighbour", "other")),
			},
			{
				name:   "once there is none",
				change: release("web"),
				probes: open("client", "neighbour", "other", "local3"),
			},
		},
	},
	{
		name:    "a source that loses access loses its flows",
		guarded: true,
		given:   []object{with(web().Label("app", "web"), pods("local1")), with(service("other"), pods("local2"))},
		probes:  underWay("local1 masqueraded", "local1 masqueraded"),
		then: []step{
			{
				name:   "and others keep theirs",
				change: allow("office", toLabelled("app", "web"), from("neighbour")),
				probes: slices.Concat(underWay(reset, "local1 masqueraded"), shut("client")),
			},
			{
				name:   "and its next ones come through again",
				change: lift("office"),
				probes: open("client", "neighbour"),
			},
		},
	},
	{
		name:    "a source that a pool shuts out loses its flows",
		guarded: true,
		given:   []object{with(web(), pods("local1")), with(service("other"), pods("local2"))},
		probes:  underWay("local1 masqueraded", "local1 masqueraded"),
		then: []step{{
			name:   "and others keep theirs",
			change: confine("web", "neighbour"),
			probes: slices.Concat(underWay(reset, "local1 masqueraded"), shut("client")),
		}},
	},
	{
		name:    "a health check stays open to load balancers",
		guarded: true,
		given:   []object{with(everywhere().LocalTraffic(), pods("local1"))},
		then: []step{{
			name:   "while its Service is shut",
			change: inTurn(allow("office", from("neighbour")), confine("web", "neighbour")),
			probes: []probe{
				{from: "client", to: nodePort("web", 80), over: overTCP, promptly: true, want: refused},
				{from: "neighbour", to: nodePort("web", 80), want: "local1"},
				{from: "client", to: healthCheck("web"), over: overHTTP, want: "200, 1 local, weight 1, proxy healthy: true", eventually: true},
			},
		}},
	},
	{
		name:    "other ways to a guarded Service stay open",
		guarded: true,
		given:   []object{with(everywhere(), pods("local1"))},
		then: []step{{
			name:   "while its node ports are shut",
			change: allow("office", from("neighbour")),
			probes: slices.Concat(shut("client"), []probe{
				{from: "client", to: at(external1, 80), want: "local1 masqueraded"},
				{from: "client", to: at(balancer1, 80), want: "local1 masqueraded"},
				{from: "local3", to: clusterIP("web", 80), want: "local1"},
			}),
		}},
	},
	{
		name:    "SCTP is guarded as UDP is",
		guarded: true,
		given:   []object{with(bare("web").NodePort(80, 0, st.SCTP, st.Target(proxysite.PodPort)), pods("local1"))},
		probes:  []probe{{from: "client", to: nodePort("web", 80), over: overSCTP, want: "local1 masqueraded"}},
		then: []step{{
			name:   "once another is allowed",
			change: allow("office", from("neighbour")),
			probes: []probe{
				{from: "client", to: nodePort("web", 80), over: overSCTP, want: silent},
				{from: "neighbour", to: nodePort("web", 80), over: overSCTP, want: "local1 masqueraded"},
			},
		}},
	},
	{
		name:    "numbers that nobody has are left alone",
		guarded: true,
		given:   []object{with(web(), pods("local1"))},
		then: []step{{
			name:   "where a process of the node listens",
			change: nodeServes(unallocatedNumber),
			probes: slices.Concat(open("client"), []probe{{from: "client", to: at("node", unallocatedNumber), want: "node"}}),
		}},
	},
	{
		name:    "numbers that nobody has are shut where that is asked for",
		guarded: true,
		config:  proxysite.Config{CloseUnallocated: true},
		given:   []object{with(everywhere().LocalTraffic(), pods("local1"))},
		probes: []probe{
			{from: "client", to: nodePort("web", 80), want: "local1"},
			{from: "client", to: healthCheck("web"), over: overHTTP, want: "200, 1 local, weight 1, proxy healthy: true", eventually: true},
		},
		then: []step{
			{
				name:   "where a process of the node listens",
				change: nodeServes(unallocatedNumber),
				probes: []probe{
					{from: "client", to: at("node", unallocatedNumber), over: overTCP, promptly: true, want: refused},
					{from: "client", to: at("node", unallocatedNumber), over: overUDP, want: silent},
					{from: "local3", to: at("node", unallocatedNumber), over: overTCP, promptly: true, want: refused},
					{from: "node", to: at("node", unallocatedNumber), want: "node"},
					{from: "client", to: at("node", proxysite.PodPort), want: "node"},
				},
			},
			{
				name:   "unless it is a pod's hostPort",
				change: podHas(unallocatedNumber),
				probes: []probe{
					{from: "client", to: at("node", unallocatedNumber), over: overTCP, want: "node", eventually: true},
					{from: "client", to: at("node", unallocatedNumber), over: overUDP, want: silent},
				},
			},
		},
	},
	{
		name:    "what is allowed while the guard is away is made good",
		guarded: true,
		alone:   true,
		given:   []object{with(web(), pods("local1"))},
		then: []step{
			{
				name:   "before it goes",
				change: allow("office", from("client")),
				probes: slices.Concat(open("client"), shut("neighbour")),
			},
			{
				name:   "after its return to what has changed",
				change: whileUnguarded(allow("office", from("neighbour"))),
				probes: slices.Concat(open("neighbour"), shut("client")),
			},
		},
	},
}

// unallocatedNumber is a node port that no Service gets unless it asks for it.
const unallocatedNumber = 30054

// renamed has the names of two ports of web and the third in turn, and all their node ports.
func renamed() *st.Service {
	return bare("web").NodePort(80, 0, st.Named("http"), st.Target(proxysite.PodPort)).
		NodePort(80, 0, st.Named("dns"), st.Target(proxysite.PodPort), st.UDP).
		NodePort(81, 0, st.Named("tcp"), st.Target(proxysite.OtherPort))
}

// open are the probes of hosts that reach Service web, which local1 serves.
func open(hosts ...string) []probe {
	var all []probe
	for _, h := range hosts {
		all = append(all, probe{from: h, to: nodePort("web", 80), want: "local1 masqueraded"})
	}
	return all
}

// shut are those of hosts that do not.
func shut(hosts ...string) []probe {
	var all []probe
	for _, h := range hosts {
		all = append(all,
			probe{from: h, to: nodePort("web", 80), over: overTCP, promptly: true, want: refused},
			probe{from: h, to: nodePort("web", 80), over: overUDP, want: silent})
	}
	return all
}

// underWay are flows of the client and the neighbour: to Service web, with what becomes of them, and of the client to
// Service other, which always goes on.
func underWay(clients, neighbours string) []probe {
	clientsUDP := clients
	if clients == reset {
		clientsUDP = silent
	}
	return []probe{
		{from: "client", to: nodePort("web", 80), over: overTCP, flow: "client", want: clients},
		{from: "client", to: nodePort("web", 80), over: overUDP, flow: "client", want: clientsUDP},
		{from: "neighbour", to: nodePort("web", 80), flow: "neighbour", want: neighbours},
		{from: "client", to: nodePort("other", 80), flow: "other", want: "local2 masqueraded"},
	}
}

// inTime are probes that something other than InStep is about: of changes of the node.
func inTime(probes []probe) []probe {
	for i := range probes {
		probes[i].eventually = true
	}
	return probes
}
