package admissionpolicy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
)

// hundred is how many numbers a block has. Ranges are found by the block of a number: what that costs does not grow
// with the number of pools.
const hundred = 100

// poolText collects, pool by pool, what the expressions know of them. A pool's place in the lists is its index.
type poolText struct {
	selects, names, ranges, takes []string
	enforces                      []bool
	limits                        []int32
}

// aboutPools are the variables that tell of pools, and of the namespace and the annotation by which they are chosen.
func aboutPools(chart *rules.Chart) []variable {
	pools := poolsOf(chart)
	var t poolText
	indexes := make([]int, len(pools))
	for i, p := range pools {
		indexes[i] = i
		t.add(i, p)
	}
	return slices.Concat(
		[]variable{let("labels", namespaceLabels)},
		letList("selects", t.selects),
		[]variable{
			let("enforces", oneLine(t.enforces)),
			let("mine", oneLine(indexes)+".filter(i, variables.selects[i])"),
			let("confined", "variables.mine.exists(i, variables.enforces[i])"),
			let("named", named),
		},
		letList("names", t.names),
		[]variable{
			let("asked", "variables.mine.filter(i, variables.named.all(name, name == variables.names[i]))"),
			let("limits", oneLine(t.limits)),
		},
		letList("ranges", t.ranges),
		letList("takes", t.takes),
		letMaps("owned", blocks(pools)),
	)
}

const namespaceLabels = "namespaceObject.metadata.?labels.orValue({})"

// named has the pool of the annotation, if the Service has that.
var named = fmt.Sprintf("object.metadata.?annotations[?%[1]q].hasValue() ?\n  [object.metadata.annotations[%[1]q]] : []", v1alpha1.PoolAnnotation)

// poolsOf are all pools but the commons, in the order of their numbers: so they are listed to the user.
func poolsOf(chart *rules.Chart) []*rules.Pool {
	pools := slices.DeleteFunc(chart.Pools(), (*rules.Pool).Commons)
	slices.SortFunc(pools, func(a, b *rules.Pool) int {
		return cmp.Or(cmp.Compare(first(a), first(b)), cmp.Compare(a.Name, b.Name))
	})
	return pools
}

func first(p *rules.Pool) int32 {
	if len(p.Numbers) == 0 {
		return 0
	}
	return p.Numbers[0].From
}

func (t *poolText) add(i int, p *rules.Pool) {
	t.selects = append(t.selects, selects(p.Spec.NamespaceSelector))
	t.enforces = append(t.enforces, p.Enforces())
	t.names = append(t.names, strconv.Quote(p.Name))
	t.limits = append(t.limits, p.Spec.MaxPortsPerService)
	t.ranges = append(t.ranges, strconv.Quote(p.Numbers.String()))
	t.takes = append(t.takes, takes(i, p))
}

// takes is whether the Service may have new numbers of a pool. One that only warns never refuses one by itself.
func takes(i int, p *rules.Pool) string {
	switch {
	case !p.Enforces():
		return fmt.Sprintf("variables.selects[%d] || !variables.confined", i)
	case p.Drained():
		return "false"
	}
	return fmt.Sprintf("variables.selects[%d] && variables.named.all(name, name == %q)", i, p.Name)
}

// blocks are, by the hundred that they lie in, the ranges that pools own: from, to and the pool's index.
func blocks(pools []*rules.Pool) []string {
	byHundred := map[int32][][]int32{}
	for i, p := range pools {
		for _, r := range p.Numbers {
			for block := r.From / hundred; block <= r.To/hundred; block++ {
				byHundred[block] = append(byHundred[block], []int32{r.From, r.To, int32(i)})
			}
		}
	}
	var entries []string
	for _, block := range slices.Sorted(maps.Keys(byHundred)) {
		entries = append(entries, fmt.Sprintf("%d: %s", block, nested(byHundred[block])))
	}
	return entries
}

func nested(ranges [][]int32) string {
	slices.SortFunc(ranges, slices.Compare[[]int32])
	inner := make([]string, len(ranges))
	for i, r := range ranges {
		inner[i] = oneLine(r)
	}
	return "[" + strings.Join(inner, ", ") + "]"
}
