package route

import "github.com/portolan-dev/portolan/internal/nodeproxy/nft"

// Tally counts what a Planner has planned.
type Tally struct {
	// Services are those with at least one frontend, Ports those that their spec.ports list.
	Services, Ports int
	IPv4, IPv6      FamilyTally
}

// FamilyTally counts what there is of a family.
type FamilyTally struct {
	Frontends int
	// Endpoints are those of all lists: one that stands in several counts in each.
	Lists, Endpoints int
	// NoLocalInternal and NoLocalExternal are the ports that have endpoints in the cluster but none here, where the
	// internal or the external traffic policy is Local.
	NoLocalInternal, NoLocalExternal int
}

func (t *Tally) add(u Tally, times int) {
	t.Services += times * u.Services
	t.Ports += times * u.Ports
	t.IPv4.add(u.IPv4, times)
	t.IPv6.add(u.IPv6, times)
}

func (t *FamilyTally) add(u FamilyTally, times int) {
	t.Frontends += times * u.Frontends
	t.Lists += times * u.Lists
	t.Endpoints += times * u.Endpoints
	t.NoLocalInternal += times * u.NoLocalInternal
	t.NoLocalExternal += times * u.NoLocalExternal
}

func (t *Tally) of(f nft.Family) *FamilyTally {
	if f == nft.IPv4 {
		return &t.IPv4
	}
	return &t.IPv6
}

// tallyOf counts a Service.
func tallyOf(plan *Plan, lists []*list) Tally {
	t := Tally{Services: min(1, len(plan.Routes))}
	for _, l := range lists {
		f := t.of(l.family)
		f.Lists++
		f.Endpoints += len(l.slots)
	}
	ports, closed := map[listKey]bool{}, map[listKey]bool{}
	for _, r := range plan.Routes {
		f := t.of(r.Family)
		f.Frontends++
		ports[listKey{port: r.PortName, protocol: r.Protocol}] = true
		port := listKey{port: r.PortName, protocol: r.Protocol, family: r.Family}
		switch {
		case r.Target.Action != Discard:
		case r.Kind == ClusterIP:
			f.NoLocalInternal++
		case !closed[port]: // its node port, external IPs and so on have one policy
			closed[port] = true
			f.NoLocalExternal++
		}
	}
	t.Ports = len(ports)
	return t
}
