package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const bitmapHow = `
The set of numbers that picks candidates: taking a number and giving it back (both together), and finding the next free
one from a random start, at several sizes and degrees of fullness. Peers, behind the same interface: bits-and-blooms/bitset,
and a naive scan of a slice of booleans. The benchmarks are internal/bitmap/bench_test.go; each round runs all of them once.`

// bitmapLine is a line of go test -bench: BenchmarkSet/op=next-free/n=2768/full=50%/portolan-2  123  4.5 ns/op  0 B/op  0 allocs/op
var bitmapLine = regexp.MustCompile(`(?m)^BenchmarkSet/op=(\S+)/n=(\d+)/full=([\d.]+)%/([a-z]+)\S*\s+\d+\s+([\d.]+) ns/op\s+\d+ B/op\s+(\d+) allocs/op$`)

// bitmapCase is what is measured of each set.
type bitmapCase struct {
	op   string
	size int
	full float64
}

func (c bitmapCase) String() string {
	return fmt.Sprintf("%s, %d numbers, %g %% full", c.op, c.size, c.full)
}

// bitmapFigures are nanoseconds by case and set, one a round, and Portolan's allocations.
type bitmapFigures struct {
	times       map[bitmapCase]map[string][]float64
	allocations float64
}

func runBitmap(ctx context.Context, o options) (measured, error) {
	dir, err := os.MkdirTemp("", "portolan-bench-")
	if err != nil {
		return measured{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // in the system's place for what is temporary
	binary := filepath.Join(dir, "bitmap.test")
	if out, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", binary, "./internal/bitmap").CombinedOutput(); err != nil {
		return measured{}, fmt.Errorf("go test -c ./internal/bitmap: %w\n%s", err, out)
	}
	figures := bitmapFigures{times: map[bitmapCase]map[string][]float64{}}
	for i := range o.rounds {
		fmt.Fprintf(o.log, "bitmap: round %d of %d\n", i+1, o.rounds)
		out, err := exec.CommandContext(ctx, binary, "-test.run=^$", "-test.bench=^BenchmarkSet$", "-test.benchtime=50ms", "-test.cpu=1").CombinedOutput()
		if err != nil {
			return measured{}, fmt.Errorf("go test -bench: %w\n%s", err, out)
		}
		figures.read(string(out))
	}
	if len(figures.times) == 0 {
		return measured{}, fmt.Errorf("go test -bench: no line is as expected")
	}
	return measured{Rows: figures.rows()}, nil
}

func (f *bitmapFigures) read(output string) {
	for _, m := range bitmapLine.FindAllStringSubmatch(output, -1) {
		number := func(i int) float64 {
			v, _ := strconv.ParseFloat(m[i], 64) // a number, by the expression
			return v
		}
		c := bitmapCase{op: m[1], size: int(number(2)), full: number(3)}
		if f.times[c] == nil {
			f.times[c] = map[string][]float64{}
		}
		f.times[c][m[4]] = append(f.times[c][m[4]], number(5))
		if m[4] == "portolan" {
			f.allocations = max(f.allocations, number(6))
		}
	}
}

func (f *bitmapFigures) rows() []row {
	var rows []row
	for _, c := range f.cases() {
		for _, peer := range []struct{ set, name string }{{"bitset", "bitset"}, {"bools", "scan"}} {
			r := compared(c.String(), "ns", peer.name, f.times[c]["portolan"], f.times[c][peer.set])
			r.Kind = c.op
			rows = append(rows, r)
		}
	}
	for _, c := range f.cases() {
		if c.full == 0 {
			rows = append(rows, f.flatness(c))
		}
	}
	return append(rows, row{Name: "allocations", Unit: "a call", Value: f.allocations})
}

// flatness compares the fullest set with the empty one.
func (f *bitmapFigures) flatness(empty bitmapCase) row {
	fullest := empty
	for c := range f.times {
		if c.op == empty.op && c.size == empty.size && c.full > fullest.full {
			fullest = c
		}
	}
	r := compared(fmt.Sprintf("%s, %d numbers, %g %% full to empty", empty.op, empty.size, fullest.full), "ns",
		"empty", f.times[fullest]["portolan"], f.times[empty]["portolan"])
	r.Kind = "flatness"
	return r
}

func (f *bitmapFigures) cases() []bitmapCase {
	return slices.SortedFunc(maps.Keys(f.times), func(a, b bitmapCase) int {
		return cmp.Or(strings.Compare(b.op, a.op), a.size-b.size, cmp.Compare(a.full, b.full))
	})
}
