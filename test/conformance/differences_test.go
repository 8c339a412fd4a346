package conformance

import (
	"slices"
	"testing"

	"github.com/portolan-dev/portolan/test/proxysite"
)

// difference is something that a proxy does otherwise than the case wants, and why that is as it is. One that is not in
// this list fails, and so does one in this list that does not occur.
type difference struct {
	of        []proxysite.Kind
	behaviour string
	step      string // of the behaviour, "" for what is given
	// Which probes of the step: all that are like these as far as they say something. The first in the list that is of a
	// probe counts.
	from string
	to   target
	over []variant
	got  string
	or   []string // what may be seen instead, by chance
	why  string
}

var (
	kubeProxy = []proxysite.Kind{proxysite.KubeProxyNFTables, proxysite.KubeProxyIPTables}
	iptables  = []proxysite.Kind{proxysite.KubeProxyIPTables}
	nftables  = []proxysite.Kind{proxysite.KubeProxyNFTables}
	ours      = []proxysite.Kind{proxysite.NodeProxy}
)

// Reasons that several differences have.
const (
	lastEndpointGone = "kube-proxy leaves the connection tracker's entries alone while a UDP Service has no endpoint: its flows go on to the " +
		"pod that has gone, for as long as the client keeps them up (kubernetes issue 139628). Ours are deleted, and refused."
	serviceGone = "kube-proxy does not look for entries of a UDP Service that has been deleted: its flows go on. Ours are deleted."
	noSCTP      = "kube-proxy deletes entries of UDP only. An SCTP association whose endpoint has gone goes on to nobody; ours is deleted, " +
		"so that the client's next INIT finds an endpoint."
	unusedPort = "kube-proxy's iptables mode has no rule for a cluster IP's other ports: packets leave the node by its default route. " +
		"Ours are refused, as in its nftables mode."
	unallocatedIP = "kube-proxy's iptables mode knows nothing of cluster IPs that no Service has, or that it does not serve: packets leave the " +
		"node by its default route. Ours are dropped, as in its nftables mode."
	rangesLater = "kube-proxy's nftables mode writes the ranges of cluster IPs when it writes all of its rules, which it does once an hour. " +
		"Ours follows them."
	nodeUnrefused = "kube-proxy's iptables mode refuses for external addresses in INPUT and FORWARD only, which the node's own packets do not " +
		"pass: they leave the node by its default route."
	addressLater = "kube-proxy's nftables mode looks for the node's addresses when it writes all of its rules, which it does once an hour. " +
		"Ours follows the node's addresses."
	noLoopback     = "kube-proxy's nftables mode does not serve node ports on the loopback."
	noIPv6Loopback = "kube-proxy's iptables mode serves node ports on the loopback by net.ipv4.route_localnet, for all of IPv4, which has no like for IPv6. " +
		"Ours has a listener, for TCP of both families."
	eitherService = "kube-proxy lets either Service have an address and port that two of them claim; which one is chance, and may change with " +
		"each change of any Service. Ours leaves it to the older one."
	ourLabel      = "kube-proxy leaves Services alone that are labelled for another proxy."
	refusedByICMP = "kube-proxy refuses TCP by ICMP, of which Linux sends a limited number a second. A client on the node, in one of its pods " +
		"(or anywhere, on this rig) notices it over IPv6 with its second SYN only, after a second. Ours resets the connection."
	othersFlows = "kube-proxy takes entries of any UDP flow to a node port's number for its own, whatever the destination, and deletes them: a flow " +
		"through another's NAT breaks. Ours looks at the address too."
)

var differences = []difference{
	{of: kubeProxy, behaviour: "UDP flows are refused when the last endpoint goes, and find the next", step: "once it has gone",
		from: "client", got: "local1 masqueraded", why: lastEndpointGone},
	{of: kubeProxy, behaviour: "UDP flows are refused when the last endpoint goes, and find the next", step: "once it has gone",
		got: "local1", why: lastEndpointGone},
	{of: kubeProxy, behaviour: "UDP flows end with their Service", step: "once it has gone", from: "client", got: "local1 masqueraded", why: serviceGone},
	{of: kubeProxy, behaviour: "UDP flows end with their Service", step: "once it has gone", got: "local1", why: serviceGone},
	{of: kubeProxy, behaviour: "SCTP flows move when their endpoint goes", step: "once another serves", from: "client", got: "local1 masqueraded", why: noSCTP},
	{of: kubeProxy, behaviour: "SCTP flows move when their endpoint goes", step: "once another serves", got: "local1", why: noSCTP},

	{of: iptables, behaviour: "a cluster IP refuses ports that its Service does not have", got: silent, why: unusedPort},
	{of: iptables, behaviour: "what a Service gives up is closed", step: "once it has another port",
		from: "local3", to: clusterIP("web", 80), got: silent, why: unusedPort},
	{of: iptables, behaviour: "a UDP flow that came before its Service finds it", to: clusterIP("web", 80), got: silent, why: unusedPort},
	{of: iptables, behaviour: "a cluster IP that no Service has is silent", step: "where the node's default route would lead on",
		got: "client", why: unallocatedIP},
	{of: iptables, behaviour: "Services of another proxy are left alone", step: "where its addresses are the client's",
		to: clusterIP("web", 80), got: "client", why: unallocatedIP},
	{of: iptables, behaviour: "the ranges of cluster IPs may change", step: "with one more", got: "client", why: unallocatedIP},
	{of: nftables, behaviour: "the ranges of cluster IPs may change", step: "with one more", got: "client", why: rangesLater},
	{of: iptables, behaviour: "a Service without endpoints refuses", from: "node", to: at(external1, 80), got: silent, why: nodeUnrefused},
	{of: iptables, behaviour: "a Service without endpoints refuses", from: "node", to: at(balancer1, 80), got: silent, why: nodeUnrefused},

	{of: nftables, behaviour: "node ports follow the node's addresses", step: "once an address has come",
		to: nodePortAt(third, "web", 80), got: refused, why: addressLater},
	{of: nftables, behaviour: "node ports are at the loopback where the proxy is told so", over: overTCP,
		got: refused, why: noLoopback},
	{of: iptables, behaviour: "node ports are at the loopback where the proxy is told so", over: []variant{tcp6},
		got: refused, why: noIPv6Loopback},
	{of: iptables, behaviour: "node ports are at the loopback where the proxy is told so", over: []variant{udp4},
		got: "local1, remote1", why: noIPv6Loopback},

	{of: kubeProxy, behaviour: "two Services with one external address", step: "once both have it", to: at(external1, 80),
		got: "local2 masqueraded", or: []string{"local1 masqueraded", "local1, local2 masqueraded"}, why: eitherService},

	{of: kubeProxy, behaviour: "Services that are labelled as ours are served where all are", from: "client", got: refused, why: ourLabel},
	{of: kubeProxy, behaviour: "Services that are labelled as ours are served where all are", got: silent, why: ourLabel},

	{of: kubeProxy, behaviour: "a refusal of TCP comes at once", over: overIPv6, got: "refused late", why: refusedByICMP},

	{of: kubeProxy, behaviour: "flows that are no Service's are left alone", step: "after changes of the Service", over: overUDP,
		got: "client anew masqueraded", why: othersFlows},
}

// expected is what a proxy is expected to do, in place of what the case wants if there is a difference.
type expected struct {
	want      string
	otherwise *difference
}

// isMet says whether that is what was seen.
func (e expected) isMet(got string) bool {
	return got == e.want || e.otherwise != nil && slices.Contains(e.otherwise.or, got)
}

func expect(kind proxysite.Kind, behaviour, step string, p probe, v variant) expected {
	for i, d := range differences {
		if d.matches(kind, behaviour, step, p, v) {
			return expected{d.got, &differences[i]}
		}
	}
	return expected{want: p.want}
}

func (d difference) matches(kind proxysite.Kind, behaviour, step string, p probe, v variant) bool {
	return slices.Contains(d.of, kind) && d.behaviour == behaviour && d.step == step &&
		(d.from == "" || d.from == p.from) && (d.to == target{} || d.to == p.to) && (d.over == nil || slices.Contains(d.over, v))
}

func TestEachDifferenceIsOfAProbe(t *testing.T) {
	for _, d := range differences {
		if !d.isOfAProbe() {
			t.Errorf("%s, %s, %s to %s: no case has this probe, or it wants %s itself", d.behaviour, d.step, d.from, d.to, d.got)
		}
	}
}

func (d difference) isOfAProbe() bool {
	for _, b := range behaviours() {
		for _, s := range b.steps() {
			for _, p := range s.probes {
				for _, v := range p.variants() {
					if d.got != p.want && d.matches(d.of[0], b.name, s.name, p, v) {
						return true
					}
				}
			}
		}
	}
	return false
}
