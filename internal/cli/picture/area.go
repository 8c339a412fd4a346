package picture

import (
	"cmp"
	"slices"
	"strings"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
)

// Area is a pool as people are shown it, or, without a name, the numbers of no pool that the caller knows of.
type Area struct {
	// Name is the pool's; empty: of none.
	Name    string
	Numbers rules.Ranges
	// Note says what hinders the pool: it is what comes after "Pool NAME"; empty: nothing does.
	Note string
}

// Areas are the pools in the order of their numbers, and the numbers of no pool, last. Who may not read pools sees those of
// his namespace's usages; the numbers of no pool are none that he knows then.
func (p *Picture) Areas() []Area {
	pools, rest := p.usedAreas(), Area{Numbers: rules.Ranges{p.ClusterRange}}
	if p.Complete(Pools) {
		pools, rest = p.pools()
	}
	slices.SortStableFunc(pools, func(a, b Area) int { return cmp.Compare(a.first(), b.first()) })
	for _, a := range pools {
		rest.Numbers = rest.Numbers.Subtract(a.Numbers)
	}
	return append(pools, rest)
}

// pools are those of the chart, and the commons.
func (p *Picture) pools() (areas []Area, commons Area) {
	for _, pool := range p.Chart().Pools() {
		a := Area{Name: pool.Name, Numbers: pool.Numbers, Note: noteOn(pool)}
		if pool.Commons() {
			commons = a
			continue
		}
		areas = append(areas, a)
	}
	return areas, commons
}

// usedAreas are the pools that usages tell of.
func (p *Picture) usedAreas() []Area {
	var areas []Area
	for _, u := range p.Usages {
		if slices.ContainsFunc(areas, func(a Area) bool { return a.Name == u.Name }) {
			continue
		}
		var ranges []v1alpha1.PortRange
		for text := range strings.SplitSeq(u.Status.Ranges, ",") {
			if r, err := rules.ParseRange(text); err == nil { // none, where the pool does not serve the namespace any more
				ranges = append(ranges, r)
			}
		}
		areas = append(areas, Area{Name: u.Name, Numbers: rules.NewRanges(ranges)})
	}
	return areas
}

// first is the area's first number; one without numbers comes last.
func (a Area) first() int32 {
	if len(a.Numbers) == 0 {
		return 1 << 16
	}
	return a.Numbers[0].From
}

func noteOn(pool *rules.Pool) string {
	switch {
	case pool.Overlaps != "":
		return "hands out nothing: it overlaps " + pool.Overlaps
	case pool.SelectorError != nil:
		return "serves nobody: its namespaceSelector cannot be read"
	case pool.Spec.Allocation == v1alpha1.AllocationNone:
		return "hands out nothing: it is draining"
	case len(pool.Outside) > 0:
		return "has numbers outside of the cluster's range: " + pool.Outside.String()
	}
	return ""
}
