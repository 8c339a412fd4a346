package bitmap

import (
	"encoding/binary"
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// twins are a set and a map of its free numbers that go through the same.
type twins struct {
	first, last int32
	set         *Set
	free        map[int32]bool
}

func newTwins(first, size int32) *twins {
	w := &twins{first: first, last: min(first+size-1, 65535), free: map[int32]bool{}}
	w.set = New(w.first, w.last)
	for n := w.first; n <= w.last; n++ {
		w.free[n] = true
	}
	return w
}

// step is one change of a set; Op counts round through what there is to do.
type step struct {
	Op   uint8
	N, M int32
}

func TestASetBehavesLikeAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Sizes around those of one word, and of one word of the upper level.
		size := rapid.OneOf(rapid.Int32Range(1, 130), rapid.Int32Range(4000, 4300))
		w := newTwins(rapid.Int32Range(0, 65535).Draw(t, "first"), size.Draw(t, "size"))
		number := rapid.Int32Range(w.first-70, w.last+70)
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
			return step{rapid.Uint8().Draw(t, "op"), number.Draw(t, "n"), number.Draw(t, "m")}
		}), 1, 40)
		for _, s := range steps.Draw(t, "steps") {
			w.do(t, s)
			w.agree(t, s.M)
		}
	})
}

func FuzzASetBehavesLikeAMap(f *testing.F) {
	f.Add(uint16(30000), uint16(2768), []byte{0, 0, 5, 0, 0, 1, 0, 5, 0, 5, 2, 0, 9, 1, 0})
	f.Fuzz(func(t *testing.T, first, size uint16, steps []byte) {
		w := newTwins(int32(first), 1+int32(size)%4300)
		for s := range slices.Chunk(steps[:min(len(steps), 200)/5*5], 5) {
			n, m := binary.BigEndian.Uint16(s[1:]), binary.BigEndian.Uint16(s[3:])
			w.do(t, step{s[0], w.first - 70 + int32(n)%4440, w.first - 70 + int32(m)%4440})
		}
		w.agree(t, w.last)
	})
}

func (w *twins) do(t rapid.TB, s step) {
	t.Helper()
	switch s.Op % 4 {
	case 0, 1:
		if got, want := w.set.Take(s.N), w.free[s.N]; got != want {
			t.Fatalf("Take(%d) = %t", s.N, got)
		}
		delete(w.free, s.N)
	case 2:
		taken := w.first <= s.N && s.N <= w.last && !w.free[s.N]
		if got := w.set.GiveBack(s.N); got != taken {
			t.Fatalf("GiveBack(%d) = %t", s.N, got)
		}
		if taken {
			w.free[s.N] = true
		}
	case 3:
		w.set.TakeRun(s.N, s.M)
		maps.DeleteFunc(w.free, func(n int32, _ bool) bool { return s.N <= n && n <= s.M })
	}
}

// agree asks the set every question there is, about n where it takes a number.
func (w *twins) agree(t rapid.TB, n int32) {
	t.Helper()
	want := slices.Sorted(maps.Keys(w.free))
	if w.set.Free() != len(want) || w.set.Taken(n) == w.free[n] {
		t.Fatalf("Free() = %d, want %d; Taken(%d) = %t", w.set.Free(), len(want), n, w.set.Taken(n))
	}
	if got := slices.Collect(w.set.FreeNumbers()); !slices.Equal(got, want) {
		t.Fatalf("FreeNumbers() (-want +got):\n%s", cmp.Diff(want, got))
	}
	got, ok := w.set.NextFree(n)
	if ok != (len(want) > 0) || ok && got != w.next(want, n) {
		t.Fatalf("NextFree(%d) = %d, %t", n, got, ok)
	}
}

// next is the first of free at or after from, which means all if it is outside.
func (w *twins) next(free []int32, from int32) int32 {
	if i, _ := slices.BinarySearch(free, from); from >= w.first && i < len(free) {
		return free[i]
	}
	return free[0]
}

// runs are the longest runs among numbers.
func runs(sorted []int32) []run {
	var all []run
	for _, n := range sorted {
		if k := len(all) - 1; k >= 0 && all[k].To == n-1 {
			all[k].To = n
		} else {
			all = append(all, run{n, n})
		}
	}
	return all
}
