package bitmap

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestTheDifferenceIsWhatOnlyOneOfTwoHas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, ofA := drawSet(t)
		b, ofB := drawSet(t)
		if rapid.Bool().Draw(t, "near") { // else they hardly ever meet
			b = New(max(1, a.first-rapid.Int32Range(0, 130).Draw(t, "before")), min(65535, a.first+int32(a.size)+70))
			ofB = nil
			for _, n := range append(ofA, rapid.SliceOf(rapid.Int32Range(b.first, b.first+int32(b.size)-1)).Draw(t, "more")...) {
				if rapid.Bool().Draw(t, "has") && b.Take(n) {
					ofB = append(ofB, n)
				}
			}
		}
		var want []int32
		for _, n := range ofA {
			if !slices.Contains(ofB, n) {
				want = append(want, n)
			}
		}
		for _, n := range ofB {
			if !slices.Contains(ofA, n) {
				want = append(want, n)
			}
		}
		slices.Sort(want)
		for _, pair := range [][2]*Set{{a, b}, {b, a}} {
			if got := slices.Collect(Difference(pair[0], pair[1])); !slices.Equal(got, want) {
				t.Fatalf("between %q and %q: %v, want %v", a.Text(), b.Text(), got, want)
			}
		}
	})
}

func TestTheEmptySetDiffersByAllThatIsTaken(t *testing.T) {
	s := New(30000, 30100)
	s.Take(30000)
	s.Take(30100)
	if got := slices.Collect(Difference(s, &Set{})); !slices.Equal(got, []int32{30000, 30100}) {
		t.Errorf("got %v", got)
	}
	if got := slices.Collect(Difference(&Set{}, &Set{})); got != nil {
		t.Errorf("two empty sets differ by %v", got)
	}
	for n := range Difference(s, &Set{}) {
		if n != 30000 {
			t.Errorf("the loop went on to %d after its end", n)
		}
		break
	}
}

func TestASetOfNumbersHasThoseTakenAndNoOthers(t *testing.T) {
	for _, want := range [][]int32{nil, {30000}, {0, 65535}, {30007, 30008, 30721}} {
		shuffled := slices.Clone(want)
		slices.Reverse(shuffled)
		set := Of(slices.Values(append(shuffled, want...)))
		if got := slices.Collect(set.TakenNumbers()); !slices.Equal(got, want) {
			t.Errorf("of %v there are %v", want, got)
		}
		if n := len(want); n > 0 && set.Free() != int(want[n-1]-want[0])+1-n {
			t.Errorf("of %v there are %d free ones between", want, set.Free())
		}
	}
}
