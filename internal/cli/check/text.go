package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/portolan-dev/portolan/internal/cli/term"
	"github.com/portolan-dev/portolan/internal/knock"
)

// many is how many attempts of a port are listed one by one where all is well.
const many = 12

// Text is a report for a screen. Commands are not wrapped, so that they can be copied.
func (r Report) Text(screen term.Screen) string {
	var b strings.Builder
	head, style := fmt.Sprintf("Service %s/%s %s.", r.Namespace, r.Service, r.Verdict), term.Green
	if !r.Well() {
		style = term.Red
	}
	for _, line := range term.Wrap(head, screen.Width) {
		b.WriteString(screen.Paint(term.Bold.And(style), line) + "\n")
	}
	rows := r.rows()
	widths := make([]int, 5)
	for _, row := range rows {
		for i := range widths {
			widths[i] = max(widths[i], term.Length(row.cells[i]))
		}
	}
	for _, row := range rows {
		var cells []string
		for i, cell := range row.cells {
			if widths[i] > 0 {
				cells = append(cells, screen.Paint(row.styles[i], term.Pad(cell, widths[i])))
			}
		}
		b.WriteString("  " + strings.TrimRight(strings.Join(cells, "  "), " ") + "\n")
	}
	r.causes(&b, screen)
	return b.String()
}

type row struct {
	cells  [5]string // port, node, from, outcome, took
	styles [5]term.Style
}

// rows are the attempts, but of a port that is well at many nodes the number of those.
func (r Report) rows() []row {
	var rows []row
	wells := map[string][]Attempt{}
	for _, a := range r.Attempts {
		if !a.Finding && a.Outcome == knock.OK {
			wells[a.Port] = append(wells[a.Port], a)
		}
	}
	told := map[string]bool{}
	for _, a := range r.Attempts {
		well := wells[a.Port]
		if a.Finding || a.Outcome != knock.OK || len(well) <= many {
			rows = append(rows, rowOf(a))
			continue
		}
		if !told[a.Port] {
			told[a.Port] = true
			slowest := slices.MaxFunc(well, func(a, b Attempt) int { return int(a.Milliseconds*1000) - int(b.Milliseconds*1000) })
			rows = append(rows, row{cells: [5]string{a.Port, fmt.Sprintf("%d attempts", len(well)), "", "ok", "at most " + took(slowest)}, styles: [5]term.Style{3: term.Green}})
		}
	}
	return rows
}

func rowOf(a Attempt) row {
	from := ""
	if a.From != "" {
		from = "from " + a.From
	}
	outcome, style := string(a.Outcome), term.Green
	switch {
	case a.Finding && a.Outcome == knock.OK:
		outcome, style = "wrong pod", term.Red
	case a.Finding:
		style = term.Red
	case a.Expected:
		style = term.Faint
	}
	last := took(a)
	if a.Pod != "" {
		last += " " + a.Pod
	}
	return row{cells: [5]string{a.Port, a.Node, from, outcome, last}, styles: [5]term.Style{3: style}}
}

func took(a Attempt) string {
	switch {
	case a.Milliseconds == 0:
		return ""
	case a.Milliseconds < 10:
		return fmt.Sprintf("%.1f ms", a.Milliseconds)
	}
	return fmt.Sprintf("%.0f ms", a.Milliseconds)
}

// remark is something that there is to say of a node.
type remark struct {
	node    string
	from    string // the node from which it was tried
	cause   Cause
	finding bool
}

// causes are what there is to say of the attempts.
func (r Report) causes(b *strings.Builder, screen term.Screen) {
	var all []remark
	for _, a := range r.Attempts {
		if a.Says != "" {
			all = append(all, remark{a.Node, a.From, a.Cause, a.Finding})
		}
	}
	remarks(b, all, screen)
}

// missesText says for a screen from which nodes nothing was tried; empty: from none.
func missesText(misses []Miss, screen term.Screen) string {
	var b strings.Builder
	var all []remark
	for _, miss := range misses {
		miss.Says = "nothing was tried from there: " + miss.Says
		all = append(all, remark{miss.From, "", miss.Cause, true})
	}
	if len(all) > 0 {
		b.WriteString("\n")
	}
	remarks(&b, all, screen)
	return b.String()
}

// remarks are said each once, with the nodes that it is about.
func remarks(b *strings.Builder, all []remark, screen term.Screen) {
	var order []string
	about := map[string][]remark{}
	for _, r := range all {
		if about[r.cause.Says] == nil {
			order = append(order, r.cause.Says)
		}
		about[r.cause.Says] = append(about[r.cause.Says], r)
	}
	for _, says := range order {
		var nodes, commands []string
		finding := false
		for _, r := range about[says] {
			finding = finding || r.finding
			if !slices.Contains(nodes, r.node) {
				nodes = append(nodes, r.node)
			}
			for _, command := range r.cause.Commands {
				if r.node == nodes[0] && r.from == about[says][0].from && !slices.Contains(commands, command) {
					commands = append(commands, command)
				}
			}
		}
		style := term.Faint
		if finding {
			style = term.Plain
		}
		for i, line := range term.Wrap(term.Few(nodes, few)+": "+says+".", max(20, screen.Width-4)) {
			b.WriteString(strings.Repeat("  ", 1+min(i, 1)) + screen.Paint(style, line) + "\n")
		}
		for _, command := range commands {
			b.WriteString("    " + screen.Paint(term.Faint, "$ ") + screen.Paint(term.Cyan, command) + "\n")
		}
	}
}
