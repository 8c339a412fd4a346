package conformance

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
	"github.com/portolan-dev/portolan/test/proxysite"
)

// What becomes of flows that are under way.
var flowing = []behaviour{
	{
		name:  "UDP flows move when their endpoint goes",
		given: []object{with(everywhere(), pods("local1"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), over: overUDP, flow: "a", want: "local1"},
			{from: "node", to: clusterIP("web", 80), over: overUDP, flow: "b", want: "local1"},
			{from: "client", to: nodePort("web", 80), over: overUDP, flow: "c", want: "local1 masqueraded"},
			{from: "client", to: at(external1, 80), over: overUDP, flow: "d", want: "local1 masqueraded"},
			{from: "client", to: at(balancer1, 80), over: overUDP, flow: "e", want: "local1 masqueraded"},
		},
		then: []step{
			{
				name:   "once another serves",
				change: put(with(everywhere(), pods("remote1"))),
				probes: movedTo("remote1"),
			},
			{
				name:   "once that is not ready",
				change: put(with(everywhere(), unready("remote1"), pods("local2"))),
				probes: movedTo("local2"),
			},
			{
				name:   "once it serves another port",
				change: put(with(elsewhere().LoadBalancer().ExternalIPs(external1).Ingress(balancer1), pods("local2"))),
				probes: movedTo("local2-other"),
			},
		},
	},
	{
		name:  "UDP flows are refused when the last endpoint goes, and find the next",
		given: []object{with(everywhere(), pods("local1"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), over: overUDP, flow: "a", want: "local1"},
			{from: "node", to: clusterIP("web", 80), over: overUDP, flow: "b", want: "local1"},
			{from: "client", to: nodePort("web", 80), over: overUDP, flow: "c", want: "local1 masqueraded"},
			{from: "client", to: at(external1, 80), over: overUDP, flow: "d", want: "local1 masqueraded"},
			{from: "client", to: at(balancer1, 80), over: overUDP, flow: "e", want: "local1 masqueraded"},
		},
		then: []step{
			{
				name:   "once it has gone",
				change: put(with(everywhere())),
				probes: []probe{
					{from: "local3", to: clusterIP("web", 80), over: overUDP, flow: "a", want: refused},
					{from: "node", to: clusterIP("web", 80), over: overUDP, flow: "b", want: refused},
					{from: "client", to: nodePort("web", 80), over: overUDP, flow: "c", want: refused},
					{from: "client", to: at(external1, 80), over: overUDP, flow: "d", want: refused},
					{from: "client", to: at(balancer1, 80), over: overUDP, flow: "e", want: refused},
				},
			},
			{
				name:   "once there is another",
				change: put(with(everywhere(), pods("remote1"))),
				probes: movedTo("remote1"),
			},
		},
	},
	{
		name:  "a UDP flow that came before its Service finds it",
		given: []object{with(bare("web").NodePort(80, 30051, st.Named("tcp"), st.Target(proxysite.PodPort)), pods("local1"))},
		probes: []probe{
			{from: "client", to: at("node", 30052), over: overUDP, flow: "node port", want: refused},
			{from: "client", to: at(external1, 80), over: overUDP, flow: "external", want: silent},
			{from: "client", to: clusterIP("web", 80), over: overUDP, flow: "cluster", want: refused},
		},
		then: []step{{
			name:   "once it is there",
			change: put(with(bare("web").ExternalIPs(external1).NodePort(80, 30051, st.Named("tcp"), st.Target(proxysite.PodPort)).NodePort(80, 30052, st.Named("udp"), st.UDP, st.Target(proxysite.PodPort)), pods("local1"))),
			probes: []probe{
				{from: "client", to: at("node", 30052), over: overUDP, flow: "node port", want: "local1 masqueraded"},
				{from: "client", to: at(external1, 80), over: overUDP, flow: "external", want: "local1 masqueraded"},
				{from: "client", to: clusterIP("web", 80), over: overUDP, flow: "cluster", want: "local1 masqueraded"},
			},
		}},
	},
	{
		name:  "a UDP flow is left where its endpoint only terminates",
		given: []object{with(everywhere(), pods("local1"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), over: overUDP, flow: "a", want: "local1"},
		},
		then: []step{
			{
				name:   "while it serves",
				change: put(with(everywhere(), lasting("local1"), pods("local2"))),
				probes: []probe{{from: "local3", to: clusterIP("web", 80), over: overUDP, flow: "a", want: "local1"}},
			},
			{
				name:   "once it serves no more",
				change: put(with(everywhere(), ending("local1"), pods("local2"))),
				probes: []probe{{from: "local3", to: clusterIP("web", 80), over: overUDP, flow: "a", want: "local2"}},
			},
		},
	},
	{
		name:  "flows outlive changes that are none of theirs",
		given: []object{with(everywhere(), pods("local1", "local2", "remote1"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), flow: "a", want: "one of local1, local2, remote1"},
			{from: "client", to: nodePort("web", 80), flow: "b", want: "one of local1, local2, remote1 masqueraded"},
		},
		then: []step{
			{
				name:   "of endpoints beside theirs",
				change: put(with(everywhere(), pods("remote2", "remote3", "local1", "local2", "remote1"))),
				probes: theSameFlows,
			},
			{
				name:   "of another Service",
				change: inTurn(put(with(service("more"), pods("local1"))), put(with(service("more"))), away("more")),
				probes: theSameFlows,
			},
			{
				name:   "of the Service's policies",
				change: put(with(everywhere().LocalInternalTraffic(), pods("local1", "local2", "remote1"))),
				probes: theSameFlows,
			},
		},
	},
	{
		name:  "TCP connections outlive their endpoint's Service",
		given: []object{with(everywhere(), pods("local1"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), over: overTCP, flow: "a", want: "local1"},
			{from: "client", to: nodePort("web", 80), over: overTCP, flow: "b", want: "local1 masqueraded"},
		},
		then: []step{
			{
				name:   "once the endpoint is another",
				change: put(with(everywhere(), pods("local2"))),
				probes: []probe{
					{from: "local3", to: clusterIP("web", 80), over: overTCP, flow: "a", want: "local1"},
					{from: "client", to: nodePort("web", 80), over: overTCP, flow: "b", want: "local1 masqueraded"},
					{from: "local3", to: clusterIP("web", 80), over: overTCP, want: "local2"},
				},
			},
			{
				name:   "once the Service has gone",
				change: away("web"),
				probes: []probe{
					{from: "local3", to: clusterIP("web", 80), over: overTCP, flow: "a", want: "local1"},
					{from: "client", to: nodePort("web", 80), over: overTCP, flow: "b", want: "local1 masqueraded"},
				},
			},
		},
	},
	{
		name:  "UDP flows end with their Service",
		given: []object{with(everywhere(), pods("local1"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), over: overUDP, flow: "a", want: "local1"},
			{from: "client", to: nodePort("web", 80), over: overUDP, flow: "b", want: "local1 masqueraded"},
			{from: "client", to: at(external1, 80), over: overUDP, flow: "c", want: "local1 masqueraded"},
		},
		then: []step{{
			name:   "once it has gone",
			change: away("web"),
			probes: []probe{
				{from: "local3", to: clusterIP("web", 80), over: overUDP, flow: "a", want: silent},
				{from: "client", to: nodePort("web", 80), over: overUDP, flow: "b", want: refused},
				{from: "client", to: at(external1, 80), over: overUDP, flow: "c", want: silent},
			},
		}},
	},
	{
		name:  "SCTP flows move when their endpoint goes",
		given: []object{with(bare("web").NodePort(80, 0, st.SCTP, st.Target(proxysite.PodPort)), pods("local1"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), over: overSCTP, flow: "a", want: "local1"},
			{from: "client", to: nodePort("web", 80), over: overSCTP, flow: "b", want: "local1 masqueraded"},
		},
		then: []step{{
			name:   "once another serves",
			change: put(with(bare("web").NodePort(80, 0, st.SCTP, st.Target(proxysite.PodPort)), pods("local2"))),
			probes: []probe{
				{from: "local3", to: clusterIP("web", 80), over: overSCTP, flow: "a", want: "local2"},
				{from: "client", to: nodePort("web", 80), over: overSCTP, flow: "b", want: "local2 masqueraded"},
			},
		}},
	},
	{
		name:  "flows that are no Service's are left alone",
		alone: true,
		given: []object{with(bare("web").NodePort(80, someNumber, st.Named("udp"), st.UDP, st.Target(proxysite.PodPort)), pods("local1"))},
		then: []step{
			{
				name:   "through another's NAT",
				change: masqueradeOutside,
				probes: []probe{
					{from: "local3", to: at("client", someNumber), flow: "a", want: "client masqueraded"},
				},
			},
			{
				name: "after changes of the Service",
				change: inTurn(
					put(with(bare("web").NodePort(80, someNumber, st.Named("udp"), st.UDP, st.Target(proxysite.PodPort)), pods("local2"))),
					put(with(bare("web").NodePort(80, someNumber, st.Named("udp"), st.UDP, st.Target(proxysite.PodPort)))),
					put(with(bare("web").NodePort(80, someNumber, st.Named("udp"), st.UDP, st.Target(proxysite.PodPort)), pods("local1"))),
				),
				probes: []probe{
					{from: "local3", to: at("client", someNumber), flow: "a", want: "client masqueraded"},
				},
			},
		},
	},
	{
		name:  "flows outlive the proxy",
		alone: true,
		given: []object{with(everywhere(), pods("local1", "local2", "remote1"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), flow: "a", want: "one of local1, local2, remote1"},
			{from: "client", to: nodePort("web", 80), flow: "b", want: "one of local1, local2, remote1 masqueraded"},
		},
		then: []step{
			{name: "after a restart", change: restarted, probes: theSameFlows},
			{name: "after a kill", change: killed, probes: theSameFlows},
		},
	},
	{
		name:  "what changes while the proxy is away is made good",
		alone: true,
		given: []object{with(everywhere(), pods("local1")), with(service("gone"), pods("local1"))},
		probes: []probe{
			{from: "local3", to: clusterIP("web", 80), over: overUDP, flow: "a", want: "local1"},
			{from: "client", to: nodePort("web", 80), over: overUDP, flow: "b", want: "local1 masqueraded"},
		},
		then: []step{{
			name:   "after its return",
			change: whileAway(put(with(everywhere(), pods("remote1"))), away("gone"), put(with(service("new"), pods("local2")))),
			probes: []probe{
				{from: "local3", to: clusterIP("web", 80), over: overUDP, flow: "a", want: "remote1"},
				{from: "client", to: nodePort("web", 80), over: overUDP, flow: "b", want: "remote1 masqueraded"},
				{from: "local3", to: clusterIP("web", 80), want: "remote1"},
				{from: "local3", to: clusterIP("new", 80), want: "local2"},
				{from: "client", to: nodePort("gone", 80), want: refused},
			},
		}},
	},
}

// someNumber is a node port that the client serves, too.
const someNumber = 30053

// masqueradeOutside has the node masquerade what its pods send to the client, as a network plugin would, and the client
// serve someNumber.
func masqueradeOutside(_ context.Context, w *world) error {
	w.site.Client.Serve(someNumber)
	return w.site.Node.Do(func() error {
		nft := exec.Command("nft", "-f", "-")
		nft.Stdin = strings.NewReader(`table inet plugin {
			chain postrouting {
				type nat hook postrouting priority 90
				oifname eth0 th dport 30053 meta l4proto { tcp, udp } masquerade fully-random
			}
		}`)
		if out, err := nft.CombinedOutput(); err != nil {
			return fmt.Errorf("nft: %w\n%s", err, out)
		}
		return nil
	})
}

func elsewhere() *st.Service {
	return bare("web").NodePort(80, 0, st.Named("tcp"), st.Target(proxysite.OtherPort)).
		NodePort(80, 0, st.Named("udp"), st.UDP, st.Target(proxysite.OtherPort))
}

// movedTo are the flows of a Service with every kind of address, all with one pod.
func movedTo(pod string) []probe {
	return []probe{
		{from: "local3", to: clusterIP("web", 80), over: overUDP, flow: "a", want: pod},
		{from: "node", to: clusterIP("web", 80), over: overUDP, flow: "b", want: pod},
		{from: "client", to: nodePort("web", 80), over: overUDP, flow: "c", want: pod + " masqueraded"},
		{from: "client", to: at(external1, 80), over: overUDP, flow: "d", want: pod + " masqueraded"},
		{from: "client", to: at(balancer1, 80), over: overUDP, flow: "e", want: pod + " masqueraded"},
	}
}

var theSameFlows = []probe{
	{from: "local3", to: clusterIP("web", 80), flow: "a", want: "the same of local1, local2, remote1"},
	{from: "client", to: nodePort("web", 80), flow: "b", want: "the same of local1, local2, remote1 masqueraded"},
}
