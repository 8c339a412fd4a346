package rules

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func namesOf(pools []*Pool) []string {
	var names []string
	for _, p := range pools {
		names = append(names, nameOf(p))
	}
	return names
}

func TestPoolsForAsksTheHigherPriorityThenTheLowerNameFirst(t *testing.T) {
	broken := makePool("broken", "30900-30999")
	broken.Spec.NamespaceSelector = metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "team", Operator: "Near"}}}
	chart := chartOf(
		makePool("z-first", "30000-30009").For("a").Priority(1),
		makePool("b", "30010-30019").For("a"),
		makePool("a", "30020-30029").For("a"),
		makePool("last", "30030-30039").For("a").Priority(-1),
		makePool("theirs", "30040-30049").For("b").Priority(9),
		broken,
	)
	for _, c := range []struct {
		name   string
		labels map[string]string
		want   []string
	}{
		{"several select it", map[string]string{"team": "a"}, []string{"z-first", "a", "b", "last"}},
		{"one selects it", map[string]string{"team": "b"}, []string{"theirs"}},
		{"none selects it", map[string]string{"team": "c"}, []string{"commons"}},
		{"it has no labels", nil, []string{"commons"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, namesOf(chart.PoolsFor(c.labels))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAPoolForEveryNamespaceLeavesTheCommonsToNobody(t *testing.T) {
	chart := chartOf(makePool("nobody-else", ""), makePool("mine", "30000-30009").For("a"))
	if diff := cmp.Diff([]string{"nobody-else"}, namesOf(chart.PoolsFor(nil))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheOlderPoolOwnsWhatOverlaps(t *testing.T) {
	type charted struct {
		Numbers, Outside string
		Overlaps         string
		Drained          bool
	}
	for _, c := range []struct {
		name  string
		pools []*testPool
		want  map[string]charted
	}{
		{
			name:  "the younger keeps the rest, and hands out nothing",
			pools: []*testPool{makePool("young", "30005-30014"), makePool("old", "30000-30009").Age(1)},
			want:  map[string]charted{"old": {Numbers: "30000-30009"}, "young": {Numbers: "30010-30014", Overlaps: "old", Drained: true}},
		},
		{
			name:  "of the same age the lower name owns it",
			pools: []*testPool{makePool("b", "30000-30009"), makePool("a", "30009-30010")},
			want:  map[string]charted{"a": {Numbers: "30009-30010"}, "b": {Numbers: "30000-30008", Overlaps: "a", Drained: true}},
		},
		{
			name:  "outside the cluster's range nothing overlaps",
			pools: []*testPool{makePool("b", "29000-30000"), makePool("a", "29000-29999,40000").Age(1)},
			want:  map[string]charted{"a": {Outside: "29000-29999, 40000"}, "b": {Numbers: "30000", Outside: "29000-29999"}},
		},
		{
			name:  "a pool that draws aside hands out nothing",
			pools: []*testPool{makePool("a", "30000").Allocation("None")},
			want:  map[string]charted{"a": {Numbers: "30000", Drained: true}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := map[string]charted{}
			for _, p := range chartOf(c.pools...).Pools() {
				if !p.Commons() {
					got[p.Name] = charted{p.Numbers.String(), p.Outside.String(), p.Overlaps, p.Drained()}
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPoolOf(t *testing.T) {
	chart := chartOf(makePool("a", "30000-30009,30500"))
	for _, c := range []struct {
		name   string
		number int32
		want   string
	}{
		{"in a pool", 30009, "a"},
		{"in another of its ranges", 30500, "a"},
		{"in no pool", 30010, "commons"},
		{"below the cluster's range", 29999, "nobody"},
		{"above it", 32768, "nobody"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := nameOf(chart.PoolOf(c.number)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
	if p := chart.Pool("unknown"); p != nil {
		t.Errorf("an unknown pool is %q", p.Name)
	}
}

func TestHold(t *testing.T) {
	short := makePool("short", "30000")
	short.Spec.HoldSeconds = new(int32(0))
	chart := chartOf(short, makePool("usual", "30001"))
	got := map[string]time.Duration{}
	for _, p := range chart.Pools() {
		got[nameOf(p)] = p.Hold()
	}
	want := map[string]time.Duration{"short": 0, "usual": 10 * time.Minute, "commons": DefaultHold}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
