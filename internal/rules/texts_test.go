package rules

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// kubectl is how kubectl prints a refusal with one cause.
func kubectl(name string, errs field.ErrorList) string {
	if len(errs) != 1 {
		return fmt.Sprintf("%d errors: %v", len(errs), errs)
	}
	return fmt.Sprintf("The Service %q is invalid: %s: %s", name, errs[0].Field, errs[0].ErrorBody())
}

func TestWhatTheUserReads(t *testing.T) {
	taken := FakeLedger{30101: "shop/api", 30102: "bank/core"}
	for n := int32(30100); n < 30112; n++ {
		if n != 30104 && n != 30107 && taken[n] == "" {
			taken[n] = "bank/other"
		}
	}
	for _, c := range []struct {
		name string
		svc  *Service
		want string
	}{
		{
			name: "outside the ranges", svc: MakeService("shop/web").NodePort(80, 31000),
			want: `The Service "web" is invalid: spec.ports[0].nodePort: Invalid value: 31000: not in the node port ranges of namespace "shop": 30100-30199, 30500; free now: 30104, 30107, 30112`,
		},
		{
			name: "in use in the namespace", svc: MakeService("shop/web").NodePort(80, 30101),
			want: `The Service "web" is invalid: spec.ports[0].nodePort: Invalid value: 30101: already allocated to Service "api" in this namespace; free now: 30104, 30107, 30112`,
		},
		{
			name: "in use elsewhere", svc: MakeService("shop/web").NodePort(80, 30102),
			want: `The Service "web" is invalid: spec.ports[0].nodePort: Invalid value: 30102: already allocated in another namespace; free now: 30104, 30107, 30112`,
		},
		{
			name: "on an ExternalName Service", svc: MakeService("shop/old").NodePort(80, 30104).Type("ExternalName"),
			want: "The Service \"old\" is invalid: spec.ports[0].nodePort: Forbidden: may not be set when `type` is 'ExternalName': Kubernetes stores the number without allocating it, so two Services can end up on one port",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			svc := c.svc.Obj()
			if diff := cmp.Diff(c.want, kubectl(svc.Name, Judge(chartOf(teamA), taken, ask(svc, nil)).Errors)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// full is a ledger in which all numbers of the ranges but the last few are in use, and one is held.
func full(ranges string, free int, heldUntil string) FakeLedger {
	l := FakeLedger{}
	var last int32
	for _, r := range parse(ranges) {
		for n := r.From; n <= r.To; n++ {
			l[n], last = "bank/api", n
		}
	}
	if heldUntil != "" {
		l[parse(ranges)[0].From] = "shop/api until " + heldUntil
	}
	for range free {
		delete(l, last)
		last--
	}
	return l
}

func TestExhausted(t *testing.T) {
	hundred := makePool("team-a", "30100-30199").For("a")
	for _, c := range []struct {
		name     string
		pools    []*testPool
		ledger   FakeLedger
		want     string
		enforced bool
	}{
		{
			name: "a hold ends soon", pools: pools(hundred), ledger: full("30100-30199", 0, "2026-05-01T12:04:00Z"), enforced: true,
			want: `The Service "web" is invalid: spec.ports: Forbidden: no node port is free in the ranges of namespace "shop" (pool "team-a": 100 of 100 in use or held, the next hold ends in 4m)`,
		},
		{
			name: "no hold", pools: pools(hundred), ledger: full("30100-30199", 0, ""), enforced: true,
			want: `The Service "web" is invalid: spec.ports: Forbidden: no node port is free in the ranges of namespace "shop" (pool "team-a": 100 of 100 in use or held)`,
		},
		{
			name: "a hold that should have ended", pools: pools(hundred), ledger: full("30100-30199", 0, "2026-05-01T11:00:00Z"), enforced: true,
			want: `The Service "web" is invalid: spec.ports: Forbidden: no node port is free in the ranges of namespace "shop" (pool "team-a": 100 of 100 in use or held, the next hold ends in 0s)`,
		},
		{
			name: "fewer are free than asked for", pools: pools(hundred), ledger: full("30100-30199", 1, ""), enforced: true,
			want: `The Service "web" is invalid: spec.ports: Forbidden: too few node ports are free in the ranges of namespace "shop" (pool "team-a": 99 of 100 in use or held)`,
		},
		{
			name: "several pools, one of which enforces", pools: pools(hundred, makePool("spare", "30500").For("a").Warn()), ledger: full("30100-30199,30500", 0, ""), enforced: true,
			want: `The Service "web" is invalid: spec.ports: Forbidden: no node port is free in the ranges of namespace "shop" (pool "spare": 1 of 1 in use or held; pool "team-a": 100 of 100 in use or held)`,
		},
		{
			name: "a pool that only warns", pools: pools(makePool("spare", "30500").For("a").Warn()), ledger: full("30500", 0, ""),
			want: `The Service "web" is invalid: spec.ports: Forbidden: no node port is free in the ranges of namespace "shop" (pool "spare": 1 of 1 in use or held)`,
		},
		{
			name: "a pool that only warns, beside one that enforces and gives no number by itself", enforced: true,
			pools:  pools(makePool("spare", "30500").For("a").Warn(), makePool("asked", "30600").For("a").Allocation(v1alpha1.AllocationExplicit)),
			ledger: full("30500,30600", 0, ""),
			want:   `The Service "web" is invalid: spec.ports: Forbidden: no node port is free in the ranges of namespace "shop" (pool "asked": 1 of 1 in use or held; pool "spare": 1 of 1 in use or held)`,
		},
		{
			name: "the commons, beside pools that only warn", pools: pools(makePool("theirs", "30010-32767").For("b").Warn()), ledger: full("30000-30009", 0, ""),
			want: `The Service "web" is invalid: spec.ports: Forbidden: no node port is free in the ranges of namespace "shop" (10 of 10 in use or held)`,
		},
		{
			name: "the commons", pools: pools(makePool("theirs", "30010-32767").For("b")), ledger: full("30000-30009", 0, ""), enforced: true,
			want: `The Service "web" is invalid: spec.ports: Forbidden: no node port is free in the ranges of namespace "shop" (10 of 10 in use or held)`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := ask(MakeService("shop/web").NodePort(80, 0).Obj(), nil)
			chart := chartOf(c.pools...)
			err := Exhausted(c.ledger, q, chart.PoolsFor(q.NamespaceLabels))
			if diff := cmp.Diff(c.want, kubectl("web", field.ErrorList{err})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got := Judge(chart, c.ledger, q).Enforced; got != c.enforced {
				t.Errorf("enforced is %v, want %v", got, c.enforced)
			}
		})
	}
}
