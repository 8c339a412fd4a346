package guard

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

func TestWhoHasASayIsTold(t *testing.T) {
	w := newWorld(t)
	w.node(map[string]string{"edge": "true"}, "192.0.2.1")
	w.service(web())
	if s, ok := w.planner.Standing(tcp(30080)); !ok || s.Pool != "" || len(s.Policies)+len(s.Places) > 0 {
		t.Errorf("an open port: %+v", s)
	}
	w.pool("street", pool(30000, 30099, peer("203.0.0.0/16")))
	w.access("shop/elsewhere", forApp("web").onNodes(map[string]string{"edge": "false"}))
	w.access("shop/office", forApp("web").from("203.0.113.0/24", "203.0.113.7/32"))
	w.access("shop/wired", forApp("web").by("eth1"))
	want := Standing{
		Service: named("shop/web"), Pool: "street", Policies: []string{"elsewhere", "office", "wired"},
		Places: []Place{
			{Policies: []string{"office"}, Entries: 2},
			{Address: ip("192.0.2.1"), Interface: "eth1", Policies: []string{"office", "wired"}, Entries: 1},
		},
	}
	got, _ := w.planner.Standing(tcp(30080))
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if _, ok := w.planner.Standing(nft.Port{Protocol: nft.UDP, Number: 30080}); ok {
		t.Error("a port that nobody has")
	}
	if got, want := w.planner.Tally(), (Tally{Ports: 1, Guarded: 1, Lists: 2, Entries: 3}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
