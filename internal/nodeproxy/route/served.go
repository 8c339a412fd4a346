package route

import (
	"net/netip"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// served is a Service as the table has it. All but its lists' slots stays as it is; a change makes another.
type served struct {
	name       types.NamespacedName
	created    time.Time
	fronts     []front // sorted
	lists      []*list // sorted
	clusterIPs []netip.Addr
	hairpins   []Hairpin
	tally      Tally
}

// front is a frontend of a Service.
type front struct {
	Frontend
	kind       Kind
	masquerade bool
	shortcut   bool   // inside counts
	timeout    uint32 // in seconds
	target     goal
	inside     goal
	sources    []netip.Prefix
	serving    []netip.AddrPort
}

// goal is what a target has become: an action and, to balance, a list.
type goal struct {
	action Action
	list   *list
}

// front is the Service's frontend f, nil if it is none of its.
func (s *served) front(f Frontend) *front {
	if i, ok := slices.BinarySearchFunc(s.fronts, f, func(a front, b Frontend) int { return a.Frontend.Compare(b) }); ok {
		return &s.fronts[i]
	}
	return nil
}

// list is the Service's list of that key, nil if it has none.
func (s *served) list(k listKey) *list {
	if i, ok := slices.BinarySearchFunc(s.lists, k, func(a *list, b listKey) int { return a.compare(b) }); ok {
		return s.lists[i]
	}
	return nil
}

// frontsOf are the frontends of a plan, leading to the Service's lists.
func frontsOf(plan *Plan, s *served) []front {
	fronts := make([]front, len(plan.Routes))
	for i := range plan.Routes {
		r := &plan.Routes[i]
		fronts[i] = front{
			Frontend:   r.Frontend,
			kind:       r.Kind,
			masquerade: r.Masquerade,
			shortcut:   r.Inside != nil,
			timeout:    uint32(r.Affinity.Seconds()),
			target:     s.goal(r, &r.Target),
			inside:     s.goal(r, r.Inside),
			sources:    r.Sources,
			serving:    r.Serving,
		}
	}
	return fronts
}

func (s *served) goal(r *Route, t *Target) goal {
	if k, ok := r.listKey(t); ok {
		return goal{action: Balance, list: s.list(k)}
	}
	if t == nil {
		return goal{}
	}
	return goal{action: t.Action}
}
