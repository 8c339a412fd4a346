package guard

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// Planner turns objects into the elements of the guard, and their changes into the least that is to be done in the
// kernel's table. What a change costs depends on the Services of the namespace and on the ports that it is about.
//
// It takes for granted that its Changes are carried out, in their order; where one was not, what is missing is the
// difference between what the kernel holds and Table. It is not safe for concurrent use.
type Planner struct {
	node     Node
	pools    []*access.Pool              // as Pool.Compare has them
	policies map[string][]*access.Policy // of each namespace, sorted by name
	specs    map[types.NamespacedName]*v1alpha1.NodePortAccessSpec
	services map[string]map[string]*service // of each namespace, by name

	doors map[nft.Port]*door
	// had are the ports that a Service has, or had once. Connections to one that none ever had are with whatever else of the
	// node listened there, and do not lead to the Service that comes.
	had       map[nft.Port]bool
	acls      map[string]*acl   // by who has a say
	ids       *nft.IDs[nft.ACL] // of all but nobody
	taken     map[string]int    // room, by namespace, of the most that each may take
	most      int
	crowded   map[*door]bool        // there was no room for these
	uses      nft.Counted[nft.Port] // numbers that Services have, and hostPorts
	hostPorts []nft.Port

	found   nft.Table // as in edit; nil once Prune has given it up
	granted map[nft.ACL]int
	adopted map[nft.ACL]bool
}

// NewPlanner begins with what the kernel's table holds, nothing on a node that is new: it takes what is the guard's out
// of present. What is planned takes over the acls that stand there already, so that a restart changes nothing that has
// not changed. Before the first Service, tell it of the node, all pools and all NodePortAccess objects; after the last,
// call Prune: its Change and all before it belong together.
func NewPlanner(present nft.Table) *Planner {
	p := &Planner{
		policies: map[string][]*access.Policy{},
		specs:    map[types.NamespacedName]*v1alpha1.NodePortAccessSpec{},
		services: map[string]map[string]*service{},
		doors:    map[nft.Port]*door{},
		had:      map[nft.Port]bool{},
		acls:     map[string]*acl{},
		ids:      nft.NewIDs(nobody - 1),
		taken:    map[string]int{},
		most:     mostElements,
		crowded:  map[*door]bool{},
		uses:     nft.NewCounted(func(p nft.Port) nft.Element { return nft.Use(p.Protocol, p.Number) }),
	}
	p.find(present)
	return p
}

// SetService plans a Service anew; nil is one that has gone.
func (p *Planner) SetService(name types.NamespacedName, object *corev1.Service) Change {
	old, next := p.service(name), serviceOf(name, object)
	if old.equal(next) {
		return Change{}
	}
	e := p.edit()
	p.uses.Exchange(old.uses(), next.uses(), &e.Change.Change, e.found)
	var doors []*door
	for _, port := range union(old.ports, next.ports) {
		d := p.door(port)
		if p.had[port] {
			e.touch(d)
		}
		p.had[port] = true
		doors = append(doors, d)
	}
	for _, port := range old.ports {
		p.doors[port.Port].giveUp(old)
	}
	for _, port := range next.ports {
		p.doors[port.Port].claim(next)
	}
	p.keep(next)
	return p.finish(doors, e)
}

// SetAccess plans a NodePortAccess anew; nil is one that has gone.
func (p *Planner) SetAccess(name types.NamespacedName, object *v1alpha1.NodePortAccess) Change {
	if known := p.specs[name]; known == nil && object == nil || known != nil && object != nil && equalSpecs(known, &object.Spec) {
		return Change{}
	}
	before := p.policy(name)
	var after *access.Policy
	if object != nil {
		after = access.NewPolicy(object)
		p.specs[name] = &object.Spec
	} else {
		delete(p.specs, name)
	}
	p.exchangePolicy(name, after)
	doors := p.selected(name.Namespace, before, after)
	return p.replan(doors)
}

// SetPool plans a NodePortPool anew; nil is one that has gone.
func (p *Planner) SetPool(name string, object *v1alpha1.NodePortPool) Change {
	at := slices.IndexFunc(p.pools, func(pool *access.Pool) bool { return pool.Name == name })
	var before, after *access.Pool
	if at >= 0 {
		before = p.pools[at]
	}
	if object != nil {
		after = access.NewPool(object)
	}
	if before.Equal(after) {
		return Change{}
	}
	if before != nil {
		p.pools = slices.Delete(p.pools, at, at+1)
	}
	if after != nil {
		p.pools = append(p.pools, after)
		slices.SortFunc(p.pools, (*access.Pool).Compare)
	}
	return p.replan(p.doorsWhere(func(d *door) bool { return before.Has(d.Number) || after.Has(d.Number) }))
}

// SetNode plans for the node as it is now.
func (p *Planner) SetNode(node Node) Change {
	node = node.canonical()
	if p.node.Equal(node) {
		return Change{}
	}
	p.node = node
	return p.replan(p.doorsWhere(func(d *door) bool { return len(p.selecting(d)) > 0 }))
}

// SetHostPorts plans for the hostPorts of the node's pods, each of which counts as used. They are not guarded.
func (p *Planner) SetHostPorts(ports []nft.Port) Change {
	e := p.edit()
	p.uses.Exchange(p.hostPorts, ports, &e.Change.Change, e.found)
	p.hostPorts = slices.Clone(ports)
	return e.Change
}

// Table is what the kernel's table is to hold of the guard: until anything is planned, what it held at the start. Nobody
// may write to it.
func (p *Planner) Table() nft.Table {
	if p.found != nil {
		return p.found
	}
	t := nft.Table{}
	put := func(elements []nft.Element) {
		for _, e := range elements {
			t[e.Key] = e.Value
		}
	}
	for _, d := range p.doors {
		put(d.elements())
	}
	for _, a := range p.acls {
		put(a.elements(a.id))
	}
	put(slices.Collect(p.uses.Elements()))
	return t
}

func (p *Planner) edit() *edit {
	return &edit{found: p.found, before: map[*door]Sight{}, planned: map[*door]bool{}, taken: map[string]int{}}
}

// replan plans doors anew whose ports stay who they are.
func (p *Planner) replan(doors []*door) Change {
	e := p.edit()
	for _, d := range doors {
		e.touch(d)
	}
	return p.finish(doors, e)
}

// finish plans doors anew, which have been touched if there may be connections to them.
func (p *Planner) finish(doors []*door, e *edit) Change {
	p.plan(doors, e)
	if relieved := p.relieved(e); len(relieved) > 0 {
		for _, d := range relieved {
			e.touch(d)
		}
		p.plan(relieved, e)
	}
	p.drop(e)
	e.narrow()
	return e.Change
}

// plan plans doors anew, none of which the edit has planned yet. What they have is first given up by all of them, so that
// there is room.
func (p *Planner) plan(doors []*door, e *edit) {
	for _, d := range doors {
		p.vacate(d, e)
		e.planned[d] = true
	}
	for _, d := range doors {
		p.settle(d, e)
	}
}

func (p *Planner) vacate(d *door, e *edit) {
	p.charge(d.namespace, -d.spots, e)
	for _, place := range d.places {
		p.release(place.acl, e)
	}
}

// settle has a door, which is vacant, be as those want it who have a say now.
func (p *Planner) settle(d *door, e *edit) {
	before := d.elements()
	d.places, d.namespace, d.spots = nil, "", 0
	delete(p.crowded, d)
	if len(d.claimants) > 0 {
		p.occupy(d, e)
	} else {
		delete(p.doors, d.Port)
	}
	e.replace(before, d.elements())
}

// occupy leads a door to the lists of those who have a say, or to nobody's where there is no room for those.
func (p *Planner) occupy(d *door, e *edit) {
	d.namespace = d.claimants[0].name.Namespace
	h := hear(p.ceiling(d.Number), p.selecting(d), p.node)
	var opinions []opinion
	fits := p.fits(d.namespace, h.spots(), nil) // else not even to be looked at
	if fits {
		opinions = h.opinions()
		fits = p.fits(d.namespace, h.spots(), opinions)
	}
	if fits {
		d.spots = h.spots()
		p.charge(d.namespace, d.spots, e)
	} else {
		opinions = []opinion{say{selected: true}.at(spot{})}
		p.crowded[d] = true
	}
	for _, o := range opinions {
		d.places = append(d.places, place{o.spot, p.acquire(d.Port, o, e)})
	}
}
