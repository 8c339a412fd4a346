package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
)

// report is docs/benchmarks.json.
type report struct {
	Benchmarks map[string]result `json:"benchmarks"`
}

// result is a benchmark's latest run.
type result struct {
	Date string `json:"date"`
	// Commit is what was measured, and Flags is how, other than by default; see source.
	Commit  string  `json:"commit,omitempty"`
	Flags   string  `json:"flags,omitempty"`
	Seconds int     `json:"seconds"`
	Rounds  int     `json:"rounds"`
	Machine machine `json:"machine"`
	measured
}

// String says when what was run, and how.
func (r result) String() string {
	text := r.Date
	if r.Commit != "" {
		text += " at " + r.Commit
	}
	text += fmt.Sprintf(", %d rounds in %d s", r.Rounds, r.Seconds)
	if r.Flags != "" {
		text += ", with " + r.Flags
	}
	return text
}

const (
	jsonFile     = "benchmarks.json"
	markdownFile = "benchmarks.md"
)

// readReport also makes the directory: better to fail now than after the benchmarks.
func readReport(dir string) (report, error) {
	r := report{Benchmarks: map[string]result{}}
	if dir == "" {
		return r, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return r, err
	}
	text, err := os.ReadFile(filepath.Join(dir, jsonFile))
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, err
	}
	for name, result := range r.Benchmarks { // by the bars of today
		result.measured = judge(name, result.measured)
		r.Benchmarks[name] = result
	}
	return r, nil
}

func writeReport(dir string, r report) error {
	if dir == "" {
		return nil
	}
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, jsonFile), append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, markdownFile), []byte(markdown(r)), 0o644)
}

const preface = `# Benchmarks

<!-- Written by make bench: do not edit. -->

Product and peer run in turn, in the same run on the same machine, over several rounds. Figures are medians of the
rounds. A ratio is formed within each round; shown is the median of those and, in brackets, the interval that holds the
true one with 95 % confidence (below six rounds: the whole spread). Compare ratios, not times: times are this run's.

The bars, with the reasons for each, are in [test/bench/bars.go](../test/bench/bars.go). A benchmark reports; no test
fails by it. Run all with ` + "`make bench`" + `, some with ` + "`make bench BENCH=\"name name\"`" + `; each says of which commit it is. The same in JSON: [benchmarks.json](benchmarks.json).
What they mean for a large cluster, and for several: [Scale](scale.md).
`

func markdown(r report) string {
	var out strings.Builder
	out.WriteString(preface)
	for _, b := range benchmarks {
		fmt.Fprintf(&out, "\n## %s\n\n%s\n\n", b.name, strings.TrimSpace(b.how))
		result, ok := r.Benchmarks[b.name]
		if !ok {
			fmt.Fprintf(&out, "Not measured yet: `make bench BENCH=%s`.\n", b.name)
			continue
		}
		fmt.Fprintf(&out, "%s. %s.\n\n", result, result.Machine)
		out.WriteString("| | Peer | | Portolan | Ratio | Bar | |\n|---|---|--:|--:|--:|--:|---|\n")
		for _, row := range result.Rows {
			fmt.Fprintf(&out, "| %s |\n", strings.Join(cells(row), " | "))
		}
		if len(result.Notes) > 0 {
			out.WriteString("\n")
		}
		for _, note := range result.Notes {
			fmt.Fprintf(&out, "- %s\n", note)
		}
	}
	return out.String()
}

func printTable(w io.Writer, name string, r result) {
	fmt.Fprintf(w, "\n%s: %s (%s)\n", name, r, r.Machine)
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\tpeer\t\tportolan\tratio\tbar\t")
	for _, row := range r.Rows {
		fmt.Fprintln(table, strings.Join(cells(row), "\t"))
	}
	_ = table.Flush() // like all writing to the terminal
	for _, note := range r.Notes {
		fmt.Fprintln(w, "-", note)
	}
}

// cells are a row's: name, peer's name and figure, Portolan's, ratio, bar, verdict.
func cells(r row) []string {
	peer, ratio := "", ""
	if r.PeerName != "" {
		peer = figure(r.Peer) + " " + r.Unit
	}
	if r.Ratio != nil {
		ratio = fmt.Sprintf("%s x [%s, %s]", figure(r.Ratio.Median), figure(r.Ratio.Low), figure(r.Ratio.High))
	}
	return []string{r.Name, r.PeerName, peer, strings.TrimSpace(figure(r.Value) + " " + r.Unit), ratio, r.Bar, r.Verdict}
}

// figure shows three significant digits, of a large number all.
func figure(v float64) string {
	switch {
	case v == float64(int64(v)) || v >= 100 || v <= -100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10 || v <= -10:
		return fmt.Sprintf("%.1f", v)
	case v < 0.1 && v > -0.1:
		return fmt.Sprintf("%.2g", v)
	}
	return fmt.Sprintf("%.2f", v)
}
