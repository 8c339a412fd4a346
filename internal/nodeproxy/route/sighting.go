package route

import (
	"net/netip"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// sighting is a frontend as it is at one moment: who has it, and with what.
type sighting struct {
	held     bool
	name     types.NamespacedName
	elements []nft.Element
	serving  []netip.AddrPort
}

func (p *Planner) sighting(f Frontend) sighting {
	holder := p.claims.holders[f]
	if holder == nil {
		return sighting{}
	}
	its := holder.front(f)
	return sighting{held: true, name: holder.name, elements: its.elements(), serving: its.serving}
}

func (p *Planner) sightings(fronts []Frontend) []sighting {
	all := make([]sighting, len(fronts))
	for i, f := range fronts {
		all[i] = p.sighting(f)
	}
	return all
}

// compare edits what has changed at a frontend.
func (p *Planner) compare(f Frontend, was, is sighting, handedOver bool, e *edit) {
	if !slices.Equal(was.elements, is.elements) {
		e.replace(was.elements, is.elements)
	}
	if tracked(f.Protocol) && outdated(was, is, handedOver) {
		e.Flows = append(e.Flows, p.Flow(f))
	}
}

// outdated says whether flows of a frontend may go where they should not any more.
func outdated(was, is sighting, handedOver bool) bool {
	switch {
	case !is.held:
		// Whoever sends on to what is no frontend any more is to learn it, for the endpoint's address may become
		// another's. But a Service that goes to another proxy takes its flows along.
		return was.held && !handedOver
	case !was.held:
		return true
	default:
		return slices.ContainsFunc(was.serving, func(a netip.AddrPort) bool {
			_, still := slices.BinarySearchFunc(is.serving, a, netip.AddrPort.Compare)
			return !still
		})
	}
}

// union are the frontends of either, sorted, each once.
func union(fronts []front, routes []Route) []Frontend {
	all := make([]Frontend, 0, max(len(fronts), len(routes)))
	for _, f := range fronts {
		all = append(all, f.Frontend)
	}
	for _, r := range routes {
		all = append(all, r.Frontend)
	}
	slices.SortFunc(all, Frontend.Compare)
	return slices.Compact(all)
}
