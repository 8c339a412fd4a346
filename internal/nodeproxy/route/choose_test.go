package route

import (
	"testing"

	discoveryv1 "k8s.io/api/discovery/v1"

	st "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// The cases are those of kube-proxy's CategorizeEndpoints, asked of a Service that uses both policies.
func TestTrafficGoesWhereItsPolicyTheConditionsAndTheHintsSay(t *testing.T) {
	const (
		a, b, c, d     = "10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"
		toA, toB, toC  = a + ":8080", b + ":8080", c + ":8080"
		refuse, nobody = "refuse", "discard"
	)
	for _, tc := range []struct {
		name           string
		endpoints      func(*st.Slice)
		cluster, local string
	}{
		{"no endpoint at all", func(*st.Slice) {}, refuse, refuse},
		{"ready ones here and elsewhere", func(s *st.Slice) {
			s.Endpoint(a, st.OnNode("node-1")).Endpoint(b, st.OnNode("node-2"))
		}, toA + " " + toB, toA},
		{"ready ones elsewhere alone", func(s *st.Slice) {
			s.Endpoint(b, st.OnNode("node-2"))
		}, toB, nobody},
		{"one of no node is nobody's own", func(s *st.Slice) {
			s.Endpoint(a)
		}, toA, nobody},
		{"unready ones", func(s *st.Slice) {
			s.Endpoint(a, on("node-1", st.Unready)...).Endpoint(b, on("node-2", st.Unready)...)
		}, refuse, refuse},
		{"conditions that are not said", func(s *st.Slice) {
			s.Endpoint(a, on("node-1", st.Unsaid)...)
		}, toA, toA},
		{"ready ones before lasting ones", func(s *st.Slice) {
			s.Endpoint(a, on("node-1", st.Lasting)...).Endpoint(b, st.OnNode("node-2"))
		}, toB, toA},
		{"lasting ones where none is ready", func(s *st.Slice) {
			s.Endpoint(a, on("node-1", st.Lasting)...).Endpoint(b, on("node-2", st.Lasting)...).Endpoint(c, on("node-1", st.Ending)...)
		}, toA + " " + toB, toA},
		{"lasting ones elsewhere alone", func(s *st.Slice) {
			s.Endpoint(a, on("node-1", st.Ending)...).Endpoint(b, on("node-2", st.Lasting)...)
		}, toB, nobody},
		{"ready ones here before lasting ones here", func(s *st.Slice) {
			s.Endpoint(a, on("node-1", st.Lasting)...).Endpoint(b, on("node-1")...)
		}, toB, toB},
		{"ending ones alone", func(s *st.Slice) {
			s.Endpoint(a, on("node-1", st.Ending)...)
		}, refuse, refuse},
		{"zone hints", func(s *st.Slice) {
			s.Endpoint(a, st.ForZones("zone-a")).Endpoint(b, st.ForZones("zone-b")).Endpoint(c, st.ForZones("zone-b", "zone-a"))
		}, toA + " " + toC, nobody},
		{"zone hints do not concern the Local policy", func(s *st.Slice) {
			s.Endpoint(a, on("node-1", st.ForZones("zone-b"))...).Endpoint(b, on("node-2", st.ForZones("zone-a"))...)
		}, toB, toA},
		{"zone hints of which one is missing", func(s *st.Slice) {
			s.Endpoint(a, st.ForZones("zone-a")).Endpoint(b)
		}, toA + " " + toB, nobody},
		{"zone hints, the one that is missing being of an unready endpoint", func(s *st.Slice) {
			s.Endpoint(a, st.ForZones("zone-a")).Endpoint(b, st.ForZones("zone-b")).Endpoint(c, st.Unready)
		}, toA, nobody},
		{"zone hints for other zones alone", func(s *st.Slice) {
			s.Endpoint(a, st.ForZones("zone-b")).Endpoint(b, st.ForZones("zone-c"))
		}, toA + " " + toB, nobody},
		{"the only one hinted for the zone is unready", func(s *st.Slice) {
			s.Endpoint(a, st.Unready, st.ForZones("zone-a")).Endpoint(b, st.ForZones("zone-b"))
		}, toB, nobody},
		{"zone hints where none is ready", func(s *st.Slice) {
			s.Endpoint(a, st.Lasting, st.ForZones("zone-a")).Endpoint(b, st.Lasting, st.ForZones("zone-b"))
		}, toA + " " + toB, nobody},
		{"node hints before zone hints", func(s *st.Slice) {
			s.Endpoint(a, st.ForNodes("node-1"), st.ForZones("zone-a")).Endpoint(b, st.ForNodes("node-2"), st.ForZones("zone-a"))
		}, toA, nobody},
		{"zone hints where no node hint names this node", func(s *st.Slice) {
			s.Endpoint(a, st.ForNodes("node-2"), st.ForZones("zone-a")).Endpoint(b, st.ForNodes("node-3"), st.ForZones("zone-b"))
		}, toA, nobody},
		{"zone hints where a node hint is missing", func(s *st.Slice) {
			s.Endpoint(a, st.ForNodes("node-1"), st.ForZones("zone-b")).Endpoint(b, st.ForZones("zone-a"))
		}, toB, nobody},
		{"node hints alone, one missing", func(s *st.Slice) {
			s.Endpoint(a, st.ForNodes("node-1")).Endpoint(b)
		}, toA + " " + toB, nobody},
		{"an address twice: the one that does not terminate", func(s *st.Slice) {
			s.Endpoint(a, on("node-1", st.Lasting)...).Endpoint(a, on("node-1")...).Endpoint(a, on("node-1", st.Ending)...)
		}, toA, toA},
		{"an address twice: unready, but it does not terminate", func(s *st.Slice) {
			s.Endpoint(a, on("node-1", st.Unready)...).Endpoint(a, on("node-1", st.Lasting)...)
		}, refuse, refuse},
		{"an address twice, both published whatever their state: the one that does not terminate", func(s *st.Slice) {
			s.Endpoint(a, on("node-1", st.Lasting, func(e *discoveryv1.Endpoint) { e.Conditions.Ready = new(true) })...).Endpoint(a, on("node-2", st.Unready)...)
		}, refuse, refuse},
		{"an address twice, neither terminating: the ready one", func(s *st.Slice) {
			s.Endpoint(a, on("node-1", st.Unready)...).Endpoint(a, on("node-1")...)
		}, toA, toA},
		{"what is no address, or of the other family", func(s *st.Slice) {
			s.Endpoint("a.example").Endpoint("fd00::1").Endpoint("").Endpoint(d, st.OnNode("node-2"))
		}, d + ":8080", nobody},
		{"leading zeros are decimal", func(s *st.Slice) {
			s.Endpoint("010.00.0.09", st.OnNode("node-1"))
		}, "10.0.0.9:8080", "10.0.0.9:8080"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, slice := web()
			tc.endpoints(slice)
			svc := st.MakeService("shop/web").ClusterIPs("10.96.0.10").NodePort(80, 30080, st.Named("http")).LocalTraffic()
			got := routes(planOf(svc, slice))
			if cluster := got["10.96.0.10:80/tcp"]; cluster != tc.cluster {
				t.Errorf("Cluster policy: got %s, want %s", cluster, tc.cluster)
			}
			if local, want := got["IPv4 node port 30080/tcp"], tc.local+", inside: "+tc.cluster; local != want {
				t.Errorf("Local policy: got %s, want %s", local, want)
			}
		})
	}
}

func TestANodeWithoutAZoneIgnoresZoneHints(t *testing.T) {
	svc, slice := web()
	slice.Endpoint("10.0.0.1", st.ForZones("zone-a")).Endpoint("10.0.0.2", st.ForZones("zone-b"))
	plan := Service(svc.Obj(), objects([]*st.Slice{slice}), Node{Name: "node-1"}, everything)
	if got := routes(plan)["10.96.0.10:80/tcp"]; got != "10.0.0.1:8080 10.0.0.2:8080" {
		t.Errorf("got %s", got)
	}
}
