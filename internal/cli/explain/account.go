// Package explain says step by step what admission decides about a Service, and why: which pools are asked and why these,
// what is in the way of each number, what is chosen, and the answer in the words of admission.
//
// The policy:
//   - The decision is that of internal/decision, which is admission's own. What is said beside it is read off the same
//     chart and the same ledger.
//   - Of other namespaces nothing is named, whoever asks: no pool that does not select the namespace, no Service, and not
//     whether a number of theirs is used or held. Whoever may know more asks kubectl portolan who.
package explain

import (
	"fmt"
	"io"
	"strings"

	"github.com/portolan-dev/portolan/internal/cli/term"
)

// Account is the whole story of one Service.
type Account struct {
	// Subject is `Service "shop/web"`, Where the file and line that it was read from, "" for a live one.
	Subject string `json:"subject"`
	Where   string `json:"where,omitempty"`
	// Operation is "create", "update", or "" for a live Service that is looked at.
	Operation string `json:"operation,omitempty"`
	Steps     []Step `json:"steps"`
	Answer    Answer `json:"answer"`
	// Unknown says what was not known and may change the answer.
	Unknown string `json:"unknown,omitempty"`
}

// Step is one part of the way to the answer.
type Step struct {
	Title string   `json:"title"`
	Lines []string `json:"lines"`
}

// Verdict is how it ends.
type Verdict string

// All verdicts.
const (
	Admitted   Verdict = "admitted"
	Refused    Verdict = "refused"
	NotJudged  Verdict = "not judged"
	Conforming Verdict = "conforming" // a live Service that keeps to the rules
	Breaking   Verdict = "breaking"   // a live one that would not be admitted so today
)

// Answer is the end of it.
type Answer struct {
	Verdict Verdict `json:"verdict"`
	// Text says it in a sentence.
	Text string `json:"text"`
	// Errors and Warnings are admission's, word for word.
	Errors   []string `json:"errors,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	// Commands mend what is wrong with a live Service.
	Commands []string `json:"commands,omitempty"`
}

func (a *Account) step(title string, lines ...string) {
	a.Steps = append(a.Steps, Step{title, lines})
}

// Write writes an account for people. Where the width of the screen is known lines are broken there; else they stay whole.
func Write(out io.Writer, a Account, screen term.Screen) error {
	p := page{screen: screen}
	subject := a.Subject
	if a.Where != "" {
		subject += " (" + a.Where + ")"
	}
	p.line(term.Bold, "", subject)
	for i, s := range a.Steps {
		p.text.WriteString("\n")
		p.line(term.Bold, "", fmt.Sprintf("%d. %s", i+1, s.Title))
		for _, line := range s.Lines {
			inner := strings.TrimLeft(line, " ")
			p.line(term.Plain, margin+line[:len(line)-len(inner)], inner)
		}
	}
	p.text.WriteString("\n")
	p.line(a.Answer.style(), "", "=> "+a.Answer.Text)
	for _, text := range a.Answer.Errors {
		p.line(term.Plain, margin, "* "+text)
	}
	for _, text := range a.Answer.Warnings {
		p.line(term.Yellow, margin, "Warning: "+text)
	}
	for _, command := range a.Answer.Commands { // whole, so that they can be copied
		p.text.WriteString(margin + screen.Paint(term.Faint, "$ ") + screen.Paint(term.Cyan, command) + "\n")
	}
	if a.Unknown != "" {
		p.text.WriteString("\n")
		p.line(term.Plain, "", a.Unknown)
	}
	_, err := io.WriteString(out, p.text.String())
	return err
}

// margin is before all that belongs to a step or the answer.
const margin = "   "

// page is what is being written.
type page struct {
	screen term.Screen
	text   strings.Builder
}

// line adds one, or where it is too long several, of which the second and those that follow are two columns further in.
func (p *page) line(style term.Style, indent, text string) {
	lines := []string{text}
	if p.screen.Known {
		lines = term.Wrap(text, max(20, p.screen.Width-len(indent)-2))
	}
	for i, line := range lines {
		if i == 1 {
			indent += "  "
		}
		p.text.WriteString(indent + p.screen.Paint(style, line) + "\n")
	}
}

// style is that of the answer: green where nothing is wrong.
func (a Answer) style() term.Style {
	switch a.Verdict {
	case Refused, Breaking:
		return term.Bold.And(term.Red)
	case Admitted, Conforming:
		return term.Bold.And(term.Green)
	}
	return term.Bold
}
