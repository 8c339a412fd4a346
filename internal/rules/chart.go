// Package rules holds the decisions of Portolan: which pools a namespace uses, which numbers are allowed
// there, why one is refused, and what to suggest. Everything here is pure: values in, values out.
//
// The policy:
//   - A namespace that any pool selects uses only its pools; every other uses the numbers of no pool.
//   - An explicit number is decided by the pool that contains it.
//   - Only what is new is judged: a number that a live Service already has stays.
//   - A refusal names nothing of another namespace.
package rules

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// DefaultHold is how long a number of no pool stays with its last owner.
const DefaultHold = 10 * time.Minute

// Pool is a NodePortPool as it takes effect, or the commons: the numbers of no pool, which have no Name.
type Pool struct {
	Name string
	// Numbers are those that the pool owns: its ranges inside the cluster's range, less those of older pools.
	Numbers Ranges
	// Spec is the pool's spec with its defaults.
	Spec v1alpha1.NodePortPoolSpec

	// Overlaps is an older pool that has some of the numbers: this one hands out nothing.
	Overlaps string
	// Outside are numbers outside the cluster's range.
	Outside Ranges
	// SelectorError says why the namespaceSelector cannot be read: the pool selects nothing.
	SelectorError error

	selector labels.Selector
}

// Commons says whether the pool is the numbers of no pool.
func (p *Pool) Commons() bool { return p.Name == "" }

// Hold is how long a number of the pool stays with its last owner.
func (p *Pool) Hold() time.Duration {
	if p.Spec.HoldSeconds == nil {
		return DefaultHold
	}
	return time.Duration(*p.Spec.HoldSeconds) * time.Second
}

// Enforces says whether a breach of the pool's confinement is refused rather than warned about.
func (p *Pool) Enforces() bool { return p.Spec.Enforcement != v1alpha1.EnforcementWarn }

// Drained says whether the pool hands out nothing new at all.
func (p *Pool) Drained() bool {
	return p.Spec.Allocation == v1alpha1.AllocationNone || p.Overlaps != ""
}

// Chart is all pools at one moment, laid over the cluster's node port range. It does not change once made,
// so any number of goroutines may read it.
type Chart struct {
	clusterRange v1alpha1.PortRange
	commons      *Pool
	pools        []*Pool // the older first: it owns what it shares with a younger one
	byName       map[string]*Pool
	owners       []*Pool // of each number of the cluster's range, from its first on
}

// NewChart lays pools over the API server's node port range.
func NewChart(clusterRange v1alpha1.PortRange, pools []v1alpha1.NodePortPool) *Chart {
	c := &Chart{clusterRange: clusterRange, byName: map[string]*Pool{}}
	byAge := slices.Clone(pools)
	slices.SortFunc(byAge, func(a, b v1alpha1.NodePortPool) int {
		return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	cluster := Ranges{clusterRange}
	unowned := cluster
	for i := range byAge {
		p := c.newPool(&byAge[i], unowned)
		unowned = unowned.Subtract(p.Numbers)
		c.pools = append(c.pools, p)
	}
	c.commons = &Pool{Numbers: unowned, selector: labels.Nothing()}
	if len(cluster.Subtract(unowned)) > 0 && !c.Guarded() {
		// Who runs out of these may have numbers of pools that only warn.
		c.commons.Spec.Enforcement = v1alpha1.EnforcementWarn
	}
	c.index()
	return c
}

// index makes what finds a pool without a look at all of them.
func (c *Chart) index() {
	c.owners = make([]*Pool, c.clusterRange.To-c.clusterRange.From+1)
	for _, p := range c.Pools() {
		c.byName[p.Name] = p
		for _, r := range p.Numbers {
			for n := r.From; n <= r.To; n++ {
				c.owners[n-c.clusterRange.From] = p
			}
		}
	}
}

// Guarded says whether any pool keeps its numbers from other namespaces.
func (c *Chart) Guarded() bool {
	return slices.ContainsFunc(c.pools, func(p *Pool) bool { return len(p.Numbers) > 0 && p.Enforces() })
}

func (c *Chart) newPool(pool *v1alpha1.NodePortPool, unowned Ranges) *Pool {
	ranges := NewRanges(pool.Spec.Ranges)
	inside := ranges.Intersect(Ranges{c.clusterRange})
	p := &Pool{
		Name:    pool.Name,
		Spec:    pool.Spec,
		Numbers: inside.Intersect(unowned),
		Outside: ranges.Subtract(Ranges{c.clusterRange}),
	}
	if p.Numbers.Len() < inside.Len() {
		older := slices.IndexFunc(c.pools, func(older *Pool) bool { return len(older.Numbers.Intersect(inside)) > 0 })
		p.Overlaps = c.pools[older].Name
	}
	p.selector, p.SelectorError = metav1.LabelSelectorAsSelector(&pool.Spec.NamespaceSelector)
	if p.SelectorError != nil {
		p.selector = labels.Nothing()
	}
	return p
}

// ClusterRange is the API server's node port range.
func (c *Chart) ClusterRange() v1alpha1.PortRange { return c.clusterRange }

// Pools are all pools and, last, the commons.
func (c *Chart) Pools() []*Pool { return append(slices.Clone(c.pools), c.commons) }

// Pool is the pool of that name, the commons for "", nil where there is none.
func (c *Chart) Pool(name string) *Pool {
	return c.byName[name]
}

// PoolOf is the pool that owns a number, the commons where none does, nil outside the cluster's range.
func (c *Chart) PoolOf(number int32) *Pool {
	if number < c.clusterRange.From || number > c.clusterRange.To {
		return nil
	}
	return c.owners[number-c.clusterRange.From]
}

// PoolsFor are the pools that a namespace with these labels uses, in the order in which they are asked: the
// higher priority first, then the lower name. Where no pool selects it, it is the commons alone.
func (c *Chart) PoolsFor(namespace map[string]string) []*Pool {
	var selecting []*Pool
	for _, p := range c.pools {
		if p.selector.Matches(labels.Set(namespace)) {
			selecting = append(selecting, p)
		}
	}
	if selecting == nil {
		return []*Pool{c.commons}
	}
	slices.SortFunc(selecting, func(a, b *Pool) int {
		return cmp.Or(cmp.Compare(b.Spec.Priority, a.Spec.Priority), cmp.Compare(a.Name, b.Name))
	})
	return selecting
}
