package route

// Tally counts what a Planner has planned.
type Tally struct {
	// Services are those with at least one frontend.
	Services  int
	Frontends int
	// Endpoints are those of all lists: one that stands in several counts in each.
	Lists, Endpoints int
	// NoLocalInternal and NoLocalExternal are the ports, in each family, that have endpoints in the cluster but none
	// here, where the internal or the external traffic policy is Local.
	NoLocalInternal, NoLocalExternal int
}

func (t *Tally) add(u Tally, times int) {
	t.Services += times * u.Services
	t.Frontends += times * u.Frontends
	t.Lists += times * u.Lists
	t.Endpoints += times * u.Endpoints
	t.NoLocalInternal += times * u.NoLocalInternal
	t.NoLocalExternal += times * u.NoLocalExternal
}

// tallyOf counts a Service.
func tallyOf(plan *Plan, lists []*list) Tally {
	t := Tally{Services: min(1, len(plan.Routes)), Frontends: len(plan.Routes), Lists: len(lists)}
	for _, l := range lists {
		t.Endpoints += len(l.slots)
	}
	external := map[listKey]bool{}
	for _, r := range plan.Routes {
		if r.Target.Action != Discard {
			continue
		}
		if r.Kind == ClusterIP {
			t.NoLocalInternal++
		} else {
			external[listKey{port: r.PortName, protocol: r.Protocol, family: r.Family}] = true
		}
	}
	t.NoLocalExternal = len(external)
	return t
}
