package serviceports

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func TestCarryOverKeepsALivePortWhereItIs(t *testing.T) {
	for _, tc := range []struct {
		name          string
		live, updated *Service
		want          *Service // nil: as updated
	}{
		{
			name:    "an entry whose number is left out gets it back",
			live:    MakeService("a/b").NodePort(80, 30080),
			updated: MakeService("a/b").NodePort(80, 0),
			want:    MakeService("a/b").NodePort(80, 30080),
		},
		{
			name:    "an entry of another `port` and the same name keeps the number",
			live:    MakeService("a/b").NodePort(80, 30080, Named("http")).NodePort(443, 30443, Named("https")),
			updated: MakeService("a/b").NodePort(443, 0, Named("https")).NodePort(8080, 0, Named("http")),
			want:    MakeService("a/b").NodePort(443, 30443, Named("https")).NodePort(8080, 30080, Named("http")),
		},
		{
			name:    "a renamed entry keeps the number of its protocol and `port`",
			live:    MakeService("a/b").NodePort(80, 30080, Named("http")).NodePort(443, 30443, Named("https")),
			updated: MakeService("a/b").NodePort(80, 0, Named("web")).NodePort(443, 0, Named("https")),
			want:    MakeService("a/b").NodePort(80, 30080, Named("web")).NodePort(443, 30443, Named("https")),
		},
		{
			name:    "entries that got names when a second came keep their numbers",
			live:    MakeService("a/b").NodePort(80, 30080),
			updated: MakeService("a/b").NodePort(443, 0, Named("https")).NodePort(80, 0, Named("http")),
			want:    MakeService("a/b").NodePort(443, 0, Named("https")).NodePort(80, 30080, Named("http")),
		},
		{
			name:    "where name and `port` disagree the name decides, as natively",
			live:    MakeService("a/b").NodePort(80, 30080, Named("web")).NodePort(8080, 30081, Named("admin")),
			updated: MakeService("a/b").NodePort(8080, 0, Named("web")).NodePort(9090, 0, Named("admin")),
			want:    MakeService("a/b").NodePort(8080, 30080, Named("web")).NodePort(9090, 30081, Named("admin")),
		},
		{
			name:    "an explicit number is left alone",
			live:    MakeService("a/b").NodePort(80, 30080),
			updated: MakeService("a/b").NodePort(80, 30099),
		},
		{
			name:    "a number that went to another entry is not given twice",
			live:    MakeService("a/b").NodePort(80, 30080, Named("http")),
			updated: MakeService("a/b").NodePort(80, 0, Named("http")).NodePort(443, 30080, Named("https")),
		},
		{
			name:    "nor twice when one entry has its name now and another its `port`",
			live:    MakeService("a/b").NodePort(80, 30080, Named("http")),
			updated: MakeService("a/b").NodePort(81, 0, Named("http")).NodePort(80, 0, Named("web")),
			want:    MakeService("a/b").NodePort(81, 30080, Named("http")).NodePort(80, 0, Named("web")),
		},
		{
			name:    "the other protocol may carry it meanwhile",
			live:    MakeService("a/b").NodePort(53, 30053, Named("tcp")),
			updated: MakeService("a/b").NodePort(53, 30053, Named("udp"), UDP).NodePort(53, 0, Named("tcp")),
			want:    MakeService("a/b").NodePort(53, 30053, Named("udp"), UDP).NodePort(53, 30053, Named("tcp")),
		},
		{
			name:    "TCP and UDP that shared a number go on sharing it",
			live:    MakeService("a/b").NodePort(53, 30053, Named("tcp")).NodePort(53, 30053, Named("udp"), UDP),
			updated: MakeService("a/b").NodePort(53, 30053, Named("tcp")).NodePort(53, 0, Named("udp"), UDP),
			want:    MakeService("a/b").NodePort(53, 30053, Named("tcp")).NodePort(53, 30053, Named("udp"), UDP),
		},
		{
			name:    "TCP and UDP that had a number each keep them",
			live:    MakeService("a/b").NodePort(53, 30053, Named("tcp")).NodePort(53, 30054, Named("udp"), UDP),
			updated: MakeService("a/b").NodePort(53, 0, Named("tcp")).NodePort(53, 0, Named("udp"), UDP),
			want:    MakeService("a/b").NodePort(53, 30053, Named("tcp")).NodePort(53, 30054, Named("udp"), UDP),
		},
		{
			name:    "NodePort to LoadBalancer keeps the numbers",
			live:    MakeService("a/b").NodePort(80, 30080),
			updated: MakeService("a/b").LoadBalancer().Port(80),
			want:    MakeService("a/b").LoadBalancer().NodePort(80, 30080),
		},
		{
			name:    "a LoadBalancer that wants no numbers gets none",
			live:    MakeService("a/b").LoadBalancer().NodePort(80, 30080),
			updated: MakeService("a/b").LoadBalancer().AllocateNodePorts(false).Port(80),
		},
		{
			name:    "nothing comes from an ExternalName Service",
			live:    MakeService("a/b").NodePort(80, 30080).Type(corev1.ServiceTypeExternalName),
			updated: MakeService("a/b").NodePort(80, 0),
		},
		{
			name:    "nothing goes to a ClusterIP Service",
			live:    MakeService("a/b").NodePort(80, 30080),
			updated: MakeService("a/b").Port(80),
		},
		{
			name:    "the health check number stays while it is needed",
			live:    MakeService("a/b").LoadBalancer().LocalTraffic().HealthCheck(32000).NodePort(80, 30080),
			updated: MakeService("a/b").LoadBalancer().LocalTraffic().NodePort(80, 30080),
			want:    MakeService("a/b").LoadBalancer().LocalTraffic().HealthCheck(32000).NodePort(80, 30080),
		},
		{
			name:    "the health check number stays even where node ports are not allocated",
			live:    MakeService("a/b").LoadBalancer().AllocateNodePorts(false).LocalTraffic().HealthCheck(32000).Port(80),
			updated: MakeService("a/b").LoadBalancer().AllocateNodePorts(false).LocalTraffic().Port(80),
			want:    MakeService("a/b").LoadBalancer().AllocateNodePorts(false).LocalTraffic().HealthCheck(32000).Port(80),
		},
		{
			name:    "an explicit health check number is left alone",
			live:    MakeService("a/b").LoadBalancer().LocalTraffic().HealthCheck(32000),
			updated: MakeService("a/b").LoadBalancer().LocalTraffic().HealthCheck(32001),
		},
		{
			name:    "the health check number goes when traffic is no longer local",
			live:    MakeService("a/b").LoadBalancer().LocalTraffic().HealthCheck(32000),
			updated: MakeService("a/b").LoadBalancer(),
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want, wantChanged := tc.updated.Obj(), tc.want != nil
			if wantChanged {
				want = tc.want.Obj()
			}
			live, got := tc.live.Obj(), tc.updated.Obj()
			if changed := CarryOver(live, got); changed != wantChanged {
				t.Errorf("CarryOver() = %t, want %t", changed, wantChanged)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("updated Service (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.live.Obj(), live); diff != "" {
				t.Errorf("CarryOver changed the live Service:\n%s", diff)
			}
		})
	}
}
