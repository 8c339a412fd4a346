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
