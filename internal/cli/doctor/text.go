package doctor

import (
	"fmt"
	"strings"

	"github.com/portolan-dev/portolan/internal/cli/term"
)

// labelWidth is that of the names of checks.
const labelWidth = 14

// text is the results for a screen: a line for each check, and below it what it found. Commands are not wrapped, so that
// they can be copied.
func text(results []Result, screen term.Screen) string {
	var b strings.Builder
	troubles, notices := 0, 0
	unseen := map[string]bool{} // each once, however many checks would look at it
	for _, r := range results {
		mark, style := "ok", term.Green
		for _, f := range r.Findings {
			if f.Severity == Trouble {
				troubles++
			} else {
				notices++
			}
		}
		for _, what := range r.Unseen {
			unseen[what] = true
		}
		switch {
		case Troubled([]Result{r}):
			mark, style = "trouble", term.Red
		case len(r.Findings) > 0:
			mark, style = "notice", term.Yellow
		case r.Summary == "":
			mark, style = "unseen", term.Faint
		case len(r.Unseen) > 0:
			mark, style = "partial", term.Faint
		}
		label := screen.Paint(term.Bold, term.Pad(r.Check, labelWidth)) + screen.Paint(style, term.Pad(mark, 9))
		for _, line := range wrapped(r.Summary, screen.Width-labelWidth-9) {
			b.WriteString(strings.TrimRight(label+line, " ") + "\n")
			label = strings.Repeat(" ", labelWidth+9)
		}
		r.details(&b, screen)
	}
	b.WriteString("\n" + conclusion(troubles, notices, len(unseen)) + "\n")
	return b.String()
}

// wrapped has one line at least.
func wrapped(text string, width int) []string { return term.Wrap(text, max(20, width)) }

// details are the findings, and what could not be seen.
func (r Result) details(b *strings.Builder, screen term.Screen) {
	const indent = "  "
	for _, f := range r.Findings {
		style := term.Yellow
		if f.Severity == Trouble {
			style = term.Red
		}
		b.WriteString(indent + screen.Paint(style, f.Object) + "\n")
		for _, line := range wrapped(f.Says, screen.Width-2*len(indent)) {
			b.WriteString(indent + indent + line + "\n")
		}
		for _, command := range f.Commands {
			b.WriteString(indent + indent + screen.Paint(term.Faint, "$ ") + screen.Paint(term.Cyan, command) + "\n")
		}
	}
	for _, what := range r.Unseen {
		for i, line := range wrapped("not seen: "+what, screen.Width-2*len(indent)) {
			b.WriteString(indent + strings.Repeat(indent, min(i, 1)) + screen.Paint(term.Faint, line) + "\n")
		}
	}
}

func conclusion(troubles, notices, unseen int) string {
	text := "Portolan is well."
	switch {
	case troubles > 0:
		text = fmt.Sprintf("Found %s.", term.Counted(troubles, "trouble"))
	case unseen > 0:
		text = "Nothing is wrong in what you may see."
	}
	if notices > 0 {
		text += fmt.Sprintf(" %s may be on purpose.", strings.ToUpper(term.Counted(notices, "notice")[:1])+term.Counted(notices, "notice")[1:])
	}
	if unseen > 0 {
		text += fmt.Sprintf(" %s could not be looked at.", strings.ToUpper(term.Counted(unseen, "thing")[:1])+term.Counted(unseen, "thing")[1:])
	}
	return text
}
