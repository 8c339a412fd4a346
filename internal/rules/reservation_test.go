package rules

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// promise is reservation "promise" of Service shop/web; each entry is "name" or "name=number".
func promise(pool string, healthCheck int32, entries ...v1alpha1.ReservedPort) *v1alpha1.NodePortReservation {
	r := &v1alpha1.NodePortReservation{}
	r.Namespace, r.Name = "shop", "promise"
	r.Spec = v1alpha1.NodePortReservationSpec{ServiceName: "web", PoolName: pool, HealthCheckNodePort: healthCheck, Ports: entries}
	return r
}

func entry(name string, number int32) v1alpha1.ReservedPort {
	return v1alpha1.ReservedPort{Name: name, NodePort: number}
}

func TestAReservationIsJudgedAsItsService(t *testing.T) {
	band := makePool("band", "30000-30085").For("a").Allocation(v1alpha1.AllocationExplicit)
	drained := makePool("drained", "30300-30309").For("a").Allocation(v1alpha1.AllocationNone)
	theirs := makePool("theirs", "30400").For("b")
	for _, c := range []struct {
		name        string
		pools       []*testPool
		ledger      FakeLedger
		reservation *v1alpha1.NodePortReservation
		kept        []int32
		want        outcome
		claimable   []string
	}{
		{
			name: "numbers named and to be chosen", pools: pools(teamA), reservation: promise("", 0, entry("http", 30100), entry("admin", 0)),
			want:      outcome{New: []string{"Traffic 30100", "Traffic ?"}, Pools: []string{"team-a"}},
			claimable: []string{"Traffic 30100", "Traffic ?"},
		},
		{
			name: "the health check's number", pools: pools(teamA), reservation: promise("", 30101),
			want:      outcome{New: []string{"HealthCheck 30101"}, Pools: []string{"team-a"}},
			claimable: []string{"HealthCheck 30101"},
		},
		{
			name: "entries that are to share a number", pools: pools(teamA), reservation: promise("", 0, entry("dns", 30153), entry("dns-tcp", 30153)),
			want:      outcome{New: []string{"Traffic 30153"}, Pools: []string{"team-a"}},
			claimable: []string{"Traffic 30153"},
		},
		{
			name: "more entries on one number than there are protocols", pools: pools(teamA),
			reservation: promise("", 0, entry("a", 30153), entry("b", 30153), entry("c", 30153), entry("d", 30153)),
			want: outcome{
				Errors: []string{"spec.ports[3].nodePort: Invalid value: 30153: already used by spec.ports[2].nodePort with the same protocol"},
				New:    []string{"Traffic 30153"}, Pools: []string{"team-a"},
			},
		},
		{
			name: "an error about one number leaves the others", pools: pools(teamA, theirs), ledger: FakeLedger{30102: "shop/api"},
			reservation: promise("", 30104, entry("a", 30400), entry("b", 30101), entry("c", 30102), entry("d", 0)),
			want: outcome{
				Errors: []string{
					`spec.ports[0].nodePort: Invalid value: 30400: not in the node port ranges of namespace "shop": 30100-30199, 30500; free now: 30100, 30101, 30103`,
					`spec.ports[2].nodePort: Invalid value: 30102: already allocated to Service "api" in this namespace; free now: 30100, 30101, 30103`,
				},
				New:   []string{"Traffic 30400", "Traffic 30101", "Traffic 30102", "Traffic ?", "HealthCheck 30104"},
				Pools: []string{"team-a"},
			},
			claimable: []string{"Traffic 30101", "Traffic ?", "HealthCheck 30104"},
		},
		{
			name: "what is kept is not judged again", pools: pools(teamA, theirs), ledger: FakeLedger{30400: "shop/web by promise"},
			reservation: promise("no-pool-any-more", 0, entry("http", 30400)), kept: []int32{30400},
		},
		{
			name: "a pool that the namespace does not have", pools: pools(teamA, theirs), reservation: promise("theirs", 0, entry("http", 0)),
			want: outcome{
				Errors: []string{`spec.poolName: Invalid value: "theirs": not a pool of namespace "shop": it has team-a`},
				New:    []string{"Traffic ?"}, Pools: []string{"team-a"},
			},
		},
		{
			name: "a number that is not in the pool named", pools: pools(teamA, band), reservation: promise("band", 0, entry("http", 30100)),
			want: outcome{
				Errors: []string{`spec.ports[0].nodePort: Invalid value: 30100: in pool "team-a", but spec.poolName names pool "band"`},
				New:    []string{"Traffic 30100"}, Pools: []string{"band"},
			},
		},
		{
			name: "a pool that gives Services no number by itself", pools: pools(band), reservation: promise("", 0, entry("http", 0)),
			want: outcome{New: []string{"Traffic ?"}, Pools: []string{"band"}}, claimable: []string{"Traffic ?"},
		},
		{
			name: "a pool that hands out nothing new", pools: pools(drained), reservation: promise("", 0, entry("http", 0)),
			want: outcome{
				Errors: []string{`spec.ports: Forbidden: pool "drained" hands out nothing new (allocation: None); ask an operator for another pool`},
				New:    []string{"Traffic ?"},
			},
		},
		{
			name: "too many for one Service", pools: pools(makePool("small", "30100-30199").For("a").MaxPortsPerService(1)),
			reservation: promise("", 30101, entry("http", 30100)),
			want: outcome{
				Errors: []string{`spec.ports: Forbidden: pool "small" allows 1 node ports in a Service, 2 are asked for`},
				New:    []string{"Traffic 30100", "HealthCheck 30101"}, Pools: []string{"small"},
			},
		},
		{
			name: "what the Service has", pools: pools(teamA), ledger: FakeLedger{30100: "shop/web"}, reservation: promise("", 0, entry("http", 30100)),
			want: outcome{New: []string{"Traffic 30100"}, Pools: []string{"team-a"}}, claimable: []string{"Traffic 30100"},
		},
		{
			name: "what another reservation keeps for the Service", pools: pools(teamA), ledger: FakeLedger{30100: "shop/web by older"},
			reservation: promise("", 0, entry("http", 30100)),
			want: outcome{
				Errors: []string{`spec.ports[0].nodePort: Invalid value: 30100: reserved for Service "web" in this namespace by NodePortReservation "older"; free now: 30101, 30102, 30103`},
				New:    []string{"Traffic 30100"}, Pools: []string{"team-a"},
			},
		},
		{
			name: "a hold of the namespace", pools: pools(teamA), ledger: FakeLedger{30100: "shop/api until 2026-05-01T12:05:00Z"},
			reservation: promise("", 0, entry("http", 30100)),
			want: outcome{
				Warnings: []string{`spec.ports[0].nodePort: 30100 was held for Service "api" of this namespace and is taken over`},
				New:      []string{"Traffic 30100"}, Pools: []string{"team-a"},
			},
			claimable: []string{"Traffic 30100"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := Judge(chartOf(c.pools...), c.ledger, ReservationQuestion(c.reservation, c.kept, map[string]string{"team": "a"}, start))
			if diff := cmp.Diff(c.want, shown(answer)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.claimable, shown(Answer{New: answer.Claimable()}).New); diff != "" {
				t.Errorf("claimable (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAPromiseKnowsAnEntryByItsNameAlone(t *testing.T) {
	q := ReservationQuestion(promise("", 30105, entry("dns", 30153), entry("admin", 0), entry("dns-tcp", 30153)), nil, nil, start)
	want := []serviceports.Request{
		{Role: serviceports.Traffic, NodePort: 30153, Ports: []serviceports.Port{{Index: 0, Name: "dns"}, {Index: 2, Name: "dns-tcp"}}},
		{Role: serviceports.Traffic, Ports: []serviceports.Port{{Index: 1, Name: "admin"}}},
		{Role: serviceports.HealthCheck, NodePort: 30105},
	}
	if diff := cmp.Diff(want, Promises(serviceports.Requests(q.Service))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAQuietLedgerIsTheSameTheNextMoment(t *testing.T) {
	chart := chartOf(makePool("small", "30100-30101").For("a"))
	q := ReservationQuestion(promise("", 0, entry("http", 30100), entry("admin", 30200)), nil, map[string]string{"team": "a"}, start)
	texts := func(l Ledger, now time.Time) string {
		q.Now = now
		answer := Judge(chart, l, q)
		return fmt.Sprint(shown(answer), Exhausted(l, q, answer.Pools))
	}
	full := FakeLedger{30100: "bank/a until 2026-05-01T12:05:00Z", 30101: "bank/b until 2026-05-01T12:10:00Z"}
	if a, b := texts(full, start), texts(full, start.Add(time.Minute)); a == b {
		t.Fatalf("nothing here changes by itself: %s", a)
	}
	if a, b := texts(Quiet{full}, start), texts(Quiet{full}, start.Add(time.Minute)); a != b {
		t.Errorf("got first\n%s, then\n%s", a, b)
	}
	free := FakeLedger{30100: "bank/a"}
	if a, b := texts(free, start), texts(Quiet{free}, start); a == b {
		t.Errorf("a free number is suggested: %s", b)
	}
}
