package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// report is what govulncheck has found, by the number of the entry.
type report map[string]*vulnerability

type vulnerability struct {
	summary string
	module  string // and its version
	fixed   string // the version that mends it; empty if none does
	calls   []string
}

// message is the part of govulncheck's messages that is of use here (golang.org/x/vuln/internal/govulncheck, version 1 of
// the protocol).
type message struct {
	OSV *struct {
		ID      string `json:"id"`
		Summary string `json:"summary"`
	} `json:"osv"`
	Finding *struct {
		OSV   string  `json:"osv"`
		Fixed string  `json:"fixed_version"`
		Trace []frame `json:"trace"`
	} `json:"finding"`
}

// frame is a place in a call stack: the first is in what is vulnerable, the last the main function or
// the test.
type frame struct {
	Module   string `json:"module"`
	Version  string `json:"version"`
	Package  string `json:"package"`
	Receiver string `json:"receiver"`
	Function string `json:"function"`
	Position *struct {
		Filename string `json:"filename"`
		Line     int    `json:"line"`
	} `json:"position"`
}

// read adds the messages of one run.
func (r report) read(from *json.Decoder) error {
	summaries := map[string]string{}
	for {
		var m message
		switch err := from.Decode(&m); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading what govulncheck says: %w", err)
		case m.OSV != nil:
			summaries[m.OSV.ID] = m.OSV.Summary
		case m.Finding != nil && len(m.Finding.Trace) > 0:
			r.add(m.Finding.OSV, summaries[m.Finding.OSV], m.Finding.Fixed, m.Finding.Trace)
		}
	}
}

// add adds a finding. One without a function only says that the module is in the build, or the package.
func (r report) add(id, summary, fixed string, trace []frame) {
	if r[id] == nil {
		r[id] = &vulnerability{summary: summary, module: trace[0].Module + "@" + trace[0].Version, fixed: fixed}
	}
	if trace[0].Function == "" {
		return
	}
	program := trace[len(trace)-1].Module
	ours := trace[slices.IndexFunc(trace, func(f frame) bool { return f.Module == program })]
	call := ours.name() + " leads to " + trace[0].name()
	if ours.Position != nil {
		call = fmt.Sprintf("%s:%d: %s", ours.Position.Filename, ours.Position.Line, call)
	}
	r[id].calls = append(r[id].calls, call)
}

func (f frame) name() string {
	if f.Receiver == "" {
		return f.Package + "." + f.Function
	}
	return f.Package + "." + strings.TrimPrefix(f.Receiver, "*") + "." + f.Function
}

func (v *vulnerability) String() string {
	mend := "nothing mends it yet"
	if v.fixed != "" {
		mend = v.fixed + " mends it"
	}
	return fmt.Sprintf("%s (%s, %s)", v.summary, v.module, mend)
}

// uncalled are those in modules of the build that nothing calls, one a line.
func (r report) uncalled() (lines []string) {
	for _, id := range slices.Sorted(maps.Keys(r)) {
		if len(r[id].calls) == 0 {
			lines = append(lines, id+": "+r[id].String())
		}
	}
	return lines
}

// judge says what is to be mended: what is called and not accepted, and acceptances that have run out, or are of nothing
// that is called, where the database knows of the entry.
func (r report) judge(accepted map[string]acceptance, knows func(id string) bool, now time.Time) error {
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(r)) {
		if _, ok := accepted[id]; !ok && len(r[id].calls) > 0 {
			errs = append(errs, fmt.Errorf("%s: %s\n  https://pkg.go.dev/vuln/%s\n  %s", id, r[id], id, strings.Join(r[id].calls, "\n  ")))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(accepted)) {
		called := r[id] != nil && len(r[id].calls) > 0
		switch a := accepted[id]; {
		case !called && knows(id):
			errs = append(errs, fmt.Errorf("%s is accepted, and nothing calls it: take it out of accepted.json", id))
		case !now.Before(a.until):
			errs = append(errs, fmt.Errorf("%s was accepted until %s: mend it now, or say why it may stay for longer", id, a.until.Format(time.DateOnly)))
		}
	}
	return errors.Join(errs...)
}
