package ui

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
	"github.com/portolan-dev/portolan/internal/rules"
)

// model is the cluster as the page shows it.
type model struct {
	From int32 `json:"from"`
	To   int32 `json:"to"`
	// Rest is the state of the numbers that are not listed: Free, or Unknown to one who may not read the ledger.
	Rest picture.State `json:"rest"`
	// Pools are in the order of their numbers; the last one, without a name, has those of no pool.
	Pools []pool `json:"pools"`
	// Spans say which pool has a number. They are ascending, and cover the range.
	Spans   []span   `json:"spans"`
	Numbers []number `json:"numbers"`
	// Gaps says what the caller may not read; empty: he may read all.
	Gaps string `json:"gaps,omitempty"`
	// Assumed: nobody has said that the range is the cluster's.
	Assumed bool `json:"assumed,omitempty"`
}

// pool is one with its use: each of its numbers is counted once.
type pool struct {
	Name   string `json:"name"`
	Ranges string `json:"ranges"`
	// Note says what hinders it; empty: nothing does.
	Note     string `json:"note,omitempty"`
	Total    int    `json:"total"`
	Bound    int    `json:"bound"`
	Kept     int    `json:"kept"`
	Clashing int    `json:"clashing"`
	Unknown  int    `json:"unknown"`
	Free     int    `json:"free"`
	// Trouble is how many of those bound have some.
	Trouble int `json:"trouble"`
}

// span is some numbers in a row that are the same pool's.
type span struct {
	From int32 `json:"from"`
	To   int32 `json:"to"`
	// Pool is its place among the model's.
	Pool int `json:"pool"`
}

// number is one that is not as the rest is.
type number struct {
	Number int32         `json:"n"`
	State  picture.State `json:"state"`
	// Trouble: traffic to it may go astray.
	Trouble   bool   `json:"trouble,omitempty"`
	Namespace string `json:"ns,omitempty"`
	Service   string `json:"svc,omitempty"`
	// Taken is the pool that it was taken from, where that is not the one that has it now.
	Taken string     `json:"taken,omitempty"`
	Since *time.Time `json:"since,omitempty"`
	Until *time.Time `json:"until,omitempty"`
	Last  *time.Time `json:"last,omitempty"`
	Idle  bool       `json:"idle,omitempty"`
	// Others are the Services that carry it as well, and what else uses it on nodes.
	Others []string `json:"others,omitempty"`
}

// modelOf is what the page shows of a picture. It is pure.
func modelOf(p *picture.Picture) model {
	m := model{
		From: p.ClusterRange.From, To: p.ClusterRange.To, Assumed: p.RangeAssumed,
		Rest: picture.Free, Numbers: []number{},
		Gaps: p.GapsText(picture.Pools, picture.Allocations, picture.Services, picture.NodeStates),
	}
	if !p.Complete(picture.Allocations, picture.Services) {
		m.Rest = picture.Unknown
	}
	areas := p.Areas()
	for _, a := range areas {
		m.Pools = append(m.Pools, pool{Name: a.Name, Ranges: a.Numbers.String(), Note: a.Note})
	}
	owners := ownersOf(p.ClusterRange, areas)
	m.Spans = spansOf(p.ClusterRange.From, owners)
	for i, owner := range owners {
		n := p.Number(m.From + int32(i))
		m.Pools[owner].count(n)
		if n.State != m.Rest || n.Troubled() {
			m.Numbers = append(m.Numbers, numberOf(p, n, m.Pools[owner].Name))
		}
	}
	for _, n := range p.Taken() {
		if n.Number < m.From || n.Number > m.To {
			m.Numbers = append(m.Numbers, numberOf(p, n, ""))
		}
	}
	return m
}

// ownersOf is the area that has each number of the range, by its place.
func ownersOf(clusterRange v1alpha1.PortRange, areas []picture.Area) []int {
	owners := make([]int, clusterRange.To-clusterRange.From+1)
	for i, a := range areas {
		for _, r := range a.Numbers.Intersect(rules.Ranges{clusterRange}) {
			for n := r.From; n <= r.To; n++ {
				owners[n-clusterRange.From] = i
			}
		}
	}
	return owners
}

func spansOf(first int32, owners []int) []span {
	var spans []span
	for i, owner := range owners {
		n := first + int32(i)
		if last := len(spans) - 1; last >= 0 && spans[last].Pool == owner {
			spans[last].To = n
			continue
		}
		spans = append(spans, span{From: n, To: n, Pool: owner})
	}
	return spans
}

func (p *pool) count(n picture.Number) {
	p.Total++
	if n.Troubled() {
		p.Trouble++
	}
	switch n.State {
	case picture.InUse, picture.Conflict:
		p.Bound++
	case picture.Held, picture.Reserved, picture.Pending:
		p.Kept++
	case picture.Clashing:
		p.Clashing++
	case picture.Unknown:
		p.Unknown++
	default:
		p.Free++
	}
}

func numberOf(p *picture.Picture, n picture.Number, pool string) number {
	found := number{Number: n.Number, State: n.State, Trouble: n.Troubled(), Others: others(p, n)}
	if owner, ok := n.Owner(); ok {
		found.Namespace, found.Service = owner.Namespace, owner.Name
	}
	a := n.Allocation
	if a == nil {
		if svc := n.Holder(); svc != nil {
			found.Since = &svc.CreationTimestamp.Time
		}
		return found
	}
	if a.Spec.PoolName != pool {
		found.Taken = a.Spec.PoolName
	}
	if a.Spec.HoldUntil != nil && n.State == picture.Held {
		found.Until = &a.Spec.HoldUntil.Time
	}
	if n.Holder() == nil {
		return found
	}
	if a.Status.BoundTime != nil {
		found.Since = &a.Status.BoundTime.Time
	}
	if a.Status.LastTrafficTime != nil {
		found.Last = &a.Status.LastTrafficTime.Time
	}
	found.Idle = meta.IsStatusConditionTrue(a.Status.Conditions, v1alpha1.AllocationIdle)
	return found
}

// others are what else has the number, the Services first.
func others(p *picture.Picture, n picture.Number) []string {
	owner, _ := n.Owner()
	var names []string
	for _, svc := range n.Carriers {
		if svc.Namespace != owner.Namespace || svc.Name != owner.Name {
			names = append(names, serviceName(svc))
		}
	}
	for _, clash := range p.NodeClashes(n.Number) {
		names = append(names, strings.TrimSpace(clash.Process+" on "+clash.Node))
	}
	slices.Sort(names[:len(names)-len(p.NodeClashes(n.Number))])
	return names
}

func serviceName(svc *corev1.Service) string { return "Service " + svc.Namespace + "/" + svc.Name }
