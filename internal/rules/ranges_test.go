package rules

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// numbers draws ranges that touch, overlap and are upside down.
var numbers = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) v1alpha1.PortRange {
	from := rapid.Int32Range(1, 40).Draw(t, "from")
	return v1alpha1.PortRange{From: from, To: from + rapid.Int32Range(-2, 8).Draw(t, "more")}
}), 0, 6)

func setOf(ranges []v1alpha1.PortRange) map[int32]bool {
	set := map[int32]bool{}
	for _, r := range ranges {
		for n := r.From; n <= r.To; n++ {
			set[n] = true
		}
	}
	return set
}

func TestRangesBehaveLikeSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rawA, rawB := numbers.Draw(t, "a"), numbers.Draw(t, "b")
		a, b := NewRanges(rawA), NewRanges(rawB)
		setA, setB := setOf(rawA), setOf(rawB)
		both, rest := map[int32]bool{}, map[int32]bool{}
		for n := range setA {
			if setB[n] {
				both[n] = true
			} else {
				rest[n] = true
			}
		}
		for _, c := range []struct {
			name string
			got  Ranges
			want map[int32]bool
		}{
			{"NewRanges", a, setA},
			{"Intersect", a.Intersect(b), both},
			{"Subtract", a.Subtract(b), rest},
		} {
			if diff := cmp.Diff(c.want, setOf(c.got)); diff != "" {
				t.Fatalf("%s of %v and %v (-want +got):\n%s", c.name, a, b, diff)
			}
			for i, run := range c.got {
				if run.From > run.To || i > 0 && run.From <= c.got[i-1].To+1 {
					t.Fatalf("%s of %v and %v is not in shortest form: %v", c.name, a, b, c.got)
				}
			}
			if c.got.Len() != len(c.want) {
				t.Fatalf("%s: Len is %d, want %d", c.name, c.got.Len(), len(c.want))
			}
		}
		for n := range int32(60) {
			if a.Contains(n) != setA[n] {
				t.Fatalf("%v.Contains(%d) = %v", a, n, a.Contains(n))
			}
		}
	})
}

func TestRangesLeaveTheirOriginAlone(t *testing.T) {
	origin := []v1alpha1.PortRange{{From: 5, To: 9}, {From: 4, To: 1}, {From: 1, To: 6}}
	want := slices.Clone(origin)
	NewRanges(origin).Subtract(Ranges{{From: 2, To: 3}})
	if diff := cmp.Diff(want, origin); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRangesReadAsPeopleWriteThem(t *testing.T) {
	for _, c := range []struct{ name, ranges, want string }{
		{"none", "", ""},
		{"a single number", "30500", "30500"},
		{"several", "30500,30100-30199", "30100-30199, 30500"},
		{"touching ones are one", "30100-30149,30150-30199", "30100-30199"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := NewRanges(parse(c.ranges)).String(); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestParseRange(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       v1alpha1.PortRange
		err        string
	}{
		{name: "ends", text: "30000-32767", want: v1alpha1.PortRange{From: 30000, To: 32767}},
		{name: "blanks", text: " 30000 - 32767 ", want: v1alpha1.PortRange{From: 30000, To: 32767}},
		{name: "offset", text: "30000+2767", want: v1alpha1.PortRange{From: 30000, To: 32767}},
		{name: "no offset", text: "30000+0", want: v1alpha1.PortRange{From: 30000, To: 30000}},
		{name: "one number", text: "30080", want: v1alpha1.PortRange{From: 30080, To: 30080}},
		{name: "upside down", text: "2-1", err: `node port range "2-1": it must be in 1-65535, and its end not before its start; want FROM-TO, for example 30000-32767`},
		{name: "zero", text: "0-10", err: `node port range "0-10": it must be in 1-65535, and its end not before its start; want FROM-TO, for example 30000-32767`},
		{name: "too far", text: "65000+1000", err: `node port range "65000+1000": it must be in 1-65535, and its end not before its start; want FROM-TO, for example 30000-32767`},
		{name: "no number", text: "http-https", err: `node port range "http-https": "http" is no port number; want FROM-TO, for example 30000-32767`},
		{name: "nothing", text: "", err: `node port range "": "" is no port number; want FROM-TO, for example 30000-32767`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseRange(c.text)
			if got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if text := ""; err != nil || c.err != "" {
				if err != nil {
					text = err.Error()
				}
				if diff := cmp.Diff(c.err, text); diff != "" {
					t.Errorf("error (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// What the API server takes we take, and read as it does; but for ranges that start with 0, which no node port can be.
func FuzzParseRangeReadsAsTheAPIServerDoes(f *testing.F) {
	for _, seed := range []string{"30000-32767", "30000+10", "30080", "", "-", "1-2-3", "0-5", "65535+1", " 1 - 2", "+1", "1+", "99999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := ParseRange(text)
		native, nativeErr := utilnet.ParsePortRange(text)
		if nativeErr == nil && native.Base > 0 {
			want := v1alpha1.PortRange{From: int32(native.Base), To: int32(native.Base + native.Size - 1)}
			if err != nil || got != want {
				t.Errorf("%q: got %v, %v; the API server reads %v", text, got, err, want)
			}
		}
		if err == nil && (got.From < 1 || got.To < got.From || got.To > 65535) {
			t.Errorf("%q: got %v", text, got)
		}
		if err != nil && got != (v1alpha1.PortRange{}) {
			t.Errorf("%q: got %v and an error", text, got)
		}
	})
}

// A chart gives each number of the cluster's range one owner.
func TestAChartGivesEachNumberOneOwner(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cluster := v1alpha1.PortRange{From: 5, To: 35}
		var pools []v1alpha1.NodePortPool
		for i, ranges := range rapid.SliceOfN(numbers, 0, 4).Draw(t, "pools") {
			p := makePool(string(rune('a'+i)), "").Age(rapid.IntRange(0, 2).Draw(t, "age"))
			p.Spec.Ranges = ranges
			pools = append(pools, p.NodePortPool)
		}
		c := NewChart(cluster, pools)
		owned := map[int32]bool{}
		for _, p := range c.Pools() {
			for n := range setOf(p.Numbers) {
				if owned[n] {
					t.Fatalf("%d has two owners", n)
				}
				owned[n] = true
				if c.PoolOf(n) != p {
					t.Fatalf("PoolOf(%d) = %q, want %q", n, nameOf(c.PoolOf(n)), nameOf(p))
				}
			}
		}
		if want := setOf([]v1alpha1.PortRange{cluster}); !maps.Equal(owned, want) {
			t.Fatalf("owned are %v", owned)
		}
	})
}
