package main

import (
	"flag"
	"slices"
	"testing"

	"gotest.tools/v3/golden"
)

const docs = "../../docs"

func TestThePageOfTheBenchmarksSaysWhatTheirJSONSays(t *testing.T) {
	r, err := readReport(docs)
	if err != nil {
		t.Fatal(err)
	}
	golden.Assert(t, markdown(r), "../"+docs+"/"+markdownFile) // as seen from testdata; -update writes it
}

func TestEveryBenchmarkThatHasFiguresExists(t *testing.T) {
	r, err := readReport(docs)
	if err != nil {
		t.Fatal(err)
	}
	for name := range r.Benchmarks {
		if _, err := choose([]string{name}); err != nil {
			t.Error(err)
		}
	}
}

func TestEveryBarIsHeldAgainstAFigure(t *testing.T) {
	r, err := readReport(docs)
	if err != nil {
		t.Fatal(err)
	}
	for name, of := range bars {
		for kind := range of {
			if !slices.ContainsFunc(r.Benchmarks[name].Rows, func(r row) bool { return r.Kind == kind || r.Name == kind }) {
				t.Errorf("%s: no figure is held against the bar %q", name, kind)
			}
		}
	}
}

func TestARunGoesOnAfterFiguresOfTheSameSourceOnly(t *testing.T) {
	clean := source{commit: "abc", flags: "--rounds=1"}
	for _, c := range []struct {
		name string
		of   source
		has  result
		want bool
	}{
		{"of the same", clean, result{Commit: "abc", Flags: "--rounds=1"}, true},
		{"no figures", clean, result{}, false},
		{"of another commit", clean, result{Commit: "abd", Flags: "--rounds=1"}, false},
		{"made otherwise", clean, result{Commit: "abc"}, false},
		{"with changes, which may be others", source{commit: "abc+"}, result{Commit: "abc+"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.of.made(c.has); got != c.want {
				t.Errorf("%t, want %t", got, c.want)
			}
		})
	}
}

func TestFlagsThatChangeFiguresAreNoted(t *testing.T) {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.Int("rounds", 0, "")
	flags.Float64("scale", 1, "")
	flags.String("output", "docs", "")
	flags.Bool("resume", false, "")
	if err := flags.Parse([]string{"--scale=0.1", "--resume", "--output=", "--rounds=2"}); err != nil {
		t.Fatal(err)
	}
	if got, want := flagsGiven(flags), "--rounds=2 --scale=0.1"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A cluster of any size has room for what scale creates, in pools that do not share numbers.
func TestACensusGivesEveryTeamItsNumbersAndTwoMore(t *testing.T) {
	for _, share := range []float64{1, 0.5, 0.123, 0.01, 0.0001} {
		c := whole.share(share)
		taken, pools := map[int32]bool{c.own().From: true}, map[string]int{}
		for i := range c.pools {
			p := c.pool(i)
			for n := p.Spec.Ranges[0].From; n <= p.Spec.Ranges[0].To; n++ {
				if taken[n] {
					t.Fatalf("share %v: %d is in two pools", share, n)
				}
				taken[n] = true
			}
			pools[p.Spec.NamespaceSelector.MatchLabels["team"]] = int(p.Spec.Ranges[0].To-p.Spec.Ranges[0].From) + 1
		}
		for i := range c.numbers + c.spare() { // the last are those that scale creates
			if i >= c.numbers {
				i -= c.numbers
			}
			pools[c.namespace(i % c.namespaces()).Labels["team"]]--
		}
		for team, free := range pools {
			if free < 0 {
				t.Errorf("share %v: %s lacks %d numbers", share, team, -free)
			}
		}
	}
}
