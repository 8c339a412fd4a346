package allocator

import (
	"cmp"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/bitmap"
	"github.com/portolan-dev/portolan/internal/rules"
)

// use is how something else than a Service uses a number; the zero value, where its node does not say.
type use struct {
	protocol corev1.Protocol
	kind     v1alpha1.ClashKind
}

// clashes folds what the nodes report into how many of them use each number otherwise. The cost of a report is that of
// the numbers in it: on most nodes none.
type clashes struct {
	nodes  map[string]map[int32][]use // of the nodes that have any
	counts map[int32]map[use]int      // nodes; none is 0
}

func newClashes() *clashes {
	return &clashes{nodes: map[string]map[int32][]use{}, counts: map[int32]map[use]int{}}
}

// has says whether a number clashes on any node.
func (c *clashes) has(n int32) bool { return len(c.counts[n]) > 0 }

// put takes in what a node uses, nil for nothing, and returns the numbers that it uses now or did before.
func (c *clashes) put(node string, after map[int32][]use) []int32 {
	before := c.nodes[node]
	if len(after) == 0 {
		delete(c.nodes, node)
	} else {
		c.nodes[node] = after
	}
	for n, uses := range before {
		for _, u := range uses {
			c.remove(n, u)
		}
	}
	for n, uses := range after {
		for _, u := range uses {
			if c.counts[n] == nil {
				c.counts[n] = map[use]int{}
			}
			c.counts[n][u]++
		}
	}
	return slices.AppendSeq(slices.Collect(maps.Keys(before)), maps.Keys(after))
}

func (c *clashes) remove(n int32, u use) {
	if c.counts[n][u]--; c.counts[n][u] == 0 {
		delete(c.counts[n], u)
	}
	if len(c.counts[n]) == 0 {
		delete(c.counts, n)
	}
}

// usesOf are the numbers that a node says not to hand out, and what it says of each. What cannot be read is nothing.
func usesOf(status *v1alpha1.NodePortNodeStateStatus) map[int32][]use {
	numbers, err := bitmap.Parse(status.ClashingNodePorts)
	if err != nil || status.ClashingNodePorts == "" {
		return nil
	}
	uses := map[int32][]use{}
	for _, clash := range status.Clashes {
		u := use{clash.Protocol, clash.Kind}
		if n := clash.NodePort; numbers.Has(n) && clash.Kind != v1alpha1.ClashEphemeral && !slices.Contains(uses[n], u) {
			uses[n] = append(uses[n], u)
		}
	}
	for n := range numbers.TakenNumbers() {
		if uses[n] == nil {
			uses[n] = []use{{}}
		}
	}
	return uses
}

// NodeStateSeen takes in what a node reports.
func (l *Ledger) NodeStateSeen(state *v1alpha1.NodePortNodeState) {
	l.clash(state.Name, usesOf(&state.Status))
}

// NodeStateGone takes in that a node reports nothing any more.
func (l *Ledger) NodeStateGone(node string) { l.clash(node, nil) }

func (l *Ledger) clash(node string, uses map[int32][]use) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range l.clashes.put(node, uses) {
		l.refresh(n)
	}
}

// Clashes implements rules.Ledger.
func (l *Ledger) Clashes(number int32) []rules.Clash {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []rules.Clash
	for u, nodes := range l.clashes.counts[number] {
		all = append(all, rules.Clash{Protocol: u.protocol, Kind: u.kind, Nodes: nodes})
	}
	slices.SortFunc(all, func(a, b rules.Clash) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Protocol, b.Protocol))
	})
	return all
}

// ClashingNumbers are all numbers that clash on any node, ascending.
func (l *Ledger) ClashingNumbers() []int32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.clashes.counts))
}

// unheld says whether nobody has a number, and nobody carries it.
func (l *Ledger) unheld(n int32) bool { return l.claims[n] == nil && len(l.carriers[n]) == 0 }
