package lint

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/portolan-dev/portolan/internal/cli/term"
)

// Write writes a report in a format: text, json, sarif or junit. The text is not broken into lines, as compilers' is not; on
// a screen with colours how bad a finding is has one.
func Write(out io.Writer, r Report, format string, screen term.Screen) error {
	switch format {
	case "text":
		return writeText(out, r, screen)
	case "json":
		return writeJSON(out, r)
	case "sarif":
		return writeSARIF(out, r)
	case "junit":
		return writeJUnit(out, r)
	}
	return fmt.Errorf("format %q is none of text, json, sarif, junit", format)
}

var styles = map[Severity]term.Style{Error: term.Bold.And(term.Red), Warning: term.Yellow, Note: term.Faint}

// writeText writes a line a finding: file:line: severity: message.
func writeText(out io.Writer, r Report, screen term.Screen) error {
	for _, f := range r.Findings {
		if _, err := fmt.Fprintf(out, "%s:%d: %s: %s: %s\n", f.File, f.Line, screen.Paint(styles[f.Severity], string(f.Severity)), f.Object, f.Text()); err != nil {
			return err
		}
	}
	return nil
}

// Summary is "2 errors and 1 warning in 5 objects of 3 files".
func (r Report) Summary() string {
	var found []string
	for _, s := range []Severity{Error, Warning} {
		if n := r.Count(s); n > 0 {
			found = append(found, term.Counted(n, string(s)))
		}
	}
	of := fmt.Sprintf("in %s of %s", term.Counted(r.Objects, "object"), term.Counted(r.Files, "file"))
	if len(found) == 0 {
		return "nothing is wrong " + of
	}
	return strings.Join(found, " and ") + " " + of
}

func writeJSON(out io.Writer, r Report) error {
	if r.Findings == nil {
		r.Findings = []Finding{}
	}
	return indented(out, r)
}

func indented(out io.Writer, v any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}
