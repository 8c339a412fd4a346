package route

import (
	"errors"
	"iter"
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// ErrFull is that of a Service whose lists find no free ids among a million.
var ErrFull = errors.New("all ids of lists and endpoints are in use")

// Planner turns the plans of Services into the elements of the table, and their changes into the least that is to be
// done there. What a change costs depends on the Service that changes, never on how many others there are.
//
// It takes for granted that its Changes are carried out, in their order; where one was not, what is missing is the
// difference between what the kernel holds and Table. It is not safe for concurrent use.
type Planner struct {
	services map[types.NamespacedName]*served
	claims   claims
	network  []nft.Element
	// nodePortIPs are the addresses that have node ports.
	nodePortIPs []netip.Addr

	clusterIPs nft.Counted[netip.Addr]
	hairpins   nft.Counted[Hairpin]

	ids *nft.IDs[nft.List] // of lists, and of endpoints of lists with affinity

	// found are the elements that the kernel had at the start and that nothing planned so far accounts for; nil once
	// Prune has given them up.
	found   nft.Table
	adopted map[nft.List]bool // ids taken over from there
	tally   Tally
}

// NewPlanner begins with what the kernel's table holds, nothing on a node that is new; it uses up present. What is
// planned takes over the lists that stand there already, with the ids and slots they have, so that a restart changes
// nothing that has not changed. Plan everything once, then call Prune: its Change and all before it belong together.
//
// Clients stick to endpoints longer than a Planner lives. The numbers that the kernel remembers for them, which
// nft.Kernel.Affinities says, are to be shunned, or a client would be sent to another Service's endpoint.
func NewPlanner(present nft.Table, shunned iter.Seq[nft.List]) *Planner {
	p := &Planner{
		services:   map[types.NamespacedName]*served{},
		claims:     newClaims(),
		clusterIPs: nft.NewCounted(nft.ClusterIP),
		hairpins:   nft.NewCounted(Hairpin.element),
		ids:        nft.NewIDs(nft.MaxList, slices.Collect(shunned)...),
		found:      present,
		adopted:    map[nft.List]bool{},
	}
	for id := range present.Lists() {
		p.ids.Keep(id)
	}
	return p
}

// Set plans a Service anew; the zero Plan removes it. On an error nothing has changed.
func (p *Planner) Set(name types.NamespacedName, plan Plan) (Change, error) {
	old := p.services[name]
	if old == nil {
		old = &served{name: name}
	}
	wanted := plan.lists()
	if !p.roomFor(wanted, old) {
		return Change{}, ErrFull
	}
	fronts := union(old.fronts, plan.Routes)
	before := p.sightings(fronts)

	e := &edit{found: p.found}
	next := &served{name: name, created: plan.Created, clusterIPs: plan.ClusterIPs, hairpins: plan.Hairpins}
	p.relist(next, old, &plan, wanted, e)
	next.fronts = frontsOf(&plan, next)
	next.tally = tallyOf(&plan, next.lists)
	p.succeed(next, old, e)

	for i, was := range before {
		p.compare(fronts[i], was, p.sighting(fronts[i]), plan.HandedOver, e)
		won := p.claims.holders[fronts[i]] == next && was.name != name
		if won || old.front(fronts[i]) == nil {
			e.Conflicts = append(e.Conflicts, p.claims.among(fronts[i], next)...)
		}
	}
	return e.Change, nil
}

// SetNetwork plans what the node's network asks for. ServiceCIDRs and the like of before are forgotten.
func (p *Planner) SetNetwork(n Network) Change {
	e := &edit{found: p.found}
	before := p.network
	p.network = n.elements()
	e.replace(before, p.network)
	known := p.nodePortIPs
	p.nodePortIPs = n.NodePortIPs
	if slices.ContainsFunc(n.NodePortIPs, func(ip netip.Addr) bool { return !slices.Contains(known, ip) }) {
		e.Flows = p.nodePortFlows()
	}
	return e.Change
}

// nodePortFlows are those of all node ports: who has sent to an address before it had them is not served there yet.
func (p *Planner) nodePortFlows() []Flow {
	var flows []Flow
	for f := range p.claims.holders {
		if f.NodePort() && tracked(f.Protocol) {
			flows = append(flows, p.Flow(f))
		}
	}
	return flows
}

// Serves says whether anything is planned for a Service.
func (p *Planner) Serves(name types.NamespacedName) bool { return p.services[name] != nil }

// Flow is a frontend as it is now, for those who look at its flows.
func (p *Planner) Flow(f Frontend) Flow {
	now := p.sighting(f)
	return Flow{Frontend: f, Serving: now.serving, Gone: !now.held}
}

// Tally counts what is planned.
func (p *Planner) Tally() Tally { return p.tally }

// Conflicts are all there are at present, in no order.
func (p *Planner) Conflicts() []Conflict {
	var all []Conflict
	for f, claimants := range p.claims.contested {
		for _, loser := range claimants[1:] {
			all = append(all, Conflict{Frontend: f, Winner: claimants[0].name, Loser: loser.name})
		}
	}
	return all
}

// succeed puts a Service in the place of what it was.
func (p *Planner) succeed(next, old *served, e *edit) {
	for _, f := range old.fronts {
		p.claims.giveUp(f.Frontend, old)
	}
	for _, f := range next.fronts {
		p.claims.claim(f.Frontend, next)
	}
	p.clusterIPs.Exchange(old.clusterIPs, next.clusterIPs, &e.Change.Change, e.found)
	p.hairpins.Exchange(old.hairpins, next.hairpins, &e.Change.Change, e.found)
	p.tally.add(old.tally, -1)
	p.tally.add(next.tally, 1)
	if len(next.fronts)+len(next.clusterIPs) == 0 {
		delete(p.services, next.name)
		return
	}
	p.services[next.name] = next
}

// roomFor says whether there are ids for the lists and endpoints that a Service does not have yet.
func (p *Planner) roomFor(wanted []wish, old *served) bool {
	needed := 0
	for _, w := range wanted {
		l := old.list(w.listKey)
		if l == nil {
			l = &list{}
			needed++
		}
		if w.sticky {
			needed += len(l.missing(w.endpoints, 0))
		}
	}
	return needed <= p.ids.Free()
}

// relist gives next its lists: those of old that it still needs, those found in the kernel, and new ones.
func (p *Planner) relist(next, old *served, plan *Plan, wanted []wish, e *edit) {
	known := p.knownLists(plan)
	for _, w := range wanted {
		l := old.list(w.listKey)
		if l == nil {
			l = p.adopt(w.listKey, known[w.listKey])
		}
		if l == nil {
			l = &list{listKey: w.listKey, id: p.ids.Take()}
		}
		l.fill(w.endpoints, p.ids, e)
		next.lists = append(next.lists, l)
	}
	for _, l := range old.lists {
		if next.list(l.listKey) == nil {
			l.fill(nil, p.ids, e)
			p.ids.GiveBack(l.id)
		}
	}
}
