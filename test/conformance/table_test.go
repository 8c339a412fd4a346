package conformance

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"

	"github.com/portolan-dev/portolan/test/proxysite"
)

// table is what came of each case with each proxy.
type table struct {
	mu    sync.Mutex // guards the fields below
	names []string
	cells map[string]map[proxysite.Kind]*cell
}

// cell is one case with one proxy.
type cell struct {
	reasons  []string // of differences
	failures []string
}

func (t *table) begin(name string, kind proxysite.Kind) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cell(name, kind)
}

func (t *table) cell(name string, kind proxysite.Kind) *cell {
	if t.cells == nil {
		t.cells = map[string]map[proxysite.Kind]*cell{}
	}
	if t.cells[name] == nil {
		t.names = append(t.names, name)
		t.cells[name] = map[proxysite.Kind]*cell{}
	}
	if t.cells[name][kind] == nil {
		t.cells[name][kind] = &cell{}
	}
	return t.cells[name][kind]
}

func (t *table) differ(name string, kind proxysite.Kind, why string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.cell(name, kind)
	if !slices.Contains(c.reasons, why) {
		c.reasons = append(c.reasons, why)
	}
}

func (t *table) fail(name string, kind proxysite.Kind, what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.cell(name, kind)
	c.failures = append(c.failures, what)
}

// print writes the table, and below it the reasons by number, and what failed.
func (t *table) print(out io.Writer, kinds []proxysite.Kind) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var reasons []string
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "case")
	for _, k := range kinds {
		fmt.Fprint(w, "\t", k)
	}
	for _, b := range behaviours() {
		if t.cells[b.name] == nil {
			continue
		}
		fmt.Fprint(w, "\n", b.name)
		for _, k := range kinds {
			fmt.Fprint(w, "\t", t.cells[b.name][k].text(&reasons))
		}
	}
	fmt.Fprintln(w)
	_ = w.Flush()
	for i, why := range reasons {
		fmt.Fprintf(out, "\n[%d] %s\n", i+1, why)
	}
	for _, name := range t.names {
		for _, k := range kinds {
			if c := t.cells[name][k]; c != nil && len(c.failures) > 0 {
				fmt.Fprintf(out, "\n%s, %s:\n  %s\n", name, k, strings.Join(c.failures, "\n  "))
			}
		}
	}
}

// text is a cell in a few words. It appends to the reasons those that are new.
func (c *cell) text(reasons *[]string) string {
	switch {
	case c == nil:
		return "not run"
	case len(c.failures) > 0:
		return "FAILED"
	case len(c.reasons) == 0:
		return "ok"
	}
	var numbers []string
	for _, why := range c.reasons {
		i := slices.Index(*reasons, why)
		if i < 0 {
			i = len(*reasons)
			*reasons = append(*reasons, why)
		}
		numbers = append(numbers, fmt.Sprintf("[%d]", i+1))
	}
	return "differs " + strings.Join(numbers, " ")
}
