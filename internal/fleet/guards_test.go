package fleet

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// guardState is the report of a node whose guard is at a version; without one it has no guard.
func guardState(node, version string) *v1alpha1.NodePortNodeState {
	state := &v1alpha1.NodePortNodeState{}
	state.Name = node
	if version != "" {
		state.Status.Guard = &v1alpha1.GuardState{AccessResourceVersion: strings.TrimPrefix(version, unread)}
	}
	return state
}

// unread is the version of a node that cannot read NodePortAccess objects: it reports none.
const unread = "unread"

func TestNodesCountThatKnowAVersion(t *testing.T) {
	for _, test := range []struct {
		name   string
		states map[string]string
		want   v1alpha1.NodeCounts
	}{
		{"no node", nil, v1alpha1.NodeCounts{}},
		{"no node with a guard", map[string]string{"a": ""}, v1alpha1.NodeCounts{}},
		{"one that has not begun", map[string]string{"a": "0"}, v1alpha1.NodeCounts{Total: 1}},
		{"one that cannot read them", map[string]string{"a": unread, "b": "100"}, v1alpha1.NodeCounts{Programmed: 1, Total: 2}},
		{"some", map[string]string{"a": "99", "b": "100", "c": "1000", "d": ""}, v1alpha1.NodeCounts{Programmed: 2, Total: 3}},
	} {
		g := NewGuards()
		for node, version := range test.states {
			g.Put(guardState(node, version))
		}
		if got := g.Of("100"); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
}

// Whatever nodes report one after the other, the counts are those of their last reports, and whoever's count has changed
// is concerned.
func TestAReportConcernsWhoseCountItChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g, last := NewGuards(), map[string]string{}
		for range rapid.IntRange(1, 20).Draw(t, "reports") {
			before := map[string]v1alpha1.NodeCounts{}
			for v := range 12 {
				before[fmt.Sprint(v)] = g.Of(fmt.Sprint(v))
			}
			node := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "node")
			var changed Advance
			if rapid.IntRange(0, 4).Draw(t, "gone") == 0 {
				delete(last, node)
				changed = g.Drop(node)
			} else {
				last[node] = rapid.SampledFrom([]string{"", unread, "0", "2", "5", "9", "10"}).Draw(t, "version")
				changed = g.Put(guardState(node, last[node]))
			}
			fresh := NewGuards()
			for node, version := range last {
				fresh.Put(guardState(node, version))
			}
			for version, was := range before {
				now := g.Of(version)
				if now != fresh.Of(version) {
					t.Fatalf("of %s: %+v, want %+v", version, now, fresh.Of(version))
				}
				if now != was && !changed.Concerns(version) {
					t.Fatalf("of %s: %+v, before %+v, and nobody is told: %+v", version, now, was, changed)
				}
			}
		}
	})
}
