// Package bitmap is a set of numbers from a fixed range, made for node ports.
//
// One bit a number, set when taken. A second level has one bit a word, set when
// the word is full: 64 words, that is 4,096 numbers, are passed over in one step
// and the longest search there is, through 65,536 numbers, reads 18 words. Bits
// past the end of the range are set on both levels from the start, so no search
// has to know where it ends. Nothing but New and
// what makes a set by it allocates.
package bitmap

import (
	"fmt"
	"iter"
	"math/bits"
	"slices"
)

const (
	wordBits = 64
	fullWord = ^uint64(0)
)

// Set holds which numbers of a range are taken. The zero value is an empty
// range. It is not safe for concurrent use.
type Set struct {
	first int32
	size  uint32
	free  int
	taken []uint64 // bit i: first+i is taken
	full  []uint64 // bit i: taken[i] is full
}

// New returns the set of first..last with every number free. It panics unless
// 0 <= first <= last <= 65535.
func New(first, last int32) *Set {
	if first < 0 || last < first || last > 65535 {
		panic(fmt.Sprintf("bitmap: not a range of ports: %d-%d", first, last))
	}
	size := uint32(last-first) + 1 //nolint:gosec // at most 65536, by New
	taken := allFree(size)
	return &Set{first: first, size: size, free: int(size), taken: taken, full: allFree(uint32(len(taken)))} //nolint:gosec // at most 65536, by New
}

// Of returns the set of these numbers, in any order and all taken, whose range is just as wide as that: the empty one for
// none. It panics unless each is one of 0 to 65535.
func Of[N int32 | uint16](numbers iter.Seq[N]) *Set {
	all := slices.Collect(numbers)
	if len(all) == 0 {
		return &Set{}
	}
	s := New(int32(slices.Min(all)), int32(slices.Max(all)))
	for _, n := range all {
		s.Take(int32(n))
	}
	return s
}

// allFree returns the words of n clear bits, those past the end set.
func allFree(n uint32) []uint64 {
	words := make([]uint64, (n+wordBits-1)/wordBits)
	if rest := n % wordBits; rest != 0 {
		words[len(words)-1] = fullWord << rest
	}
	return words
}

// Take takes n; false if it is taken already or outside the range.
func (s *Set) Take(n int32) bool {
	i := s.index(n)
	if i >= s.size {
		return false
	}
	word, bit := &s.taken[i/wordBits], uint64(1)<<(i%wordBits)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	s.free--
	if *word == fullWord {
		s.full[i/wordBits/wordBits] |= 1 << (i / wordBits % wordBits)
	}
	return true
}

// GiveBack frees n; false if it is free already or outside the range.
func (s *Set) GiveBack(n int32) bool {
	i := s.index(n)
	if i >= s.size {
		return false
	}
	word, bit := &s.taken[i/wordBits], uint64(1)<<(i%wordBits)
	if *word&bit == 0 {
		return false
	}
	*word &^= bit
	s.free++
	s.full[i/wordBits/wordBits] &^= 1 << (i / wordBits % wordBits)
	return true
}

// Taken tells whether n is taken; a number outside the range always is.
func (s *Set) Taken(n int32) bool {
	i := s.index(n)
	return i >= s.size || s.taken[i/wordBits]>>(i%wordBits)&1 != 0
}

// Free is how many numbers are free.
func (s *Set) Free() int { return s.free }

// NextFree returns the first free number at or after from, going on at the start
// of the range after its end; false when none is free. A from outside the range
// stands for its start.
func (s *Set) NextFree(from int32) (int32, bool) {
	if s.free == 0 {
		return 0, false
	}
	i := s.index(from)
	if i >= s.size {
		i = 0
	}
	if i = s.nextFree(i); i == s.size {
		i = s.nextFree(0)
	}
	return s.number(i), true
}

// TakeRun takes every number of from..to that is in the range.
func (s *Set) TakeRun(from, to int32) {
	from, to = max(from, s.first), min(to, s.first+int32(s.size)-1) //nolint:gosec // at most 65536, by New
	for from <= to {
		i := s.index(from)
		count := min(uint32(to-from)+1, wordBits-i%wordBits) //nolint:gosec // the rest of the run, or of the word; at most 65536, by New
		s.takeInWord(i/wordBits, fullWord>>(wordBits-count)<<(i%wordBits))
		from += int32(count)
	}
}

func (s *Set) takeInWord(w uint32, mask uint64) {
	s.free -= bits.OnesCount64(mask &^ s.taken[w])
	s.taken[w] |= mask
	if s.taken[w] == fullWord {
		s.full[w/wordBits] |= 1 << (w % wordBits)
	}
}

// FreeNumbers yields the free numbers, ascending. What the loop takes or gives
// back behind its place does not show, what it changes ahead does.
func (s *Set) FreeNumbers() iter.Seq[int32] {
	return func(yield func(int32) bool) {
		for i := s.nextFree(0); i < s.size; i = s.nextFree(i + 1) {
			if !yield(s.number(i)) {
				return
			}
		}
	}
}

// index is the place of n, at least s.size (having wrapped round) if there is none.
func (s *Set) index(n int32) uint32  { return uint32(n - s.first) } //nolint:gosec // a number below the first is to wrap round
func (s *Set) number(i uint32) int32 { return s.first + int32(i) }  //nolint:gosec // at most 65536, by New

// nextFree is the first free place at or after i, s.size if there is none.
func (s *Set) nextFree(i uint32) uint32 {
	if i >= s.size {
		return s.size
	}
	w := i / wordBits
	if free := ^s.taken[w] >> (i % wordBits); free != 0 {
		return i + uint32(bits.TrailingZeros64(free)) //nolint:gosec // at most 65536, by New
	}
	w++
	skip := w % wordBits
	for f := w / wordBits; f < uint32(len(s.full)); f++ { //nolint:gosec // at most 65536, by New
		if open := ^s.full[f] >> skip << skip; open != 0 {
			w = f*wordBits + uint32(bits.TrailingZeros64(open))           //nolint:gosec // at most 65536, by New
			return w*wordBits + uint32(bits.TrailingZeros64(^s.taken[w])) //nolint:gosec // at most 65536, by New
		}
		skip = 0
	}
	return s.size
}

// nextTaken is the first taken place at or after i, s.size if there is none.
func (s *Set) nextTaken(i uint32) uint32 {
	if i >= s.size {
		return s.size
	}
	w := i / wordBits
	taken := s.taken[w] >> (i % wordBits) << (i % wordBits)
	for taken == 0 {
		if w++; w == uint32(len(s.taken)) { //nolint:gosec // at most 65536, by New
			return s.size
		}
		taken = s.taken[w]
	}
	return min(w*wordBits+uint32(bits.TrailingZeros64(taken)), s.size) //nolint:gosec // at most 65536, by New
}
