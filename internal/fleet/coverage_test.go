package fleet

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/bitmap"
	"github.com/portolan-dev/portolan/internal/selection"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

func nodeState(name string, mode v1alpha1.ProxyMode, numbers string) *v1alpha1.NodePortNodeState {
	state := &v1alpha1.NodePortNodeState{}
	state.Name = name
	state.Status = v1alpha1.NodePortNodeStateStatus{Mode: mode, ServiceProxyName: "portolan", NodePorts: numbers}
	return state
}

// Services by whom they are given to.
var (
	unlabelled = MakeService("shop/web").NodePort(80, 30080).Obj()
	ours       = MakeService("shop/web").NodePort(80, 30080).Label(v1alpha1.ServiceProxyNameLabel, "portolan").Obj()
	others     = MakeService("shop/web").NodePort(80, 30080).Label(v1alpha1.ServiceProxyNameLabel, "cilium").Obj()
	nobodys    = MakeService("shop/web").NodePort(80, 30080).Label(v1alpha1.ServiceProxyNameLabel, "").Obj()
)

func TestCoverageCountsTheNodesThatServeTheService(t *testing.T) {
	const labelled, all, none = v1alpha1.ProxyModeLabelled, v1alpha1.ProxyModeAll, v1alpha1.ProxyModeNone
	for _, tc := range []struct {
		name   string
		states []*v1alpha1.NodePortNodeState
		svc    *corev1.Service
		want   string
	}{
		{"no node reports", nil, ours, "0 of 0"},
		{"all have it", []*v1alpha1.NodePortNodeState{nodeState("a", labelled, "30080"), nodeState("b", labelled, "30000-32767")}, ours, "2 of 2"},
		{"one does not", []*v1alpha1.NodePortNodeState{nodeState("a", labelled, "30080"), nodeState("b", labelled, "30081")}, ours, "1 of 2, not [b]"},
		{"none has it", []*v1alpha1.NodePortNodeState{nodeState("b", labelled, ""), nodeState("a", all, "")}, ours, "0 of 2, not [a b]"},
		{"kube-proxy has what is not labelled", []*v1alpha1.NodePortNodeState{nodeState("a", labelled, "30080")}, unlabelled, "0 of 0"},
		{"in the place of kube-proxy", []*v1alpha1.NodePortNodeState{nodeState("a", all, "30080"), nodeState("b", labelled, "")}, unlabelled, "1 of 1"},
		{"and what is labelled too", []*v1alpha1.NodePortNodeState{nodeState("a", all, "30080"), nodeState("b", labelled, "")}, ours, "1 of 2, not [b]"},
		{"another proxy's", []*v1alpha1.NodePortNodeState{nodeState("a", all, "30080")}, others, "0 of 0"},
		{"a label without a value is another proxy's", []*v1alpha1.NodePortNodeState{nodeState("a", all, "30080")}, nobodys, "0 of 0"},
		{"a node that serves none", []*v1alpha1.NodePortNodeState{nodeState("a", none, "30080"), nodeState("b", all, "30080")}, unlabelled, "1 of 1"},
		{"a node that was reported twice", []*v1alpha1.NodePortNodeState{nodeState("a", all, "30080"), nodeState("a", all, "")}, unlabelled, "0 of 1, not [a]"},
		{"numbers that cannot be read", []*v1alpha1.NodePortNodeState{nodeState("a", all, "30080"), nodeState("a", all, "30080,30000")}, unlabelled, "0 of 1, not [a]"},
		{"the first by name stand for many", []*v1alpha1.NodePortNodeState{nodeState("e", all, ""), nodeState("b", all, ""), nodeState("d", all, ""),
			nodeState("a", all, "30080"), nodeState("c", all, "")}, unlabelled, "1 of 5, not [b c d]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := NewCoverage()
			for _, state := range tc.states {
				_, _ = c.Put(state) // of what cannot be read more is below
			}
			if got := shownCovered(c.Of(30080, tc.svc)); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func shownCovered(c Covered) string {
	text := fmt.Sprintf("%d of %d", c.Programmed, c.Total)
	if len(c.Missing) > 0 {
		text += fmt.Sprintf(", not %v", c.Missing)
	}
	return text
}

func TestNumbersThatCannotBeReadAreReportedOnce(t *testing.T) {
	c := NewCoverage()
	if _, err := c.Put(nodeState("a", v1alpha1.ProxyModeAll, "30080-")); err == nil {
		t.Error("they are taken for good")
	}
	if changed, err := c.Put(nodeState("a", v1alpha1.ProxyModeAll, "30080-")); err != nil || changed.All || changed.Numbers != nil {
		t.Errorf("the same again: %+v, %v", changed, err)
	}
	if changed, err := c.Put(nodeState("a", v1alpha1.ProxyModeAll, "30080")); err != nil || !slices.Equal(changed.Numbers, []int32{30080}) {
		t.Errorf("put right: %+v, %v", changed, err)
	}
}

// world of a few nodes, numbers and kinds of Services, so that everything meets.
var (
	fewNodes    = []string{"n0", "n1", "n2", "n3", "n4"}
	fewNumbers  = []int32{30000, 30001, 30063, 30064, 30065, 30200}
	fewServices = []*corev1.Service{unlabelled, ours, others, nobodys}
)

// naive is the coverage counted node by node.
func naive(states map[string]*v1alpha1.NodePortNodeState, number int32, svc *corev1.Service) Covered {
	var c Covered
	for _, name := range slices.Sorted(maps.Keys(states)) {
		status := states[name].Status
		label, labelled := svc.Labels[v1alpha1.ServiceProxyNameLabel]
		named := labelled && label == status.ServiceProxyName
		if serves := status.Mode == v1alpha1.ProxyModeLabelled && named || status.Mode == v1alpha1.ProxyModeAll && (named || !labelled); !serves {
			continue
		}
		c.Total++
		if numbers, err := bitmap.Parse(status.NodePorts); err == nil && numbers.Has(number) {
			c.Programmed++
		} else if len(c.Missing) < maxNamed {
			c.Missing = append(c.Missing, name)
		}
	}
	return c
}

func drawState(t *rapid.T) *v1alpha1.NodePortNodeState {
	numbers := bitmap.New(30000, 30255)
	for _, n := range rapid.SliceOf(rapid.SampledFrom(fewNumbers)).Draw(t, "numbers") {
		numbers.Take(n)
	}
	state := nodeState(rapid.SampledFrom(fewNodes).Draw(t, "node"),
		rapid.SampledFrom([]v1alpha1.ProxyMode{v1alpha1.ProxyModeLabelled, v1alpha1.ProxyModeAll, v1alpha1.ProxyModeAll, v1alpha1.ProxyModeNone}).Draw(t, "mode"), numbers.Text())
	state.Status.ServiceProxyName = rapid.SampledFrom([]string{"portolan", "portolan", "cilium"}).Draw(t, "proxy")
	return state
}

func TestCoverageIsWhatOneWouldCountNodeByNode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, states := NewCoverage(), map[string]*v1alpha1.NodePortNodeState{}
		question := func(ask func(number int32, svc *corev1.Service)) {
			for _, n := range fewNumbers {
				for _, svc := range fewServices {
					ask(n, svc)
				}
			}
		}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			before := map[string]string{}
			key := func(n int32, svc *corev1.Service) string { return fmt.Sprint(n, svc.Labels) }
			question(func(n int32, svc *corev1.Service) { before[key(n, svc)] = shownCovered(c.Of(n, svc)) })
			var changed Changes
			if state := drawState(t); rapid.IntRange(0, 3).Draw(t, "goes") == 0 {
				delete(states, state.Name)
				changed = c.Drop(state.Name)
			} else {
				states[state.Name] = state
				var err error
				if changed, err = c.Put(state); err != nil {
					t.Fatal(err)
				}
			}
			question(func(n int32, svc *corev1.Service) {
				got, want := shownCovered(c.Of(n, svc)), shownCovered(naive(states, n, svc))
				if got != want {
					t.Fatalf("%d of a Service with labels %v: %s, want %s", n, svc.Labels, got, want)
				}
				if got != before[key(n, svc)] && !changed.All && !slices.Contains(changed.Numbers, n) {
					t.Fatalf("%d went from %s to %s, and is not among the changes %+v", n, before[key(n, svc)], got, changed)
				}
			})
		}
		for _, name := range fewNodes {
			c.Drop(name)
		}
		if diff := cmp.Diff(map[selection.Selection]*count{}, c.counts, cmp.AllowUnexported(count{})); diff != "" {
			t.Errorf("when all nodes have gone this is left (-want +got):\n%s", diff)
		}
	})
}

func TestAReportTouchesOnlyTheNumbersThatChanged(t *testing.T) {
	c := NewCoverage()
	put := func(numbers string) Changes {
		changed, err := c.Put(nodeState("a", v1alpha1.ProxyModeAll, numbers))
		if err != nil {
			t.Fatal(err)
		}
		return changed
	}
	if changed := put("30000-32000"); !changed.All {
		t.Errorf("a new node: %+v", changed)
	}
	if changed := put("30000-31000,31002-32000,32005"); changed.All || !slices.Equal(changed.Numbers, []int32{31001, 32005}) {
		t.Errorf("one number less and one more: %+v", changed)
	}
	if changed := put("30000-31000,31002-32000,32005"); changed.All || changed.Numbers != nil {
		t.Errorf("the same again: %+v", changed)
	}
}

// 5,000 nodes, a full range.
func BenchmarkAReportOfOneNumberMore(b *testing.B) {
	c := NewCoverage()
	full, more := nodeState("", v1alpha1.ProxyModeAll, "30000-30999,31001-32767"), nodeState("", v1alpha1.ProxyModeAll, "30000-32767")
	for i := range 5000 {
		full.Name = fmt.Sprintf("node-%04d", i)
		if _, err := c.Put(full); err != nil {
			b.Fatal(err)
		}
	}
	more.Name = full.Name
	for b.Loop() {
		for _, state := range []*v1alpha1.NodePortNodeState{more, full} {
			if changed, _ := c.Put(state); len(changed.Numbers) != 1 {
				b.Fatal(changed)
			}
			_ = c.Of(31000, unlabelled) // nearly all nodes lack it: the dearest question
		}
	}
}
