package rules

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// inShort is "OutsideRanges of team-a, warned".
func inShort(breaches []Breach) []string {
	var all []string
	for _, b := range breaches {
		text := string(b.Reason)
		for i, p := range b.Pools {
			text += []string{" of ", " and "}[min(i, 1)] + nameOf(p)
		}
		if !b.Enforced {
			text += ", warned"
		}
		all = append(all, text)
	}
	return all
}

func TestEachBreachSaysWhichRuleOfWhichPoolsItIs(t *testing.T) {
	web := func() *Service { return MakeService("shop/web") }
	mine := func() *testPool { return makePool("mine", "30100-30109").For("a") }
	theirs := func() *testPool { return makePool("theirs", "30200-30209").For("b") }
	many := web()
	for i := range int32(3) {
		many.NodePort(80+i, 0, Named(fmt.Sprint("p", i)))
	}
	for _, c := range []struct {
		name  string
		pools []*testPool
		svc   *Service
		want  []string
	}{
		{"a number of no pool", pools(mine(), theirs()), web().NodePort(80, 31000), []string{"OutsideRanges of mine"}},
		{"a number of no pool, only warned about", pools(mine().Warn(), theirs()), web().NodePort(80, 31000), []string{"OutsideRanges of mine, warned"}},
		{"a number of another's pool", pools(mine().Warn(), theirs()), web().NodePort(80, 30200), []string{"ForeignPool of mine and theirs"}},
		{"a number of another's pool, and neither enforces", pools(mine().Warn(), theirs().Warn()), web().NodePort(80, 30200), []string{"ForeignPool of mine and theirs, warned"}},
		{"a number of another's pool, and the namespace has none", pools(theirs().Warn()), web().NodePort(80, 30200), []string{"ForeignPool of theirs, warned"}},
		{"several pools select the namespace", pools(mine(), makePool("spare", "30300").For("a").Warn()), web().NodePort(80, 31000), []string{"OutsideRanges of mine and spare"}},
		{"a number that Kubernetes picked", pools(mine()), web().NodePort(80, 31000).ManagedFields("kubectl", "", picked), []string{"OutsideRanges of mine, warned"}},
		{"a number that the API server does not serve", pools(mine()), web().NodePort(80, 40000), []string{"OutsideClusterRange"}},
		{"number and annotation disagree", pools(mine(), makePool("spare", "30300").For("a")), web().NodePort(80, 30300).Annotation(v1alpha1.PoolAnnotation, "mine"), []string{"NotInNamedPool of spare"}},
		{"an unknown pool", pools(mine()), web().NodePort(80, 30100).Annotation(v1alpha1.PoolAnnotation, "theirs"), []string{"UnknownPool of mine"}},
		{"a number of a pool that is draining", pools(mine().Allocation("None")), web().NodePort(80, 30100), []string{"Draining of mine"}},
		{"no number, of a pool that is draining", pools(mine().Allocation("None").Warn()), web().NodePort(80, 0), []string{"Draining of mine, warned"}},
		{"no number, of a pool that gives none by itself", pools(mine().Allocation("Explicit")), web().NodePort(80, 0), []string{"NotAutomatic of mine"}},
		{"more than a Service may have", pools(mine().MaxPortsPerService(2).Warn()), many, []string{"TooManyPorts of mine, warned"}},
		{"a number that is taken", pools(mine()), web().NodePort(80, 30109), []string{"Taken of mine"}},
		{"an ExternalName Service", pools(mine()), web().NodePort(80, 30100).Type("ExternalName"), []string{"ExternalName"}},
		{"a number twice", pools(mine()), web().NodePort(80, 30100, Named("a")).NodePort(81, 30100, Named("b")), []string{"Duplicate"}},
		{"nothing", pools(mine()), web().NodePort(80, 30100), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			answer := Judge(chartOf(c.pools...), FakeLedger{30109: "bank/api"}, ask(c.svc.Obj(), nil))
			if diff := cmp.Diff(c.want, inShort(answer.Breaches)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			var refused int
			for _, b := range answer.Breaches {
				if b.Enforced {
					refused++
				}
			}
			if len(answer.Errors) != refused {
				t.Errorf("%d breaches are enforced, but there are %d errors", refused, len(answer.Errors))
			}
		})
	}
}

func TestLiveBreachesAreWhatANamespaceWouldNotBeGivenToday(t *testing.T) {
	chart := chartOf(teamA, makePool("edge", "30200").For("a").Allocation("None"))
	svc := MakeService("shop/web").NodePort(80, 31000, Named("a")).NodePort(81, 30100, Named("b")).NodePort(82, 30200, Named("c")).
		NodePort(83, 0, Named("d")).NodePort(84, 40000, Named("e")).Annotation(v1alpha1.PoolAnnotation, "gone")
	for i := range int32(30) {
		svc.NodePort(100+i, 30101+i, Named(fmt.Sprint("p", i)))
	}
	var got []string
	for _, b := range LiveBreaches(chart, ask(svc.Obj(), nil)) {
		got = append(got, b.Err.Error())
	}
	want := []string{
		// What is free is left out: the report must not change with it.
		`spec.ports[0].nodePort: Invalid value: 31000: not in the node port ranges of namespace "shop": 30100-30200, 30500`,
		`spec.ports[4].nodePort: Invalid value: 40000: provided port is not in the valid range. The range of valid ports is 30000-32767`,
		`spec.ports: Forbidden: pool "edge" allows 32 node ports in a Service, 35 are asked for`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
