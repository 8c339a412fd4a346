package fleet

import (
	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
)

// Guards fold what the nodes report into how many of them enforce all NodePortAccess up to a version. Nearly always all
// are at the same one, so a question costs next to nothing.
type Guards struct {
	nodes  map[string]string // the version of each node that has a guard
	counts map[string]int    // nodes by version
}

// NewGuards are none.
func NewGuards() *Guards { return &Guards{nodes: map[string]string{}, counts: map[string]int{}} }

// Advance is what a report changes: a node that knew all up to before now knows all up to after.
type Advance struct {
	before, after string
	// all: there are more guards than before, or less.
	all bool
}

// None says whether it changes nothing at all.
func (a Advance) None() bool { return !a.all && a.before == a.after }

// Concerns says whether it changes how many nodes enforce a version.
func (a Advance) Concerns(version string) bool {
	return a.all || access.Reached(a.before, version) != access.Reached(a.after, version)
}

// Put takes in a node's state.
func (g *Guards) Put(state *v1alpha1.NodePortNodeState) Advance {
	if state.Status.Guard == nil {
		return g.Drop(state.Name)
	}
	before, known := g.nodes[state.Name]
	after := state.Status.Guard.AccessResourceVersion
	g.leave(state.Name)
	g.nodes[state.Name] = after
	g.counts[after]++
	return Advance{before: before, after: after, all: !known}
}

// Drop forgets a node.
func (g *Guards) Drop(node string) Advance {
	before, known := g.nodes[node]
	g.leave(node)
	return Advance{before: before, all: known}
}

func (g *Guards) leave(node string) {
	version, known := g.nodes[node]
	if !known {
		return
	}
	delete(g.nodes, node)
	if g.counts[version]--; g.counts[version] == 0 {
		delete(g.counts, version)
	}
}

// Of is how many guards there are, and how many enforce a version.
func (g *Guards) Of(version string) v1alpha1.NodeCounts {
	counts := v1alpha1.NodeCounts{Total: int32(len(g.nodes))} //nolint:gosec // a count of nodes
	for at, n := range g.counts {
		if access.Reached(at, version) {
			counts.Programmed += int32(n) //nolint:gosec // a count of nodes
		}
	}
	return counts
}
