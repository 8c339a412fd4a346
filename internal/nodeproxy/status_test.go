package nodeproxy

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/nodeproxy/clash"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
	"github.com/portolan-dev/portolan/internal/selection"
)

var monday = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// statusCases are what a node-proxy may have come to, what it says of it and what it reports.
var statusCases = []struct {
	name   string
	status Status
	want   string
	// ready and programmed are reason and message; empty: it is not reported.
	ready, programmed [2]string
}{
	{"before all is read", Status{Now: monday, Selection: labelled}, `
Node node-1 serves the Services with the label service.kubernetes.io/service-proxy-name=portolan.
  0 Services with 0 frontends and 0 endpoints.
  0 node ports on no address of this node.
  The kernel is not programmed yet.
`, [2]string{}, [2]string{}},
	{"in step", inStep(), `
Node node-1 serves all Services but those that a label gives to another proxy.
  1 Service with 3 frontends and 1 endpoint.
  1 node port on 192.0.2.1 and 2001:db8::1.
  The kernel is in step; the last change was 119s ago and took 1.23ms.
`, [2]string{"Serving", "Node ports are served."}, [2]string{"InSync", "The kernel has what the API server says."}},
	{"failing", inStep(func(s *Status) {
		s.Failure, s.FailingSince = errors.New("nf_tables: no buffer space available"), monday.Add(-30*time.Second)
	}), `
Node node-1 serves all Services but those that a label gives to another proxy.
  1 Service with 3 frontends and 1 endpoint.
  1 node port on 192.0.2.1 and 2001:db8::1.
  The node is out of step for 30s: nf_tables: no buffer space available
`, [2]string{"NotProgrammed", "The node is out of step, and it is tried again: nf_tables: no buffer space available"},
		[2]string{"Failing", "The node is out of step, and it is tried again: nf_tables: no buffer space available"}},
	{"in trouble with some Services", inStep(func(s *Status) {
		web, api := types.NamespacedName{Namespace: "shop", Name: "web"}, types.NamespacedName{Namespace: "shop", Name: "api"}
		s.Unplanned = []types.NamespacedName{api}
		for _, family := range []nft.Family{nft.IPv6, nft.IPv4} { // in whatever order
			s.Conflicts = append(s.Conflicts, route.Conflict{Winner: web, Loser: api, Frontend: route.Frontend{Family: family, Protocol: nft.TCP, Port: 30080}})
		}
		s.Shared = true
	}), `
Node node-1 serves all Services but those that a label gives to another proxy.
  1 Service with 3 frontends and 1 endpoint.
  1 node port on 192.0.2.1 and 2001:db8::1.
  The kernel is in step; the last change was 119s ago and took 1.23ms.
  Others can change its table on this node, so it is looked at every 30s.
  There is no room for shop/api.
  shop/api wants IPv4 node port 30080/tcp, which shop/web has.
  shop/api wants IPv6 node port 30080/tcp, which shop/web has.
`, [2]string{"NotProgrammed", "There is no room for 1 Service, such as shop/api."}, [2]string{"Failing", "There is no room for 1 Service, such as shop/api."}},
	{"without an address", inStep(func(s *Status) { s.View.Network.NodePortIPs = nil }), `
Node node-1 serves all Services but those that a label gives to another proxy.
  1 Service with 3 frontends and 1 endpoint.
  1 node port on no address of this node.
  The kernel is in step; the last change was 119s ago and took 1.23ms.
`, [2]string{"NoAddress", "The node has none of the addresses that --nodeport-addresses asks for; link-local ones do not count."}, [2]string{"InSync", "The kernel has what the API server says."}},
	{"with a link-local address alone", inStep(func(s *Status) { s.View.Network.NodePortIPs = []netip.Addr{netip.MustParseAddr("fe80::1")} }), `
Node node-1 serves all Services but those that a label gives to another proxy.
  1 Service with 3 frontends and 1 endpoint.
  1 node port on fe80::1.
  The kernel is in step; the last change was 119s ago and took 1.23ms.
`, [2]string{"NoAddress", "The node has none of the addresses that --nodeport-addresses asks for; link-local ones do not count."}, [2]string{"InSync", "The kernel has what the API server says."}},
	{"serving nothing on a node that goes", inStep(func(s *Status) {
		s.Selection, s.Tally, s.NodePorts, s.View.Leaving = selection.Selection{Mode: v1alpha1.ProxyModeNone}, route.Tally{}, nil, true
	}), `
Node node-1 serves no Services.
  0 Services with 0 frontends and 0 endpoints.
  0 node ports on 192.0.2.1 and 2001:db8::1.
  The kernel is in step; the last change was 119s ago and took 1.23ms.
`, [2]string{"NodeLeaving", "The node is about to go."}, [2]string{"InSync", "The kernel has what the API server says."}},
}

var labelled = selection.Selection{Mode: v1alpha1.ProxyModeLabelled, ProxyName: "portolan"}

// inStep is a status without trouble, but for what changes do.
func inStep(changes ...func(*Status)) Status {
	s := Status{
		View:      view(),
		Selection: selection.Selection{Mode: v1alpha1.ProxyModeAll, ProxyName: "portolan"},
		Tally:     route.Tally{Services: 1, Ports: 1, IPv4: route.FamilyTally{Frontends: 2, Endpoints: 1}, IPv6: route.FamilyTally{Frontends: 1}},
		NodePorts: []uint16{30080},
		LastSync:  monday.Add(-2*time.Minute + 5*time.Millisecond),
		Took:      1234 * time.Microsecond,
		Now:       monday,
	}
	for _, change := range changes {
		change(&s)
	}
	return s
}

func TestTheStatusInWords(t *testing.T) {
	for _, tc := range statusCases {
		tc.status.View.Node.Name = "node-1"
		if diff := cmp.Diff(strings.TrimPrefix(tc.want, "\n"), tc.status.String()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tc.name, diff)
		}
	}
}

func TestTheConditionsThatAreReported(t *testing.T) {
	for _, tc := range statusCases {
		if tc.ready[0] == "" {
			continue
		}
		want := []metav1.Condition{
			{Type: "Ready", Status: "False", Reason: tc.ready[0], Message: tc.ready[1]},
			{Type: "Programmed", Status: "False", Reason: tc.programmed[0], Message: tc.programmed[1]},
		}
		for i, good := range []string{v1alpha1.NodeStateReasonServing, v1alpha1.NodeStateReasonInSync} {
			if want[i].Reason == good {
				want[i].Status = "True"
			}
		}
		if diff := cmp.Diff(want, tc.status.report("v1.2.3").Conditions); diff != "" {
			t.Errorf("%s (-want +got)\n%s", tc.name, diff)
		}
	}
}

func TestWhatIsReportedBesideConditions(t *testing.T) {
	s := inStep(func(s *Status) {
		s.NodePorts = []uint16{30000, 30001, 30002, 30080}
		s.View.Network.NodePortIPs = nil
		for i := range reportedAddresses + 10 {
			s.View.Network.NodePortIPs = append(s.View.Network.NodePortIPs, netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}))
		}
	})
	got := s.report("v1.2.3")
	if len(got.Addresses) != reportedAddresses || got.Addresses[0] != "10.0.0.0" {
		t.Errorf("addresses: %v", got.Addresses)
	}
	want := v1alpha1.NodePortNodeStateStatus{
		Mode: v1alpha1.ProxyModeAll, ServiceProxyName: "portolan", ProxyVersion: "v1.2.3", Services: 1, Ports: 1,
		NodePorts: "30000-30002,30080",
		// As the API server keeps it: else a report would differ from itself.
		LastSync: &v1alpha1.LastSync{Time: metav1.NewTime(monday.Add(-2 * time.Minute)), Milliseconds: 1},
	}
	ignored := cmpopts.IgnoreFields(want, "Conditions", "Addresses")
	if diff := cmp.Diff(want, got, ignored); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got := (Status{}).report("").LastSync; got != nil {
		t.Errorf("before the first sync: %v", got)
	}
}

func TestWhatIsSaidOfTheGuardAndOfClashes(t *testing.T) {
	s := inStep(func(s *Status) {
		s.Guards = &Guards{Version: "7", Policies: 2, Ceilings: 1, Closed: nft.PortRange{First: 30000, Last: 32767}}
		s.ReserveFailure = errors.New("net.ipv4.ip_local_reserved_ports stays as it is: read-only file system")
		s.Clashes = &clash.Report{Clashes: []clash.Clash{
			{Clash: v1alpha1.Clash{NodePort: 30080, Protocol: "TCP", Kind: v1alpha1.ClashHostListener}, OfService: true},
			{Clash: v1alpha1.Clash{NodePort: 30090, Protocol: "UDP", Kind: v1alpha1.ClashHostPort, Process: "games/arena-0"}},
			{Clash: v1alpha1.Clash{NodePort: 30080, Protocol: "TCP", Kind: v1alpha1.ClashEphemeral}, OfService: true},
		}}
	})
	_, got, _ := strings.Cut(s.String(), "took 1.23ms.\n")
	const want = `  Who may reach node ports is said by 2 objects of NodePortAccess and the access of 1 pool.
  Numbers from 30000 to 32767 that no Service and no pod has are closed.
  --reserve-ephemeral has no effect: net.ipv4.ip_local_reserved_ports stays as it is: read-only file system
  A process listens on TCP 30080, which is a node port of a Service: one of the two does not get its traffic.
  Pod games/arena-0 has the hostPort UDP 30090, which is not handed out.
  Outgoing connections may have TCP 30080, which is a node port of a Service: they may get each other's packets.
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	s.Clashes = &clash.Report{Clashes: slices.Repeat(s.Clashes.Clashes, 4)}
	if !strings.HasSuffix(s.String(), "  And 2 more clashes.\n") {
		t.Errorf("of many it says:\n%s", s)
	}
}

func TestNothingIsReportedBeforeTheNodeIsKnown(t *testing.T) {
	inWorld(t, func(w *world) {
		w.assemble()
		if s, ok := w.agent.reportState(); ok {
			t.Errorf("got %+v", s)
		}
		w.start()
		s, ok := w.agent.reportState()
		if !ok || s.NodeUID != "uid-of-node-1" || s.Status.Mode != v1alpha1.ProxyModeAll {
			t.Errorf("got %+v, %v", s, ok)
		}
	})
}

func TestNumbersThatAreServedFollowTheirServices(t *testing.T) {
	s := newServed()
	plan := func(health uint16, ports ...uint16) route.Plan {
		p := route.Plan{HealthCheck: route.HealthCheck{Port: health}}
		for _, port := range ports {
			p.Routes = append(p.Routes,
				route.Route{Frontend: route.Frontend{Port: port}},
				route.Route{Frontend: route.Frontend{Addr: ip("10.96.0.10"), Port: 80}})
		}
		return p
	}
	web, api := types.NamespacedName{Name: "web"}, types.NamespacedName{Name: "api"}
	for _, step := range []struct {
		name types.NamespacedName
		plan route.Plan
		want []uint16
	}{
		{web, plan(0), nil},
		{web, plan(0, 30081, 30080), []uint16{30080, 30081}},
		{api, plan(30500, 30080), []uint16{30080, 30081, 30500}}, // over another protocol
		{web, plan(0), []uint16{30080, 30500}},
		{api, plan(0), nil},
	} {
		s.set(step.name, step.plan)
		if diff := cmp.Diff(step.want, s.numbers(), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("after %s: (-want +got)\n%s", step.name, diff)
		}
	}
}
