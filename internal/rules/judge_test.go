package rules

import (
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

const picked = `{"f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{"f:port":{}}}}}` // no manager has nodePort

func pools(all ...*testPool) []*testPool { return all }

var teamA = makePool("team-a", "30100-30199,30500").For("a")

func TestJudge(t *testing.T) {
	const ranges = `not in the node port ranges of namespace "shop": 30100-30199, 30500`
	web := func() *Service { return MakeService("shop/web") }
	for _, c := range []struct {
		name   string
		pools  []*testPool
		ledger FakeLedger
		svc    *Service
		old    *Service
		dryRun bool
		want   outcome
	}{
		{
			name:  "a Service without node ports asks for nothing",
			pools: pools(teamA), svc: web().Port(80),
		},
		{
			name:  "a number is chosen from the pools that select the namespace",
			pools: pools(teamA, makePool("b", "30200").For("b")), svc: web().NodePort(80, 0),
			want: outcome{New: []string{"Traffic ?"}, Pools: []string{"team-a"}},
		},
		{
			name:  "a namespace that no pool selects gets one of no pool",
			pools: pools(makePool("b", "30200").For("b")), svc: web().NodePort(80, 0),
			want: outcome{New: []string{"Traffic ?"}, Pools: []string{"commons"}},
		},
		{
			name:  "the health check's number is one as any other",
			pools: pools(teamA), svc: web().NodePort(80, 30100).LoadBalancer().LocalTraffic(),
			want: outcome{New: []string{"Traffic 30100", "HealthCheck ?"}, Pools: []string{"team-a"}},
		},

		// Confinement.
		{
			name:  "an explicit number of the namespace's pool is taken",
			pools: pools(teamA), svc: web().NodePort(80, 30500),
			want: outcome{New: []string{"Traffic 30500"}, Pools: []string{"team-a"}},
		},
		{
			name:  "a number of no pool is refused where a pool selects the namespace",
			pools: pools(teamA), svc: web().NodePort(80, 31000),
			want: outcome{
				Errors: []string{`spec.ports[0].nodePort: Invalid value: 31000: ` + ranges + `; free now: 30100, 30101, 30102`},
				New:    []string{"Traffic 31000"}, Pools: []string{"team-a"},
			},
		},
		{
			name:  "all errors come at once",
			pools: pools(teamA), ledger: FakeLedger{30100: "shop/api"},
			svc: web().NodePort(80, 31000, Named("a")).NodePort(81, 30100, Named("b")).NodePort(82, 40000, Named("c")),
			want: outcome{
				Errors: []string{
					`spec.ports[0].nodePort: Invalid value: 31000: ` + ranges + `; free now: 30101, 30102, 30103`,
					`spec.ports[1].nodePort: Invalid value: 30100: already allocated to Service "api" in this namespace; free now: 30101, 30102, 30103`,
					`spec.ports[2].nodePort: Invalid value: 40000: provided port is not in the valid range. The range of valid ports is 30000-32767`,
				},
				New: []string{"Traffic 31000", "Traffic 30100", "Traffic 40000"}, Pools: []string{"team-a"},
			},
		},
		{
			name:   "no number is offered that the namespace's limit does not allow",
			pools:  pools(makePool("few", "30010-30019").For("a").MaxPortsPerNamespace(1), makePool("more", "30020-30029").For("a").MaxPortsPerNamespace(2)),
			ledger: FakeLedger{30010: "shop/api", 30020: "shop/api"}, svc: web().NodePort(80, 30010),
			want: outcome{
				Errors: []string{`spec.ports[0].nodePort: Invalid value: 30010: already allocated to Service "api" in this namespace; free now: 30021, 30022, 30023`},
				New:    []string{"Traffic 30010"}, Pools: []string{"few", "more"},
			},
		},
		{
			name:  "one pool that enforces confines, whatever the others say",
			pools: pools(makePool("a-warns", "30000").For("a").Warn(), makePool("b-enforces", "30001").For("a")),
			svc:   web().NodePort(80, 31000),
			want: outcome{
				Errors: []string{`spec.ports[0].nodePort: Invalid value: 31000: not in the node port ranges of namespace "shop": 30000-30001; free now: 30000, 30001`},
				New:    []string{"Traffic 31000"}, Pools: []string{"a-warns", "b-enforces"},
			},
		},
		{
			name:  "pools that only warn let it pass with a warning",
			pools: pools(makePool("a-warns", "30000").For("a").Warn()), svc: web().NodePort(80, 31000),
			want: outcome{
				Warnings: []string{`spec.ports[0].nodePort: Invalid value: 31000: not in the node port ranges of namespace "shop": 30000; free now: 30000`},
				New:      []string{"Traffic 31000"}, Pools: []string{"a-warns"},
			},
		},
		{
			name:  "a foreign number is refused if its pool enforces, though the namespace's own only warns",
			pools: pools(makePool("mine", "30000").For("a").Warn(), makePool("theirs", "30200").For("b")), svc: web().NodePort(80, 30200),
			want: outcome{
				Errors: []string{`spec.ports[0].nodePort: Invalid value: 30200: not in the node port ranges of namespace "shop": 30000; free now: 30000`},
				New:    []string{"Traffic 30200"}, Pools: []string{"mine"},
			},
		},
		{
			name:  "a foreign number is refused to a namespace without pools",
			pools: pools(makePool("theirs", "30001-32767").For("b")), svc: web().NodePort(80, 30200),
			want: outcome{
				Errors: []string{`spec.ports[0].nodePort: Invalid value: 30200: in a pool that does not serve namespace "shop"; free now: 30000`},
				New:    []string{"Traffic 30200"}, Pools: []string{"commons"},
			},
		},
		{
			name:  "a foreign number of a pool that warns",
			pools: pools(makePool("theirs", "30001-32767").For("b").Warn()), svc: web().NodePort(80, 30200),
			want: outcome{
				Warnings: []string{`spec.ports[0].nodePort: Invalid value: 30200: in a pool that does not serve namespace "shop"; free now: 30000`},
				New:      []string{"Traffic 30200"}, Pools: []string{"commons"},
			},
		},
		{
			name:  "a pool without ranges is a pool for nobody",
			pools: pools(makePool("none", "")), svc: web().NodePort(80, 30200),
			want: outcome{
				Errors: []string{`spec.ports[0].nodePort: Invalid value: 30200: namespace "shop" may not use node ports: no pool has numbers for it`},
				New:    []string{"Traffic 30200"}, Pools: []string{"none"},
			},
		},
		{
			name: "outside the cluster's range the API server's own words come first, though pools only warn",
			svc:  web().NodePort(80, 29999), pools: pools(makePool("a", "30000").For("a").Warn()),
			want: outcome{
				Errors: []string{`spec.ports[0].nodePort: Invalid value: 29999: provided port is not in the valid range. The range of valid ports is 30000-32767`},
				New:    []string{"Traffic 29999"}, Pools: []string{"a"},
			},
		},
		{
			name:  "a number that Kubernetes picked while we were away gets through with a warning",
			pools: pools(teamA), svc: web().NodePort(80, 31000).ManagedFields("kubectl", "", picked),
			want: outcome{
				Warnings: []string{`spec.ports[0].nodePort: Invalid value: 31000: ` + ranges + `; free now: 30100, 30101, 30102`},
				New:      []string{"Traffic 31000"}, Pools: []string{"team-a"},
			},
		},

		// The annotation.
		{
			name:  "the annotation chooses among the namespace's pools",
			pools: pools(teamA, makePool("edge", "30200").For("a").Allocation("Explicit")), svc: web().NodePort(80, 0).Annotation(v1alpha1.PoolAnnotation, "edge"),
			want: outcome{New: []string{"Traffic ?"}, Pools: []string{"edge"}},
		},
		{
			name:  "the annotation names a pool of others",
			pools: pools(teamA, makePool("b", "30200").For("b")), svc: web().NodePort(80, 0).Annotation(v1alpha1.PoolAnnotation, "b"),
			want: outcome{
				Errors: []string{`metadata.annotations[portolan.dev/pool]: Invalid value: "b": not a pool of namespace "shop": it has team-a`},
				New:    []string{"Traffic ?"}, Pools: []string{"team-a"},
			},
		},
		{
			name:  "the annotation names no pool: the same words",
			pools: pools(teamA), svc: web().NodePort(80, 0).Annotation(v1alpha1.PoolAnnotation, "b"),
			want: outcome{
				Errors: []string{`metadata.annotations[portolan.dev/pool]: Invalid value: "b": not a pool of namespace "shop": it has team-a`},
				New:    []string{"Traffic ?"}, Pools: []string{"team-a"},
			},
		},
		{
			name: "the annotation in a namespace without pools", svc: web().NodePort(80, 0).Annotation(v1alpha1.PoolAnnotation, ""),
			want: outcome{
				Errors: []string{`metadata.annotations[portolan.dev/pool]: Invalid value: "": not a pool of namespace "shop": it has none`},
				New:    []string{"Traffic ?"}, Pools: []string{"commons"},
			},
		},
		{
			name:  "an explicit number is decided by its pool: the annotation must agree",
			pools: pools(teamA, makePool("edge", "30200").For("a")), svc: web().NodePort(80, 30100).Annotation(v1alpha1.PoolAnnotation, "edge"),
			want: outcome{
				Errors: []string{`spec.ports[0].nodePort: Invalid value: 30100: in pool "team-a", but the annotation portolan.dev/pool names pool "edge"`},
				New:    []string{"Traffic 30100"}, Pools: []string{"edge"},
			},
		},
		{
			name:  "the annotation is not judged where nothing is new",
			pools: pools(teamA), svc: web().NodePort(80, 30100).Annotation(v1alpha1.PoolAnnotation, "b"), old: web().NodePort(80, 30100),
		},

		// What a pool hands out.
		{
			name:  "Explicit gives no number by itself",
			pools: pools(makePool("band", "30000-30085").For("a").Allocation("Explicit")), svc: web().NodePort(80, 0),
			want: outcome{
				Errors: []string{`spec.ports: Forbidden: pool "band" gives no number by itself: set a nodePort from 30000-30085, or the annotation portolan.dev/pool: band; free now: 30000, 30001, 30002`},
				New:    []string{"Traffic ?"},
			},
		},
		{
			name:  "Explicit gives explicit numbers",
			pools: pools(makePool("band", "30000-30085").For("a").Allocation("Explicit")), svc: web().NodePort(80, 30080),
			want: outcome{New: []string{"Traffic 30080"}, Pools: []string{"band"}},
		},
		{
			name:  "where one pool is Explicit the next is asked",
			pools: pools(makePool("band", "30000-30085").For("a").Allocation("Explicit").Priority(1), teamA), svc: web().NodePort(80, 0),
			want: outcome{New: []string{"Traffic ?"}, Pools: []string{"team-a"}},
		},
		{
			name:  "an Explicit pool is spoken of before one that gives nothing at all",
			pools: pools(makePool("a-drains", "30001").For("a").Allocation("None"), makePool("band", "30000").For("a").Allocation("Explicit")), svc: web().NodePort(80, 0),
			want: outcome{
				Errors: []string{`spec.ports: Forbidden: pool "band" gives no number by itself: set a nodePort from 30000, or the annotation portolan.dev/pool: band; free now: 30000`},
				New:    []string{"Traffic ?"},
			},
		},
		{
			name:  "None gives nothing new",
			pools: pools(makePool("old", "30000-30085").For("a").Allocation("None")), svc: web().NodePort(80, 0, Named("a")).NodePort(81, 30001, Named("b")),
			want: outcome{
				Errors: []string{
					`spec.ports[1].nodePort: Invalid value: 30001: pool "old" hands out nothing new (allocation: None); ask an operator for another pool`,
					`spec.ports: Forbidden: pool "old" hands out nothing new (allocation: None); ask an operator for another pool`,
				},
				New: []string{"Traffic ?", "Traffic 30001"},
			},
		},
		{
			name:  "None beside a pool that has numbers says which",
			pools: pools(makePool("old", "30000-30085").For("a").Allocation("None"), teamA), svc: web().NodePort(80, 30001),
			want: outcome{
				Errors: []string{`spec.ports[0].nodePort: Invalid value: 30001: pool "old" hands out nothing new (allocation: None); free now: 30100, 30101, 30102`},
				New:    []string{"Traffic 30001"}, Pools: []string{"old", "team-a"},
			},
		},
		{
			name:  "None that is named says which pool to name",
			pools: pools(makePool("old", "30000-30085").For("a").Allocation("None"), teamA), svc: web().NodePort(80, 0).Annotation(v1alpha1.PoolAnnotation, "old"),
			want: outcome{
				Errors: []string{`spec.ports: Forbidden: pool "old" hands out nothing new (allocation: None); use another pool: team-a`},
				New:    []string{"Traffic ?"},
			},
		},
		{
			name:  "None that only warns leaves the choice to Kubernetes",
			pools: pools(makePool("old", "30000-30085").For("a").Allocation("None").Warn()), svc: web().NodePort(80, 0),
			want: outcome{
				Warnings: []string{`spec.ports: Forbidden: pool "old" hands out nothing new (allocation: None); ask an operator for another pool`},
				New:      []string{"Traffic ?"},
			},
		},
		{
			name:  "the younger of two that overlap hands out nothing, and does not name the older",
			pools: pools(makePool("theirs", "30000-30009").For("b").Age(1), makePool("mine", "30009-30019").For("a")), svc: web().NodePort(80, 0, Named("a")).NodePort(81, 30019, Named("b")),
			want: outcome{
				Errors: []string{
					`spec.ports[1].nodePort: Invalid value: 30019: pool "mine" hands out nothing: its ranges overlap another pool's; ask an operator for another pool`,
					`spec.ports: Forbidden: pool "mine" hands out nothing: its ranges overlap another pool's; ask an operator for another pool`,
				},
				New: []string{"Traffic ?", "Traffic 30019"},
			},
		},
		{
			name:  "too many numbers in one Service",
			pools: pools(makePool("small", "30000-30009").For("a").MaxPortsPerService(1), makePool("larger", "30010-30019").For("a").MaxPortsPerService(2)),
			svc:   web().NodePort(80, 0, Named("a")).NodePort(81, 0, Named("b")).NodePort(82, 30000, Named("c")),
			want: outcome{
				Errors: []string{`spec.ports: Forbidden: pool "larger" allows 2 node ports in a Service, 3 are asked for`},
				New:    []string{"Traffic ?", "Traffic ?", "Traffic 30000"}, Pools: []string{"larger", "small"},
			},
		},
		{
			name:  "the named pool's limit counts",
			pools: pools(makePool("small", "30000-30009").For("a").MaxPortsPerService(1), teamA),
			svc:   web().NodePort(80, 0, Named("a")).NodePort(81, 0, Named("b")).Annotation(v1alpha1.PoolAnnotation, "small"),
			want: outcome{
				Errors: []string{`spec.ports: Forbidden: pool "small" allows 1 node ports in a Service, 2 are asked for`},
				New:    []string{"Traffic ?", "Traffic ?"}, Pools: []string{"small"},
			},
		},
		{
			name:  "too many for a pool that warns",
			pools: pools(makePool("small", "30000-30009").For("a").MaxPortsPerService(1).Warn()), svc: web().NodePort(80, 0, Named("a")).NodePort(81, 0, Named("b")),
			want: outcome{
				Warnings: []string{`spec.ports: Forbidden: pool "small" allows 1 node ports in a Service, 2 are asked for`},
				New:      []string{"Traffic ?", "Traffic ?"}, Pools: []string{"small"},
			},
		},
		{
			name:  "a number stored as the health check's is new as a port's on an ExternalName Service",
			pools: pools(teamA), svc: web().NodePort(80, 30100).Type(corev1.ServiceTypeExternalName),
			old:  web().NodePort(80, 30101).LoadBalancer().LocalTraffic().HealthCheck(30100),
			want: outcome{Errors: []string{"spec.ports[0].nodePort: Forbidden: may not be set when `type` is 'ExternalName': Kubernetes stores the number without allocating it, so two Services can end up on one port"}},
		},
		{
			name: "the commons have no limit a Service", svc: web().NodePort(80, 0, Named("a")).NodePort(81, 0, Named("b")),
			want: outcome{New: []string{"Traffic ?", "Traffic ?"}, Pools: []string{"commons"}},
		},

		// Only what is new.
		{
			name:  "a live number outside the pool is not judged",
			pools: pools(teamA), svc: web().NodePort(80, 31000).Label("a", "b"), old: web().NodePort(80, 31000),
		},
		{
			name:  "a port that is added is judged, the live one is not",
			pools: pools(teamA), svc: web().NodePort(80, 31000, Named("a")).NodePort(81, 31001, Named("b")), old: web().NodePort(80, 31000, Named("a")),
			want: outcome{
				Errors: []string{`spec.ports[1].nodePort: Invalid value: 31001: ` + ranges + `; free now: 30100, 30101, 30102`},
				New:    []string{"Traffic 31001"}, Pools: []string{"team-a"},
			},
		},
		{
			name:  "a live number may go to another entry",
			pools: pools(teamA), svc: web().NodePort(81, 31000, Named("b")), old: web().NodePort(80, 31000, Named("a")),
		},
		{
			name:  "NodePort to LoadBalancer keeps the number",
			pools: pools(teamA), svc: web().NodePort(80, 31000).LoadBalancer(), old: web().NodePort(80, 31000),
		},
		{
			name:  "a number twice in one Service",
			pools: pools(teamA), svc: web().NodePort(80, 30100, Named("a")).NodePort(81, 30100, Named("b")),
			want: outcome{
				Errors: []string{"spec.ports[1].nodePort: Invalid value: 30100: already used by spec.ports[0].nodePort with the same protocol"},
				New:    []string{"Traffic 30100"}, Pools: []string{"team-a"},
			},
		},

		// Who has the number.
		{
			name:  "it is held for this very Service",
			pools: pools(teamA), ledger: FakeLedger{30100: "shop/web until 2026-05-01T12:05:00Z"}, svc: web().NodePort(80, 30100),
			want: outcome{New: []string{"Traffic 30100"}, Pools: []string{"team-a"}},
		},
		{
			name:  "a hold of the namespace is taken over with a warning",
			pools: pools(teamA), ledger: FakeLedger{30100: "shop/api until 2026-05-01T12:05:00Z"}, svc: web().NodePort(80, 30100),
			want: outcome{
				Warnings: []string{`spec.ports[0].nodePort: 30100 was held for Service "api" of this namespace and is taken over`},
				New:      []string{"Traffic 30100"}, Pools: []string{"team-a"},
			},
		},
		{
			name:  "a hold of another namespace reads like a number in use there",
			pools: pools(teamA), ledger: FakeLedger{30100: "bank/api until 2026-05-01T12:05:00Z"}, svc: web().NodePort(80, 30100),
			want: outcome{
				Errors: []string{`spec.ports[0].nodePort: Invalid value: 30100: already allocated in another namespace; free now: 30101, 30102, 30103`},
				New:    []string{"Traffic 30100"}, Pools: []string{"team-a"},
			},
		},
		{
			name:  "in use in another namespace",
			pools: pools(teamA), ledger: FakeLedger{30100: "bank/api"}, svc: web().NodePort(80, 30100),
			want: outcome{
				Errors: []string{`spec.ports[0].nodePort: Invalid value: 30100: already allocated in another namespace; free now: 30101, 30102, 30103`},
				New:    []string{"Traffic 30100"}, Pools: []string{"team-a"},
			},
		},
		{
			name:  "nothing is suggested where nothing is free",
			pools: pools(makePool("one", "30100").For("a")), ledger: FakeLedger{30100: "bank/api"}, svc: web().NodePort(80, 30100),
			want: outcome{
				Errors: []string{`spec.ports[0].nodePort: Invalid value: 30100: already allocated in another namespace`},
				New:    []string{"Traffic 30100"}, Pools: []string{"one"},
			},
		},
		{
			name:  "who is warned about the range is still refused another's number",
			pools: pools(makePool("one", "30100").For("a").Warn()), ledger: FakeLedger{31000: "bank/api"}, svc: web().NodePort(80, 31000),
			want: outcome{
				Errors:   []string{`spec.ports[0].nodePort: Invalid value: 31000: already allocated in another namespace; free now: 30100`},
				Warnings: []string{`spec.ports[0].nodePort: Invalid value: 31000: not in the node port ranges of namespace "shop": 30100; free now: 30100`},
				New:      []string{"Traffic 31000"}, Pools: []string{"one"},
			},
		},
		{
			name:  "what Kubernetes picked gets through though it was kept for another, whom the warning does not name",
			pools: pools(teamA), ledger: FakeLedger{30100: "bank/api until 2026-05-01T12:05:00Z"},
			svc: web().NodePort(80, 30100).ManagedFields("kubectl", "", picked),
			want: outcome{
				Warnings: []string{`spec.ports[0].nodePort: 30100 was picked by Kubernetes, since Portolan did not answer, and was kept for another Service`},
				New:      []string{"Traffic 30100"}, Pools: []string{"team-a"},
			},
		},
		{
			name:  "what the API server makes up for a dry-run is not judged",
			pools: pools(teamA), svc: web().NodePort(80, 32769).ManagedFields("kubectl", "", picked), dryRun: true,
			want: outcome{New: []string{"Traffic 32769"}, Pools: []string{"team-a"}},
		},
		{
			name:  "what the user sets is judged on a dry-run too",
			pools: pools(teamA), ledger: FakeLedger{30100: "shop/api"}, svc: web().NodePort(80, 30100), dryRun: true,
			want: outcome{
				Errors: []string{`spec.ports[0].nodePort: Invalid value: 30100: already allocated to Service "api" in this namespace; free now: 30101, 30102, 30103`},
				New:    []string{"Traffic 30100"}, Pools: []string{"team-a"},
			},
		},

		// ExternalName.
		{
			name:  "a number new to an ExternalName Service",
			pools: pools(teamA), svc: web().NodePort(80, 30100).Type(corev1.ServiceTypeExternalName),
			want: outcome{Errors: []string{"spec.ports[0].nodePort: Forbidden: may not be set when `type` is 'ExternalName': Kubernetes stores the number without allocating it, so two Services can end up on one port"}},
		},
		{
			name:  "a number added to an ExternalName Service that has one already",
			pools: pools(teamA), svc: web().NodePort(80, 30100, Named("a")).NodePort(81, 30101, Named("b")).Type(corev1.ServiceTypeExternalName),
			old: web().NodePort(80, 30100, Named("a")).Type(corev1.ServiceTypeExternalName),
			want: outcome{Errors: []string{
				"spec.ports[1].nodePort: Forbidden: may not be set when `type` is 'ExternalName': Kubernetes stores the number without allocating it, so two Services can end up on one port"}},
		},
		{
			name:  "leaving ExternalName while keeping a number stored there",
			pools: pools(teamA), svc: web().NodePort(80, 30100), old: web().NodePort(80, 30100).Type(corev1.ServiceTypeExternalName),
			want: outcome{Errors: []string{"spec.ports[0].nodePort: Forbidden: may not be kept when `type` was 'ExternalName', remove it to get a number allocated: Kubernetes stores the number without allocating it, so two Services can end up on one port"}},
		},
		{
			name:  "leaving ExternalName with another number is judged as any",
			pools: pools(teamA), svc: web().NodePort(80, 30101), old: web().NodePort(80, 30100).Type(corev1.ServiceTypeExternalName),
			want: outcome{New: []string{"Traffic 30101"}, Pools: []string{"team-a"}},
		},
		{
			name:  "NodePort to ExternalName arrives with its number and is legal",
			pools: pools(teamA), svc: web().NodePort(80, 30100).Type(corev1.ServiceTypeExternalName), old: web().NodePort(80, 30100),
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var old *corev1.Service
			if c.old != nil {
				old = c.old.Obj()
			}
			q := ask(c.svc.Obj(), old)
			q.DryRun = c.dryRun
			got := shown(Judge(chartOf(c.pools...), c.ledger, q))
			if len(got.New) == 0 {
				got.Pools = nil // of no use
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// several is a ledger in which Services share each number.
type several struct {
	FakeLedger
	holders []Holder
}

func (s several) Holders(int32) []Holder { return append([]Holder(nil), s.holders...) }

func TestANumberSharedThroughAHoleIsRefusedWhoeverItIsHeldFor(t *testing.T) {
	own := FakeLedger{1: "shop/web until 2026-05-01T12:05:00Z"}.Holders(1)[0]
	near := FakeLedger{1: "shop/api until 2026-05-01T12:05:00Z"}.Holders(1)[0]
	foreign := FakeLedger{1: "bank/api"}.Holders(1)[0]
	want := outcome{
		Errors: []string{`spec.ports[0].nodePort: Invalid value: 30100: already allocated in another namespace; free now: 30100, 30101, 30102`},
		New:    []string{"Traffic 30100"}, Pools: []string{"team-a"},
	}
	for name, holders := range map[string][]Holder{"held for itself": {own, foreign}, "held in the namespace": {near, foreign}} {
		t.Run(name, func(t *testing.T) {
			got := shown(Judge(chartOf(teamA), several{holders: holders}, ask(MakeService("shop/web").NodePort(80, 30100).Obj(), nil)))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestBesideGuardedPoolsAServiceHasNoMoreNumbersThanAreClaimedAtOnce(t *testing.T) {
	large := MakeService("shop/web")
	for i := range int32(MaxClaims + 1) {
		large.NodePort(80+i, 0, Named("p"+strconv.Itoa(int(i))))
	}
	guarded, warning := makePool("theirs", "30000-30009").For("b"), makePool("theirs", "30000-30009").For("b").Warn()
	for _, c := range []struct {
		name  string
		pools []*testPool
		want  []string
	}{
		{"there is no pool", nil, nil},
		{"the pools only warn", pools(warning), nil},
		{"a pool without numbers guards nothing", pools(makePool("none", "").For("b")), nil},
		{"a pool is enforced", pools(guarded), []string{`spec.ports: Forbidden: namespace "shop" may have 100 node ports in a Service, 101 are asked for`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := shown(Judge(chartOf(c.pools...), FakeLedger{}, ask(large.Obj(), nil)))
			if diff := cmp.Diff(c.want, got.Errors); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhoIsRefusedWhenNothingIsFree(t *testing.T) {
	for _, c := range []struct {
		name  string
		pools []*testPool
		want  bool
	}{
		{"there is no pool", nil, true},
		{"its pool is enforced", pools(teamA), true},
		{"one of its pools is", pools(makePool("spare", "30500").For("a").Warn(), teamA), true},
		{"its pools only warn", pools(makePool("spare", "30500").For("a").Warn()), false},
		{"it has no pool, and others guard theirs", pools(makePool("theirs", "30000-30009").For("b")), true},
		{"it has no pool, and others only warn", pools(makePool("theirs", "30000-30009").For("b").Warn()), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Judge(chartOf(c.pools...), FakeLedger{}, ask(MakeService("shop/web").NodePort(80, 0).Obj(), nil)).Enforced; got != c.want {
				t.Errorf("Enforced is %v, want %v", got, c.want)
			}
		})
	}
}
