package bitmap

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// drawSet draws a set, and the numbers that are taken in it.
func drawSet(t *rapid.T) (*Set, []int32) {
	first := rapid.Int32Range(1, 65000).Draw(t, "first")
	last := min(first+rapid.OneOf(rapid.Int32Range(0, 130), rapid.Int32Range(0, 2767)).Draw(t, "size"), 65535)
	s := New(first, last)
	for range rapid.IntRange(0, 12).Draw(t, "runs") {
		from := rapid.Int32Range(first, last).Draw(t, "from")
		s.TakeRun(from, from+rapid.Int32Range(0, 70).Draw(t, "length"))
	}
	var taken []int32
	for n := first; n <= last; n++ {
		if s.Taken(n) {
			taken = append(taken, n)
		}
	}
	return s, taken
}

func TestATextIsReadAsItWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, taken := drawSet(t)
		text := s.Text()
		if limit := 4*int(s.size) + 4; len(text) > limit {
			t.Errorf("%q has %d characters, want at most %d", text, len(text), limit)
		}
		read, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		var got []int32
		for n := int32(0); n <= 65535; n++ {
			if read.Has(n) {
				got = append(got, n)
			}
		}
		if !slices.Equal(got, taken) {
			t.Fatalf("%v was written as %q and read as %v", taken, text, got)
		}
		if again := read.Text(); again != text {
			t.Errorf("%q was written again as %q", text, again)
		}
	})
}

func TestTextWritesRuns(t *testing.T) {
	for _, c := range []struct {
		taken []run
		want  string
	}{
		{nil, ""},
		{[]run{{30000, 30000}}, "30000"},
		{[]run{{30007, 30008}, {30721, 30721}}, "30007-30008,30721"},
		{[]run{{30000, 30063}, {30064, 30127}}, "30000-30127"},
		{[]run{{30000, 32767}}, "30000-32767"},
	} {
		s := New(30000, 32767)
		for _, r := range c.taken {
			s.TakeRun(r.From, r.To)
		}
		if got := s.Text(); got != c.want {
			t.Errorf("%v is written as %q, want %q", c.taken, got, c.want)
		}
	}
}

func TestParseRefusesWhatTextDoesNotWrite(t *testing.T) {
	for _, text := range []string{",", "30000,", "-", "30000-", "30000-29999", "30001,30000", "30000,30000", "30000-30005,30005",
		"0", "65536", "1-65536", "30000 ", "+5", "a", "30000-30001-30002"} {
		if s, err := Parse(text); err == nil {
			t.Errorf("%q is read as %q", text, s.Text())
		}
	}
}

// FuzzATextIsReadOrRefused reads whatever there is. What is taken for a text has just the numbers that one finds who goes
// through it part by part, and is written again in its shortest form.
func FuzzATextIsReadOrRefused(f *testing.F) {
	for _, seed := range []string{"", "30000", "30007-30008,30721", "1-65535", "30000,30000", "5-4", "0", "0-1023", "65536", "1,,2", "01", "+1", "1-2-3", " 1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		var got, want []int32
		for n := range Difference(s, &Set{}) {
			got = append(got, n)
		}
		if want = spelledOut(text); !slices.Equal(got, want) {
			t.Fatalf("%q: got %v, want %v", text, got, want)
		}
		again, err := Parse(s.Text())
		if err != nil || again.Text() != s.Text() || len(s.Text()) > len(text) {
			t.Fatalf("%q is written as %q, which is not read so: %v", text, s.Text(), err)
		}
	})
}

// spelledOut are the numbers of a text that is well formed.
func spelledOut(text string) []int32 {
	var all []int32
	for part := range strings.SplitSeq(text, ",") {
		var from, to int32
		if n, _ := fmt.Sscanf(part, "%d-%d", &from, &to); n == 1 {
			to = from
		}
		for n := from; n <= to && n > 0; n++ {
			all = append(all, n)
		}
	}
	return all
}
