package bitmap

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type run struct{ From, To int32 }

func with(s *Set, taken ...run) *Set {
	for _, r := range taken {
		s.TakeRun(r.From, r.To)
	}
	return s
}

func TestNextFreeIsTheFirstAtOrAfterItsStartAndWrapsRound(t *testing.T) {
	for _, tc := range []struct {
		name string
		set  *Set
		from int32
		want int32 // 0: none
	}{
		{"the start itself when free", New(30000, 32767), 30007, 30007},
		{"the next when taken", with(New(30000, 32767), run{30007, 30007}), 30007, 30008},
		{"in the next word", with(New(30000, 32767), run{30007, 30063}), 30007, 30064},
		{"past full words", with(New(0, 65535), run{1, 65534}), 1, 65535},
		{"past the end of an upper word, at a lower place in the next", with(New(0, 65535), run{4000, 5000}), 4000, 5001},
		{"wrapped round to the start", with(New(0, 65535), run{1, 65535}), 1, 0},
		{"wrapped round to a number before from in its own word", with(New(30000, 30063), run{30001, 30063}), 30050, 30000},
		{"the last number of a range that ends inside a word", with(New(30000, 30064), run{30000, 30063}), 30000, 30064},
		{"never past the end of the range", with(New(30000, 30064), run{30064, 30064}), 30064, 30000},
		{"the only number of the range", New(65535, 65535), 65535, 65535},
		{"the start of the range from below it", New(30000, 32767), -1, 30000},
		{"the start of the range from beyond it", New(30000, 32767), 40000, 30000},
		{"none when all are taken", with(New(30000, 32767), run{30000, 32767}), 30000, 0},
		{"none in the zero value", new(Set), 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok := tc.set.NextFree(tc.from)
			if got != tc.want || ok != (tc.set.Free() > 0) {
				t.Errorf("NextFree(%d) = %d, %t; want %d", tc.from, got, ok, tc.want)
			}
		})
	}
}

func TestTakeRunTakesWhatLiesInTheRange(t *testing.T) {
	for _, tc := range []struct {
		name string
		set  *Set
		want []run // free
	}{
		{"nothing of an empty run", with(New(0, 200), run{5, 4}), []run{{0, 200}}},
		{"one number", with(New(0, 200), run{5, 5}), []run{{0, 4}, {6, 200}}},
		{"over the borders of words", with(New(0, 200), run{60, 130}), []run{{0, 59}, {131, 200}}},
		{"whole words", with(New(0, 200), run{64, 127}), []run{{0, 63}, {128, 200}}},
		{"what overlaps once", with(New(0, 200), run{10, 20}, run{15, 30}), []run{{0, 9}, {31, 200}}},
		{"nothing below or beyond", with(New(100, 200), run{0, 99}, run{201, 65535}), []run{{100, 200}}},
		{"all of it from outside", with(New(100, 200), run{-1 << 31, 1<<31 - 1}), nil},
		{"nothing in the zero value", with(new(Set), run{0, 65535}), nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, runs(slices.Collect(tc.set.FreeNumbers()))); diff != "" {
				t.Errorf("free runs (-want +got):\n%s", diff)
			}
			free := 0
			for _, r := range tc.want {
				free += int(r.To-r.From) + 1
			}
			if tc.set.Free() != free {
				t.Errorf("Free() = %d, want %d", tc.set.Free(), free)
			}
		})
	}
}

func TestNumbersOutsideTheRangeCountAsTakenAndStaySo(t *testing.T) {
	for name, s := range map[string]*Set{"zero value": {}, "range": New(30000, 30010)} {
		for _, n := range []int32{-1 << 31, -1, 0, 29999, 30011, 30063, 65535, 1<<31 - 1} {
			if !s.Taken(n) || s.Take(n) || s.GiveBack(n) {
				t.Errorf("%s: %d must be taken, and neither be given nor given back", name, n)
			}
		}
	}
}

func TestNewPanicsOnWhatIsNoRangeOfPorts(t *testing.T) {
	for _, r := range []run{{2, 1}, {-1, 5}, {5, 65536}} {
		t.Run("", func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Errorf("New(%d, %d) did not panic", r.From, r.To)
				}
			}()
			New(r.From, r.To)
		})
	}
}

func TestFreeNumbersShowsWhatTheLoopChangesAhead(t *testing.T) {
	s := New(0, 200)
	var got []int32
	for n := range s.FreeNumbers() {
		got = append(got, n)
		s.TakeRun(n, n+99)
	}
	if diff := cmp.Diff([]int32{0, 100, 200}, got); diff != "" {
		t.Errorf("free numbers (-want +got):\n%s", diff)
	}
}

func TestAllocatingUntilFullGivesEachNumberOnce(t *testing.T) {
	for _, r := range []run{{30000, 32767}, {0, 65535}} {
		s := New(r.From, r.To)
		from, want := (r.From+r.To)/2, s.Free()
		for range want {
			n, ok := s.NextFree(from)
			if !ok || !s.Take(n) {
				t.Fatalf("%v: NextFree(%d) = %d, %t with %d free", r, from, n, ok, s.Free())
			}
		}
		if n, ok := s.NextFree(from); ok || s.Free() != 0 {
			t.Errorf("%v: %d is free, of %d, after %d were taken", r, n, s.Free(), want)
		}
	}
}

func TestALoopMayEndEarly(t *testing.T) {
	s := with(New(0, 200), run{50, 60})
	seen := 0
	for n := range s.FreeNumbers() {
		seen++
		if n == 3 {
			break
		}
	}
	if seen != 4 {
		t.Errorf("%d numbers, want those from 0 to 3", seen)
	}
}

func TestNothingOnTheWayToANumberAllocates(t *testing.T) {
	s := with(New(0, 65535), run{0, 65000})
	allocs := testing.AllocsPerRun(100, func() {
		n, _ := s.NextFree(0)
		s.Take(n)
		s.TakeRun(n, n+100)
		for n := range s.FreeNumbers() {
			_ = s.Taken(n)
		}
		s.GiveBack(n)
	})
	if allocs != 0 {
		t.Errorf("%v allocations, want 0", allocs)
	}
}
