package conntrack

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// front is a frontend of a site, over TCP and UDP.
type front struct {
	n    *node
	kind string
	at   netip.AddrPort
	// lead is what the table has for it.
	lead func(nft.Protocol, nft.Word) nft.Element
}

var (
	families = []string{"IPv4", "IPv6"}
	kinds    = []string{"an address", "a node port"}
)

func (n *node) front(family, kind string) front {
	if kind == "a node port" {
		of := map[string]nft.Family{"IPv4": nft.IPv4, "IPv6": nft.IPv6}[family]
		at := netip.AddrPortFrom(n.Node.AddressLike(like(family)), nodePort)
		return front{n, kind, at, func(p nft.Protocol, w nft.Word) nft.Element { return nft.NodePort(of, p, nodePort, w) }}
	}
	at := netip.AddrPortFrom(external(family), servicePort)
	return front{n, kind, at, func(p nft.Protocol, w nft.Word) nft.Element {
		return nft.ServiceFrontend(at.Addr(), p, servicePort, w)
	}}
}

// to leads the frontend to endpoints; to none, it refuses.
func (f front) to(endpoints ...netip.AddrPort) []nft.Element {
	word := nft.Word{Action: nft.Refuse()}
	if len(endpoints) > 0 {
		word = nft.Word{Action: nft.Balance(len(endpoints)), List: 1}
	}
	elements := []nft.Element{f.lead(nft.UDP, word), f.lead(nft.TCP, word)}
	for slot, e := range endpoints {
		elements = append(elements, nft.Endpoint(1, slot, e))
	}
	return elements
}

func (f front) flow(serving ...netip.AddrPort) Flow {
	addresses := []netip.Addr{f.at.Addr()}
	if f.kind == "a node port" {
		addresses = []netip.Addr{f.n.Node.IPv4, f.n.Node.IPv6}
	}
	return Flow{Protocol: UDP, Addresses: addresses, Port: f.at.Port(), Serving: serving}
}

// entry is one, as text.
func (f front) entry(sentOn netip.AddrPort) string { return f.at.String() + " -> " + sentOn.String() }

// each runs a test for a frontend of each family and kind, each at a site of its own.
func each(t *testing.T, test func(*node, front, string)) {
	for _, family := range families {
		for _, kind := range kinds {
			t.Run(family+"/"+kind, func(t *testing.T) {
				n := newNode(t)
				test(n, n.front(family, kind), family)
			})
		}
	}
}

func TestAFlowIsServedWhereItsFrontendLeadsNow(t *testing.T) {
	for _, c := range []struct {
		name string
		is   func(n *node, family string) []netip.AddrPort // what was pod0, podPort
		want string
	}{
		{"another endpoint is there", func(n *node, family string) []netip.AddrPort {
			return []netip.AddrPort{n.endpoint(family, 1, podPort)}
		}, "pod1"},
		{"its endpoint serves another port", func(n *node, family string) []netip.AddrPort {
			return []netip.AddrPort{n.endpoint(family, 0, otherPort)}
		}, "pod0"},
		{"no endpoint is there", func(*node, string) []netip.AddrPort { return nil }, "refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			each(t, func(n *node, f front, family string) {
				was, is := n.endpoint(family, 0, podPort), c.is(n, family)
				n.apply(f.to(was)...)
				flow := n.open(n.Client, "udp", f.at)
				flow.wantAnswer("pod0", patience)
				n.apply(f.to(is...)...)
				flow.wantAnswer("pod0", patience) // still; else nothing is tested
				n.wantEntries(UDP, f.entry(was))

				n.delete(1, f.flow(is...))
				flow.wantAnswer(c.want, patience)
				if len(is) > 0 {
					n.wantEntries(UDP, f.entry(is[0]))
				} else {
					n.wantEntries(UDP)
				}
			})
		})
	}
}

func TestAFlowIsServedOnceItsFrontendIsThere(t *testing.T) {
	each(t, func(n *node, f front, family string) {
		flow := n.open(n.Client, "udp", f.at)
		nobody := map[string]string{"an address": "nobody", "a node port": "refused"}[f.kind] // the node itself does that
		flow.wantAnswer(nobody, silence)
		endpoint := n.endpoint(family, 0, podPort)
		n.apply(f.to(endpoint)...)
		flow.wantAnswer(nobody, silence) // still; else nothing is tested
		n.wantEntries(UDP, f.entry(f.at))

		n.delete(1, f.flow(endpoint))
		flow.wantAnswer("pod0", patience)
		n.delete(0, f.flow(endpoint))
	})
}

func TestAFlowGoesOnWhileItsEndpointServes(t *testing.T) {
	each(t, func(n *node, f front, family string) {
		own, other := n.endpoint(family, 0, podPort), n.endpoint(family, 1, podPort)
		n.apply(f.to(own)...)
		flow := n.open(n.Client, "udp", f.at)
		flow.wantAnswer("pod0", patience)
		n.apply(f.to(other)...)
		n.delete(0, f.flow(own, other)) // terminating, say
		flow.wantAnswer("pod0", patience)
		n.wantEntries(UDP, f.entry(own))
	})
}

func TestWhatOthersHaveSentElsewhereGoesOn(t *testing.T) {
	each(t, func(n *node, f front, family string) {
		// Another address, translated on the same port to the same endpoint; and the endpoint itself.
		endpoint := n.endpoint(family, 0, podPort)
		address := netip.AddrPortFrom(external(family).Next(), f.at.Port())
		other := nft.ServiceFrontend(address.Addr(), nft.UDP, address.Port(), nft.Word{Action: nft.Balance(1), List: 1})
		n.apply(append(f.to(endpoint), other)...)
		flows := []flow{n.open(n.Client, "udp", address), n.open(n.Client, "udp", endpoint)}
		for _, flow := range flows {
			flow.wantAnswer("pod0", patience)
		}
		entries := []string{address.String() + " -> " + endpoint.String(), endpoint.String() + " -> " + endpoint.String()}
		n.wantEntries(UDP, entries...)
		n.delete(0, f.flow())
		n.wantEntries(UDP, entries...)
	})
}

func TestTCPIsLeftAlone(t *testing.T) {
	each(t, func(n *node, f front, family string) {
		own, other := n.endpoint(family, 0, podPort), n.endpoint(family, 1, podPort)
		n.apply(f.to(own)...)
		connection := n.open(n.Client, "tcp", f.at)
		connection.wantAnswer("pod0", patience)
		n.apply(f.to(other)...)
		flow := f.flow(other)
		n.delete(0, flow)
		flow.Protocol = tcp
		n.delete(0, flow)
		n.wantEntries(tcp, f.entry(own))
	})
}

func TestTheFlowsOfManyFrontendsAreServedWhereTheyLeadNow(t *testing.T) {
	n := newNode(t)
	var flows []Flow
	var opened []flow
	var frontends []nft.Element
	for _, family := range families {
		for port := range uint16(2 * fewLists) {
			at := netip.AddrPortFrom(external(family), 1000+port)
			frontends = append(frontends, nft.ServiceFrontend(at.Addr(), nft.UDP, at.Port(), nft.Word{Action: nft.Balance(1), List: 1}))
			opened = append(opened, n.open(n.Client, "udp", at))
			flows = append(flows, Flow{
				Protocol: UDP, Addresses: []netip.Addr{at.Addr()}, Port: at.Port(),
				Serving: []netip.AddrPort{n.endpoint(family, 1, podPort)},
			})
		}
	}
	leadTo := func(pod int) {
		elements := slices.Clone(frontends)
		for _, family := range families {
			elements = append(elements, nft.Endpoint(1, 0, n.endpoint(family, pod, podPort)))
		}
		n.apply(elements...)
	}
	leadTo(0)
	for _, f := range opened {
		f.wantAnswer("pod0", patience)
	}
	leadTo(1)
	n.delete(len(flows), flows...)
	for _, f := range opened {
		f.wantAnswer("pod1", patience)
	}
	n.delete(0, flows...)
}

// wantAnswer wants the next packet to be answered by a pod, or "refused", or answered by "nobody".
func (f flow) wantAnswer(want string, timeout time.Duration) {
	f.t.Helper()
	if got := f.ask(timeout); got != want {
		f.t.Errorf("answered by %s, want %s", got, want)
	}
}

// wantEntries wants just these entries.
func (n *node) wantEntries(protocol Protocol, want ...string) {
	n.t.Helper()
	slices.Sort(want)
	if diff := cmp.Diff(want, n.conntrack.entries(n.t, protocol), cmpopts.EquateEmpty()); diff != "" {
		n.t.Errorf("entries (-want +got):\n%s", diff)
	}
}
