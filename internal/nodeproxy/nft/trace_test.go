package nft

import (
	"net/netip"
	"testing"
	"time"
)

func TestTraceKnowsPodsByTheirInterfaces(t *testing.T) {
	service := netip.MustParseAddr("10.96.0.1")
	table := NewTable(
		ClusterIP(service), ServiceFrontend(service, TCP, 80, Word{Balance(1), 1}),
		Endpoint(1, 0, netip.MustParseAddrPort("10.0.0.1:80")),
		PodInterface("veth*"), PodInterface("cni0"),
	)
	for name, want := range map[string]bool{"veth12": false, "veth": false, "cni0": false, "cni01": true, "eth0": true, "": true} {
		o := table.Trace(Packet{From: netip.MustParseAddr("10.0.0.9"), To: netip.AddrPortFrom(service, 80), Protocol: TCP, Interface: name}, Rules{})
		if len(o.To) != 1 || o.To[0].Masqueraded != want {
			t.Errorf("by %q it is %s; masqueraded: want %t", name, o, want)
		}
	}
}

func TestTraceOfATableWithGaps(t *testing.T) {
	service := netip.MustParseAddr("10.96.0.1")
	to := netip.MustParseAddrPort("10.0.0.1:80")
	packet := Packet{From: netip.MustParseAddr("10.0.0.9"), To: netip.AddrPortFrom(service, 80), Protocol: TCP, Interface: "eth0"}
	for _, c := range []struct {
		name     string
		elements []Element
		want     string
	}{
		{"a slot lacks", []Element{ServiceFrontend(service, TCP, 80, Word{Balance(2), 1}), Endpoint(1, 0, to)}, "sent to 10.0.0.1:80, 10.0.0.1:80"},
		{"the list lacks", []Element{ServiceFrontend(service, TCP, 80, Word{Balance(2), 1})}, "dropped"},
		{"a sticky slot lacks", []Element{ServiceFrontend(service, TCP, 80, Word{Stick(2, time.Hour), 1}), StickySlot(1, 0, 2), Endpoint(2, 0, to)}, "sent to 10.0.0.1:80, 10.0.0.1:80"},
		{"a sticky endpoint lacks", []Element{ServiceFrontend(service, TCP, 80, Word{Stick(2, time.Hour), 1}), StickySlot(1, 0, 2)}, "dropped"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := NewTable(c.elements...).Trace(packet, Rules{}).String(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestTraceSaysWhatTheGuardGrants(t *testing.T) {
	node, prefix := netip.MustParseAddr("192.0.2.1"), netip.MustParsePrefix
	table := NewTable(
		NodePortAddress(node), Use(TCP, 30001), Use(TCP, 30002),
		Guarded(IPv4, TCP, 30001, 1), GuardedAt(TCP, 30001, "eth1", node, 2), GuardedAt(TCP, 30001, "", node, 3),
		Grant(1, prefix("0.0.0.0/0"), Pass()),
		Grant(2, prefix("10.0.0.0/8"), Limit(5, 10)), Grant(2, prefix("10.1.0.0/16"), Pass()), Grant(2, prefix("10.1.2.0/24"), Deny()),
		NodePort(IPv4, TCP, 30001, Word{Balance(1), 1}), Endpoint(1, 0, netip.MustParseAddrPort("10.244.0.2:80")),
	)
	for _, c := range []struct {
		name, from, to, by string
		toNode             bool
		grant              Action
		want               string
	}{
		{"the longest prefix", "10.1.2.3", "192.0.2.1:30001", "eth1", false, Deny(), "refused"},
		{"the next one", "10.1.3.3", "192.0.2.1:30001", "eth1", false, Pass(), "sent to 10.244.0.2:80"},
		{"a limit", "10.2.3.3", "192.0.2.1:30001", "eth1", false, Limit(5, 10), "sent to 10.244.0.2:80"},
		{"no prefix", "11.0.0.1", "192.0.2.1:30001", "eth1", false, Deny(), "refused"},
		{"another interface", "10.1.3.3", "192.0.2.1:30001", "eth0", false, Deny(), "refused"},
		{"another address of the node", "10.1.3.3", "192.0.2.9:30001", "eth0", true, Pass(), "passed"},
		{"another address of the node, closed", "10.1.3.3", "192.0.2.9:30003", "eth0", true, Deny(), "refused"},
		{"what passes through", "10.1.3.3", "192.0.2.9:30003", "eth0", false, Action{}, "passed"},
		{"from the node", "11.0.0.1", "192.0.2.1:30001", "", true, Action{}, "sent to 10.244.0.2:80"},
		{"a port that is not guarded", "11.0.0.1", "192.0.2.1:30002", "eth0", false, Action{}, "passed"},
		{"an interface that cannot be", "10.1.2.3", "192.0.2.1:30001", "a name that is too long", false, Deny(), "refused"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := Packet{From: netip.MustParseAddr(c.from), To: netip.MustParseAddrPort(c.to), Protocol: TCP, Interface: c.by, ToNode: c.toNode}
			got := table.Trace(p, Rules{Closed: PortRange{30000, 30010}})
			if got.Grant != c.grant || got.String() != c.want {
				t.Errorf("it is %s, granted %s; want %s, %s", got, got.Grant, c.want, c.grant)
			}
		})
	}
}
