package controllers

import (
	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
)

// guards fold what the nodes report into how many of them enforce all NodePortAccess up to a version. Nearly always all
// are at the same one, so a question costs next to nothing.
type guards struct {
	nodes  map[string]string // the version of each node that has a guard
	counts map[string]int    // nodes by version
}

func newGuards() *guards { return &guards{nodes: map[string]string{}, counts: map[string]int{}} }

// advance is what a report changes: a node that knew all up to before now knows all up to after.
type advance struct {
	before, after string
	// all: there are more guards than before, or less.
	all bool
}

// concerns says whether it changes how many nodes enforce a version.
func (a advance) concerns(version string) bool {
	return a.all || access.Reached(a.before, version) != access.Reached(a.after, version)
}

// put takes in a node's state.
func (g *guards) put(state *v1alpha1.NodePortNodeState) advance {
	if state.Status.Guard == nil {
		return g.drop(state.Name)
	}
	before, known := g.nodes[state.Name]
	after := state.Status.Guard.AccessResourceVersion
	g.leave(state.Name)
	g.nodes[state.Name] = after
	g.counts[after]++
	return advance{before: before, after: after, all: !known}
}

// drop forgets a node.
func (g *guards) drop(node string) advance {
	before, known := g.nodes[node]
	g.leave(node)
	return advance{before: before, all: known}
}

func (g *guards) leave(node string) {
	version, known := g.nodes[node]
	if !known {
		return
	}
	delete(g.nodes, node)
	if g.counts[version]--; g.counts[version] == 0 {
		delete(g.counts, version)
	}
}

// of is how many guards there are, and how many enforce a version.
func (g *guards) of(version string) v1alpha1.NodeCounts {
	counts := v1alpha1.NodeCounts{Total: int32(len(g.nodes))} //nolint:gosec // a count of nodes
	for at, n := range g.counts {
		if access.Reached(at, version) {
			counts.Programmed += int32(n) //nolint:gosec // a count of nodes
		}
	}
	return counts
}
