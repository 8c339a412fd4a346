package guard

import (
	"cmp"
	"iter"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// service is what is known of a Service, nothing of one that is not there.
func (p *Planner) service(name types.NamespacedName) *service {
	if s := p.services[name.Namespace][name.Name]; s != nil {
		return s
	}
	return &service{name: name}
}

// keep puts a Service in the place of what it was.
func (p *Planner) keep(s *service) {
	all := p.services[s.name.Namespace]
	switch {
	case !s.gone():
		if all == nil {
			all = map[string]*service{}
			p.services[s.name.Namespace] = all
		}
		all[s.name.Name] = s
	default:
		delete(all, s.name.Name)
		if len(all) == 0 {
			delete(p.services, s.name.Namespace)
		}
	}
}

// door is that of a port, a new one if need be.
func (p *Planner) door(port nft.Port) *door {
	d := p.doors[port]
	if d == nil {
		d = &door{Port: port}
		p.doors[port] = d
	}
	return d
}

// doorsWhere are some of the doors, in order.
func (p *Planner) doorsWhere(counts func(*door) bool) []*door {
	var doors []*door
	for _, d := range p.doors {
		if counts(d) {
			doors = append(doors, d)
		}
	}
	sortDoors(doors)
	return doors
}

func sortDoors(doors []*door) {
	slices.SortFunc(doors, func(a, b *door) int { return comparePorts(a.Port, b.Port) })
}

// policy is the NodePortAccess of that name, nil if there is none.
func (p *Planner) policy(name types.NamespacedName) *access.Policy {
	all := p.policies[name.Namespace]
	if at, found := slices.BinarySearchFunc(all, name.Name, comparePolicy); found {
		return all[at]
	}
	return nil
}

func comparePolicy(p *access.Policy, name string) int { return cmp.Compare(p.Name.Name, name) }

// exchangePolicy puts a NodePortAccess in the place of what it was.
func (p *Planner) exchangePolicy(name types.NamespacedName, policy *access.Policy) {
	all := p.policies[name.Namespace]
	at, found := slices.BinarySearchFunc(all, name.Name, comparePolicy)
	switch {
	case found && policy != nil:
		all[at] = policy
	case found:
		all = slices.Delete(all, at, at+1)
	default:
		all = slices.Insert(all, at, policy)
	}
	if p.policies[name.Namespace] = all; len(all) == 0 {
		delete(p.policies, name.Namespace)
	}
}

func equalSpecs(a, b *v1alpha1.NodePortAccessSpec) bool { return equality.Semantic.DeepEqual(a, b) }

// selected are the doors of the namespace that one of the policies is about, in order; a policy may be nil.
func (p *Planner) selected(namespace string, policies ...*access.Policy) []*door {
	doors := map[*door]bool{}
	for _, s := range p.services[namespace] {
		for policy := range filter(policies, func(policy *access.Policy) bool { return policy != nil && policy.Selects(s.labels) }) {
			for _, port := range s.ports {
				if policy.SelectsPort(port.name) {
					doors[p.doors[port.Port]] = true
				}
			}
		}
	}
	all := make([]*door, 0, len(doors))
	for d := range doors {
		all = append(all, d)
	}
	sortDoors(all)
	return all
}

// selecting are the policies that are about a door, sorted by name.
func (p *Planner) selecting(d *door) []*access.Policy {
	holder := d.claimants[0]
	name := holder.portName(d.Port)
	return slices.Collect(filter(p.policies[holder.name.Namespace], func(policy *access.Policy) bool {
		return policy.SelectsPort(name) && policy.Selects(holder.labels)
	}))
}

// ceiling is the pool whose access is the ceiling at a number, nil if there is none.
func (p *Planner) ceiling(number uint16) *access.Pool {
	at := slices.IndexFunc(p.pools, func(pool *access.Pool) bool { return pool.Has(number) })
	if at < 0 || !p.pools[at].Capped {
		return nil
	}
	return p.pools[at]
}

// union are the ports of both, in order.
func union(a, b []namedPort) []nft.Port {
	var all []nft.Port
	for _, p := range slices.Concat(a, b) {
		all = append(all, p.Port)
	}
	slices.SortFunc(all, comparePorts)
	return slices.Compact(all)
}

func filter[T any](all []T, holds func(T) bool) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, each := range all {
			if holds(each) && !yield(each) {
				return
			}
		}
	}
}
