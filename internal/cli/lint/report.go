package lint

import (
	"fmt"
	"strings"
)

// Severity says how bad a finding is.
type Severity string

const (
	// Error is what would be refused.
	Error Severity = "error"
	// Warning is what works, and will surprise.
	Warning Severity = "warning"
	// Note is what is good to know.
	Note Severity = "note"
)

// Names of rules beside those of rules.Reason.
const (
	RuleUnknownField     = "UnknownField"     // a field that the kind does not have
	RuleInvalidField     = "InvalidField"     // a value that the API server does not take
	RuleInvalidPool      = "InvalidPool"      // a pool that Portolan refuses
	RuleConsequence      = "Consequence"      // what a pool's change means for live Services
	RuleNotReserved      = "NotReserved"      // a reservation that does not get its numbers
	RuleWarning          = "Warning"          // what admission warns of
	RuleSurprise         = "Surprise"         // what works and will surprise
	RuleDefault          = "Default"          // what is filled in
	RuleUnknownNamespace = "UnknownNamespace" // a namespace of which nothing is known
	RuleRefused          = "Refused"          // what the API server refuses, asked by a dry run
	RuleNotJudged        = "NotJudged"        // what goes by objects that may not be read
)

// Place is where something stands.
type Place struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Object string `json:"object"`
}

// Finding is one thing to say of a manifest.
type Finding struct {
	// File is as it was named, "-" for the standard input; Line counts from 1.
	File string `json:"file"`
	Line int    `json:"line"`
	// Begin is the line where the object begins.
	Begin    int      `json:"-"`
	Severity Severity `json:"severity"`
	// Rule is a word for it: a rules.Reason, or one of the names above.
	Rule string `json:"rule"`
	// Object is `Service "shop/web"`, Field its field, if it is about one.
	Object string `json:"object"`
	Field  string `json:"field,omitempty"`
	// Message is what admission would say, word for word, where it is admission that would say it.
	Message string `json:"message"`
	// Related is the other object in the files that it is about.
	Related *Place `json:"related,omitempty"`
}

// Text is the message, and what it relates to.
func (f Finding) Text() string {
	if f.Related == nil {
		return f.Message
	}
	return fmt.Sprintf("%s (by %s, %s:%d)", f.Message, f.Related.Object, f.Related.File, f.Related.Line)
}

// Report is all that was found.
type Report struct {
	Findings []Finding `json:"findings"`
	// Objects and Files are how many were looked at.
	Objects int `json:"objects"`
	Files   int `json:"files"`
	// Linted are the objects, in the order of the files.
	Linted []Place `json:"-"`
	// Unknown says what was not judged; "": nothing.
	Unknown string `json:"unknown,omitempty"`
	// NotJudged says why nothing can be said of Services, which makes it trouble; "": they are judged.
	NotJudged string `json:"notJudged,omitempty"`
}

// Count is how many findings of a severity there are.
func (r Report) Count(s Severity) int {
	count := 0
	for _, f := range r.Findings {
		if f.Severity == s {
			count++
		}
	}
	return count
}

// Failed says whether there are errors, or with strict warnings.
func (r Report) Failed(strict bool) bool {
	return r.Count(Error) > 0 || strict && r.Count(Warning) > 0
}

// Without leaves out findings of a severity.
func (r Report) Without(s Severity) Report {
	var rest []Finding
	for _, f := range r.Findings {
		if f.Severity != s {
			rest = append(rest, f)
		}
	}
	r.Findings = rest
	return r
}

// fieldOf is the field at the beginning of a text ("spec.ports[0].nodePort: ..."); "" for none.
func fieldOf(text string) string {
	at, _, ok := strings.Cut(text, ": ")
	if !ok || strings.Contains(at, " ") || !strings.HasPrefix(at, "spec.") && !strings.HasPrefix(at, "metadata.") {
		return ""
	}
	return at
}

func quoted(names []string) string {
	texts := make([]string, len(names))
	for i, n := range names {
		texts[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(texts, ", ")
}
