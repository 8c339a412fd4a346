package bitmap

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/bits-and-blooms/bitset"
)

// The peers do the same work behind the same interface, over first 0.
type numbers interface {
	Take(n int32) bool
	GiveBack(n int32) bool
	NextFree(from int32) (int32, bool)
}

// sink keeps results alive.
var sink int32

func BenchmarkSet(b *testing.B) {
	for _, size := range []int32{2768, 65536} {
		for _, fullness := range []float64{0, 50, 99.9} {
			for _, peer := range []struct {
				name string
				make func() numbers
			}{
				{"portolan", func() numbers { return New(0, size-1) }},
				{"bitset", func() numbers { return &bitsetSet{bitset.New(uint(size))} }},
				{"bools", func() numbers { return make(bools, size) }},
			} {
				set := peer.make()
				free := fill(set, size, fullness)
				at := func(op string) string { return fmt.Sprintf("op=%s/n=%d/full=%v%%/%s", op, size, fullness, peer.name) }
				b.Run(at("take-give-back"), func(b *testing.B) { takeAndGiveBack(b, set, free) })
				b.Run(at("next-free"), func(b *testing.B) { nextFree(b, set, size) })
			}
		}
	}
}

// takeAndGiveBack is both operations in one, so that fullness stays as it is.
func takeAndGiveBack(b *testing.B, set numbers, free []int32) {
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		n := free[i&(len(free)-1)]
		if !set.Take(n) || !set.GiveBack(n) {
			b.Fatal(n)
		}
	}
}

// nextFree starts anywhere, as an allocation does.
func nextFree(b *testing.B, set numbers, size int32) {
	starts := make([]int32, 1024)
	for i := range starts {
		starts[i] = rand.Int32N(size)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		n, _ := set.NextFree(starts[i&1023])
		sink += n
	}
}

// fill takes numbers at random and returns 1024 of those that stay free (with
// repeats if there are fewer), so that an index needs no division.
func fill(set numbers, size int32, percent float64) []int32 {
	order := rand.New(rand.NewPCG(1, 2)).Perm(int(size))
	taken := int(float64(size) * percent / 100)
	for _, n := range order[:taken] {
		set.Take(int32(n))
	}
	free := make([]int32, 1024)
	for i := range free {
		free[i] = int32(order[taken+i%(len(order)-taken)])
	}
	return free
}

type bitsetSet struct{ *bitset.BitSet }

func (s *bitsetSet) Take(n int32) bool {
	if s.Test(uint(n)) {
		return false
	}
	s.Set(uint(n))
	return true
}

func (s *bitsetSet) GiveBack(n int32) bool {
	if !s.Test(uint(n)) {
		return false
	}
	s.Clear(uint(n))
	return true
}

func (s *bitsetSet) NextFree(from int32) (int32, bool) {
	n, ok := s.NextClear(uint(from))
	if !ok {
		n, ok = s.NextClear(0)
	}
	return int32(n), ok
}

type bools []bool

func (s bools) Take(n int32) bool {
	was := s[n]
	s[n] = true
	return !was
}

func (s bools) GiveBack(n int32) bool {
	was := s[n]
	s[n] = false
	return was
}

func (s bools) NextFree(from int32) (int32, bool) {
	if i := slices.Index(s[from:], false); i >= 0 {
		return from + int32(i), true
	}
	i := slices.Index(s[:from], false)
	return int32(i), i >= 0
}
