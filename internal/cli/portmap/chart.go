package portmap

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/rules"
)

// filter is what of the range is shown.
type filter struct {
	// pool is the only one shown; empty: all numbers are.
	pool string
	// namespace is the one whose numbers stand out; empty: all do.
	namespace string
	// unfold shows runs of free numbers one by one.
	unfold bool
}

// chart is what the map shows.
type chart struct {
	filter
	clusterRange v1alpha1.PortRange
	assumed      bool // nobody has said that the range is that
	areas        []*area
	cells        []cell // ascending
	troubled     []picture.Number
	// outside are numbers that Services have outside of the range.
	outside rules.Ranges
}

// newChart looks at every number of the range.
func newChart(p *picture.Picture, f filter) *chart {
	c := &chart{filter: f, clusterRange: p.ClusterRange, assumed: p.RangeAssumed, areas: areasOf(p)}
	owners := c.owners()
	for n := p.ClusterRange.From; n <= p.ClusterRange.To; n++ {
		number := p.Number(n)
		at := owners[n-p.ClusterRange.From]
		if f.pool != "" && at.name != f.pool {
			continue
		}
		cell := cell{number: n, state: number.State, trouble: number.Troubled(), others: f.excludes(number), area: at}
		at.counts.add(cell)
		c.cells = append(c.cells, cell)
		if cell.trouble && !cell.others {
			c.troubled = append(c.troubled, number)
		}
	}
	c.areas = slices.DeleteFunc(c.areas, func(a *area) bool {
		return f.pool != "" && a.name != f.pool || !a.isPool() && len(a.numbers) == 0
	})
	c.outside = outside(p)
	return c
}

// owners are the areas of the range's numbers.
func (c *chart) owners() []*area {
	owners := make([]*area, c.clusterRange.To-c.clusterRange.From+1)
	for _, a := range c.areas {
		for _, r := range a.numbers.Intersect(rules.Ranges{c.clusterRange}) {
			for n := r.From; n <= r.To; n++ {
				owners[n-c.clusterRange.From] = a
			}
		}
	}
	return owners
}

// excludes says whether a number is another namespace's than the one that was asked for.
func (f filter) excludes(n picture.Number) bool {
	owner, taken := n.Owner()
	return f.namespace != "" && taken && owner.Namespace != f.namespace &&
		!slices.ContainsFunc(n.Carriers, func(svc *corev1.Service) bool { return svc.Namespace == f.namespace })
}

// empty says whether there is nothing on the map: no pool, and no number that anybody has.
func (c *chart) empty() bool {
	return len(c.areas) <= 1 && !slices.ContainsFunc(c.cells, func(c cell) bool { return c.state != picture.Free })
}

func outside(p *picture.Picture) rules.Ranges {
	var ranges []v1alpha1.PortRange
	for _, n := range p.Taken() {
		if n.Number < p.ClusterRange.From || n.Number > p.ClusterRange.To {
			ranges = append(ranges, v1alpha1.PortRange{From: n.Number, To: n.Number})
		}
	}
	return rules.NewRanges(ranges)
}
