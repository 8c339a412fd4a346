package bitmap

import (
	"iter"
	"math/bits"
)

// Has tells whether n is in the range and taken; unlike Taken it is false outside.
func (s *Set) Has(n int32) bool { return s.index(n) < s.size && s.Taken(n) }

// TakenNumbers yields the numbers that are taken, ascending. The loop must not change the set.
func (s *Set) TakenNumbers() iter.Seq[int32] { return Difference(s, &Set{}) }

// Difference yields the numbers that are taken in one of two sets and not in the other, ascending. Their ranges may
// differ: outside of its range a set has nothing taken. The loop must not change the sets.
func Difference(a, b *Set) iter.Seq[int32] {
	return func(yield func(int32) bool) {
		first, end := span(a, b)
		for n := first; n < end; n += wordBits {
			for differ := a.takenFrom(n) ^ b.takenFrom(n); differ != 0; differ &= differ - 1 {
				if !yield(n + int32(bits.TrailingZeros64(differ))) { //nolint:gosec // at most 65536, by New
					return
				}
			}
		}
	}
}

// span is from the first number of either range to the end of both.
func span(a, b *Set) (first, end int32) {
	switch {
	case a.size == 0:
		return b.first, b.first + int32(b.size) //nolint:gosec // at most 65536, by New
	case b.size == 0:
		return a.first, a.first + int32(a.size) //nolint:gosec // at most 65536, by New
	}
	return min(a.first, b.first), max(a.first+int32(a.size), b.first+int32(b.size)) //nolint:gosec // at most 65536, by New
}

// takenFrom are the bits of the 64 numbers from n on; outside of the range they are clear.
func (s *Set) takenFrom(n int32) uint64 {
	i := int(n) - int(s.first)
	if i <= -wordBits || i >= int(s.size) {
		return 0
	}
	if i < 0 {
		return s.word(0) << -i
	}
	w, skip := i/wordBits, i%wordBits
	return s.word(w)>>skip | s.word(w+1)<<(wordBits-skip)
}

// word is a word of taken without the bits past the end of the range, 0 past the last.
func (s *Set) word(w int) uint64 {
	rest := int(s.size) - w*wordBits
	switch {
	case rest <= 0:
		return 0
	case rest < wordBits:
		return s.taken[w] &^ (fullWord << rest)
	}
	return s.taken[w]
}
