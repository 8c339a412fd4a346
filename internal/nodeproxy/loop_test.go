package nodeproxy

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/conntrack"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/node"
	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestServicesAreServedAsTheyComeAndGo(t *testing.T) {
	inWorld(t, func(w *world) {
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.start()
		w.wantHeld(true, "10.96.0.10 . tcp . 80 : pick-1", "tcp . 30080 : pick-1", "10.244.1.1 . 8080", "192.0.2.1", "10.96.0.0/16")
		w.serve("shop/web", "10.244.1.1", "10.244.1.2")
		w.put("shop/api", "10.96.0.11", 30081)
		w.pass(0)
		w.wantHeld(true, "10.96.0.10 . tcp . 80 : pick-2", "10.244.1.2 . 8080", "10.96.0.11 . tcp . 80 : refuse")
		w.clear("shop/web")
		w.pass(0)
		w.wantHeld(false, "10.96.0.10", "30080", "8080")
	})
}

func TestNothingIsWrittenBeforeAllIsRead(t *testing.T) {
	for name, unread := range map[string]func(*world){
		"Services":       func(w *world) { w.services.fail(errNoModule) },
		"EndpointSlices": func(w *world) { w.slices.fail(errNoModule) },
		"the node":       func(w *world) { w.node = newFakeNode() },
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
				unread(w)
				w.start()
				w.pass(time.Hour)
				if calls := w.fake.Calls(); len(calls) > 0 {
					t.Errorf("calls: %v", calls)
				}
			})
		})
	}
}

func TestTheFirstChangeWaitsAWhileForWhatIsMissingOfTheNode(t *testing.T) {
	inWorld(t, func(w *world) {
		v := view()
		v.Missing = []string{"the ServiceCIDRs"}
		w.node.become(v)
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.start()
		w.pass(nodeWait - time.Second)
		w.wantHeld(false, "10.96.0.10")
		w.pass(2 * time.Second)
		w.wantHeld(true, "10.96.0.10 . tcp . 80 : pick-1")
	})
	inWorld(t, func(w *world) {
		v := view()
		v.Missing, v.Known = []string{"the Node object"}, false
		w.node.become(v)
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.start()
		w.pass(time.Hour)
		w.wantHeld(false, "10.96.0.10")
		w.node.become(view())
		w.pass(0)
		w.wantHeld(true, "10.96.0.10 . tcp . 80 : pick-1")
	})
	inWorld(t, func(w *world) {
		v := view()
		v.Missing = []string{"the ServiceCIDRs"}
		w.node.become(v)
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.start()
		w.node.become(view())
		w.pass(0)
		w.wantHeld(true, "10.96.0.10 . tcp . 80 : pick-1")
	})
}

func TestWhatTheNodeBecomesIsFollowed(t *testing.T) {
	inWorld(t, func(w *world) {
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.slices.Modify(st.MakeSlice("shop/web", "b").Port("", 8080).Endpoint("10.244.2.1", st.ForZones("zone-b")).Endpoint("10.244.1.9", st.ForZones("zone-a")).Obj())
		w.clear("shop/api")
		w.slices.Delete(st.MakeSlice("shop/web", "a").Obj())
		w.start()
		w.wantHeld(true, "10.244.1.9 . 8080")
		w.wantHeld(false, "10.244.2.1 . 8080", "198.51.100.1")
		v := view()
		v.Node.Zone = "zone-b"
		v.Network.NodePortIPs = []netip.Addr{ip("198.51.100.1")}
		v.Network.ServiceCIDRs = append(v.Network.ServiceCIDRs, netip.MustParsePrefix("10.97.0.0/16"))
		w.node.become(v)
		w.pass(0)
		w.wantHeld(true, "10.244.2.1 . 8080", "198.51.100.1", "10.97.0.0/16")
		w.wantHeld(false, "10.244.1.9 . 8080", "192.0.2.1")
	})
}

func TestRulesFollowFlagsAndWhetherPodsAreKnown(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		if want := (nft.Rules{IPv4: nft.MasqueradeOutside, IPv6: nft.MasqueradeNone}); w.fake.Rules() != want {
			t.Errorf("got %+v", w.fake.Rules())
		}
		v := view()
		v.PodsKnown = node.Families{IPv4: true, IPv6: true}
		w.node.become(v)
		w.pass(0)
		if want := (nft.Rules{}); w.fake.Rules() != want {
			t.Errorf("once pods are known: %+v", w.fake.Rules())
		}
		w.stop()
		w.options.MasqueradeAll = true
		w.start()
		if want := (nft.Rules{IPv4: nft.MasqueradeAll, IPv6: nft.MasqueradeAll}); w.fake.Rules() != want {
			t.Errorf("--masquerade-all: %+v", w.fake.Rules())
		}
	})
}

func TestARestartWritesOnlyWhatHasChangedMeanwhile(t *testing.T) {
	inWorld(t, func(w *world) {
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1", "10.244.1.2", "10.244.1.3")
		w.put("shop/api", "10.96.0.11", 30081, "10.244.1.4")
		w.start()
		before := w.fake.Table()
		w.stop()
		w.start()
		if c := nft.Diff(before, w.fake.Table()); !c.Empty() {
			t.Errorf("nothing has changed, and it has %v deleted and %v added", c.Delete, c.Add)
		}
		w.stop()
		w.clear("shop/api")
		w.start()
		w.wantHeld(false, "10.96.0.11", "10.244.1.4", "30081")
		for key, value := range w.fake.Table() {
			if before[key] != value {
				t.Errorf("%s was not there before", nft.Element{Key: key, Value: value})
			}
		}
	})
}

func TestOnlyTheKernelsNumbersAreReported(t *testing.T) {
	inWorld(t, func(w *world) {
		w.put("shop/web", "10.96.0.10", 30080, "10.244.1.1")
		w.start()
		w.fake.Fail(failing(unix.ENOBUFS, "Apply", "Install"), nil)
		w.put("shop/api", "10.96.0.11", 30081, "10.244.1.2")
		w.clear("shop/web")
		w.pass(time.Second)
		if got := w.agent.Status().NodePorts; !slices.Equal(got, []uint16{30080}) {
			t.Errorf("while the kernel refuses: %v", got)
		}
		w.fake.Fail(nil, nil)
		w.pass(35 * time.Second)
		if got := w.agent.Status().NodePorts; !slices.Equal(got, []uint16{30081}) {
			t.Errorf("then: %v", got)
		}
	})
}

func TestANodeIsEligibleOnceItIsProgrammed(t *testing.T) {
	inWorld(t, func(w *world) {
		w.fake.Fail(failing(unix.ENOBUFS, "Install"), nil)
		w.start()
		if w.agent.eligible() {
			t.Error("it is, though the kernel has nothing")
		}
		w.fake.Fail(nil, nil)
		w.pass(time.Second)
		if !w.agent.eligible() {
			t.Error("it is not")
		}
	})
}

func TestUDPFlowsToAnAddressThatGetsNodePortsAreLookedAt(t *testing.T) {
	inWorld(t, func(w *world) {
		w.services.Modify(st.MakeService("kube-system/dns").ClusterIPs("10.96.0.10").NodePort(53, 30053, st.UDP, st.Named("dns")).Obj())
		w.slices.Modify(st.MakeSlice("kube-system/dns", "a").Port("dns", 53, st.UDP).Endpoint("10.244.1.1").Obj())
		w.start()
		w.pass(time.Minute)
		w.flows.forgotten()
		v := view()
		v.Network.NodePortIPs = append(v.Network.NodePortIPs, ip("192.0.2.2"))
		w.node.become(v)
		w.pass(0)
		if got := w.flows.forgotten(); len(got) != 1 || !slices.Contains(got[0].Addresses, ip("192.0.2.2")) || len(got[0].Serving) != 1 {
			t.Errorf("looked at: %+v", got)
		}
	})
}

// A look takes a while, and flows that begin meanwhile to an endpoint that it does not know of would be taken for stale.
func TestAnEndpointServesNoFlowsWhileThoseOfBeforeAreLookedAt(t *testing.T) {
	serve := func(w *world, endpoints ...string) {
		slice := st.MakeSlice("kube-system/dns", "a").Port("dns", 53, st.UDP)
		for _, e := range endpoints {
			slice.Endpoint(e)
		}
		w.slices.Modify(slice.Obj())
	}
	inWorld(t, func(w *world) {
		w.flows.take(100 * time.Millisecond)
		w.services.Modify(st.MakeService("kube-system/dns").ClusterIPs("10.96.0.10").Port(53, st.UDP, st.Named("dns")).Obj())
		serve(w, "10.244.1.1")
		w.start()
		w.pass(10 * time.Second)
		serve(w) // none: its flows are looked at
		w.pass(10 * time.Millisecond)
		serve(w, "10.244.1.2")
		w.pass(10 * time.Millisecond)
		w.wantHeld(false, "10.244.1.2 . 53")
		w.pass(100 * time.Millisecond)
		w.wantHeld(true, "10.244.1.2 . 53")
		serve(w, "10.244.1.3")
		w.pass(10 * time.Millisecond)
		w.put("shop/web", "10.96.0.11", 30080, "10.244.1.4") // has nothing to wait for
		w.pass(0)
		w.wantHeld(true, "10.244.1.3 . 53", "10.244.1.4 . 8080")
	})
}

func TestFlowsToWhatHasGoneAreForgottenTogether(t *testing.T) {
	inWorld(t, func(w *world) {
		udp := func(endpoint string) {
			w.services.Modify(st.MakeService("kube-system/dns").ClusterIPs("10.96.0.10", "fd00:96::a").NodePort(53, 30053, st.UDP, st.Named("dns")).Obj())
			w.slices.Modify(st.MakeSlice("kube-system/dns", "a").Port("dns", 53, st.UDP).Endpoint(endpoint).Obj())
		}
		udp("10.244.1.1")
		w.start()
		w.flows.forgotten()
		udp("10.244.1.2")
		w.pass(0)
		forgotten := w.flows.forgotten()
		if len(forgotten) != 2 {
			t.Fatalf("got %+v", forgotten)
		}
		for _, f := range forgotten {
			if want := []netip.AddrPort{netip.MustParseAddrPort("10.244.1.2:53")}; !slices.Equal(f.Serving, want) {
				t.Errorf("%+v does not say what serves", f)
			}
			if f.Port == 30053 && !slices.Equal(f.Addresses, []netip.Addr{ip("192.0.2.1")}) {
				t.Errorf("%+v has not the node's addresses of its family", f)
			}
		}
		w.clear("kube-system/dns")
		w.pass(0)
		forgotten = slices.DeleteFunc(w.flows.forgotten(), func(f conntrack.Flow) bool { return !f.Gone })
		if len(forgotten) != 4 {
			t.Errorf("when it has gone: %+v", forgotten)
		}
	})
}
