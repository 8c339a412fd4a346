// Package fleet folds what the nodes report, each in its NodePortNodeState, into what is true of all of them: how many
// have a number in force, when it was last used, and how many enforce all NodePortAccess up to a version. A report costs
// what it changes, however many nodes there are. Nothing in it may be used by two goroutines at once.
package fleet

import (
	"slices"
	"unique"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/bitmap"
	"github.com/portolan-dev/portolan/internal/selection"
)

// maxNamed is how many nodes a condition names: allocations are for operators, but there may be thousands of nodes.
const maxNamed = 3

// Coverage folds what the nodes report into how many of them have each number. The cost of a report is that of the
// numbers that it changes, and a question costs no look at a node unless some lack the number. What only kube-proxy
// serves is in no report, and is not counted.
type Coverage struct {
	nodes map[string]report
	// counts are by which Services the nodes serve: nearly always there is one way, during a roll-out two.
	counts map[selection.Selection]*count
}

// report is what a node says. Nodes that have the same numbers share one text.
type report struct {
	selection.Selection
	text    unique.Handle[string]
	numbers *bitmap.Set
}

// count is what the nodes that serve the same Services have.
type count struct {
	nodes      int
	programmed map[int32]int // nodes by number; none is 0
}

// NewCoverage is that of no node.
func NewCoverage() *Coverage {
	return &Coverage{nodes: map[string]report{}, counts: map[selection.Selection]*count{}}
}

// Modes are how many nodes report in each mode.
func (c *Coverage) Modes() map[v1alpha1.ProxyMode]int {
	nodes := map[v1alpha1.ProxyMode]int{}
	for s, of := range c.counts {
		nodes[s.Mode] += of.nodes
	}
	return nodes
}

// Changes are the numbers of which a report says something new.
type Changes struct {
	Numbers []int32
	// All: as many nodes as before do not serve the Services any more, or count, whatever their numbers.
	All bool
}

// And are the changes of both.
func (c Changes) And(other Changes) Changes {
	return Changes{slices.Concat(c.Numbers, other.Numbers), c.All || other.All}
}

// Put takes in a node's state. It fails where the node's numbers cannot be read: then it counts as having none.
func (c *Coverage) Put(state *v1alpha1.NodePortNodeState) (Changes, error) {
	before, known := c.nodes[state.Name]
	after := report{
		Selection: selection.Of(state),
		text:      unique.Make(state.Status.NodePorts),
		numbers:   before.numbers,
	}
	if known && after == before {
		return Changes{}, nil
	}
	var err error
	if !known || after.text != before.text {
		if after.numbers, err = bitmap.Parse(after.text.Value()); err != nil {
			after.numbers = &bitmap.Set{}
		}
	}
	c.nodes[state.Name] = after
	if known && after.Selection == before.Selection {
		return Changes{Numbers: c.move(before, after)}, err
	}
	if known {
		c.leave(before)
	}
	c.join(after)
	return Changes{All: true}, err
}

// Drop forgets a node.
func (c *Coverage) Drop(node string) Changes {
	before, known := c.nodes[node]
	if !known {
		return Changes{}
	}
	delete(c.nodes, node)
	c.leave(before)
	return Changes{All: true}
}

// move counts the numbers by which two reports of a node differ, and returns them.
func (c *Coverage) move(before, after report) []int32 {
	numbers := slices.Collect(bitmap.Difference(before.numbers, after.numbers))
	of := c.counts[after.Selection]
	for _, n := range numbers {
		if after.numbers.Has(n) {
			of.programmed[n]++
		} else {
			of.without(n)
		}
	}
	return numbers
}

func (c *Coverage) join(r report) {
	of := c.counts[r.Selection]
	if of == nil {
		of = &count{programmed: map[int32]int{}}
		c.counts[r.Selection] = of
	}
	of.nodes++
	for n := range r.numbers.TakenNumbers() {
		of.programmed[n]++
	}
}

func (c *Coverage) leave(r report) {
	of := c.counts[r.Selection]
	for n := range r.numbers.TakenNumbers() {
		of.without(n)
	}
	if of.nodes--; of.nodes == 0 {
		delete(c.counts, r.Selection)
	}
}

// without counts one node less that has a number.
func (of *count) without(n int32) {
	if of.programmed[n]--; of.programmed[n] == 0 {
		delete(of.programmed, n)
	}
}

// Covered is how many of the nodes that serve a Service have its number, and the first of those that do not, by name.
type Covered struct {
	v1alpha1.NodeCounts
	Missing []string // at most maxNamed
}

// Of is the coverage of a number of a Service; without a total no node serves it.
func (c *Coverage) Of(number int32, svc *corev1.Service) Covered {
	var found Covered
	for s, of := range c.counts {
		if s.Takes(svc) {
			found.Total += int32(of.nodes)                   //nolint:gosec // a count of nodes
			found.Programmed += int32(of.programmed[number]) //nolint:gosec // a count of nodes
		}
	}
	if found.Programmed < found.Total {
		found.Missing = c.missing(number, svc)
	}
	return found
}

// missing are the first of the nodes that serve a Service and do not have its number. It looks at every node.
func (c *Coverage) missing(number int32, svc *corev1.Service) []string {
	first := make([]string, 0, maxNamed+1)
	for name, r := range c.nodes {
		if r.numbers.Has(number) || !r.Takes(svc) || len(first) == maxNamed && name > first[maxNamed-1] {
			continue
		}
		at, _ := slices.BinarySearch(first, name)
		first = slices.Insert(first, at, name)
		first = first[:min(len(first), maxNamed)]
	}
	return first
}
