package lint

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// JUnit as CI systems read it: a suite a file, a case an object. Errors fail a case, which has one failure for all of
// them, as most readers expect; warnings and notes are its output.
// Source: https://github.com/testmoapp/junitxml

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name      string        `xml:"name,attr"`
	ClassName string        `xml:"classname,attr"`
	File      string        `xml:"file,attr"`
	Line      int           `xml:"line,attr"`
	Failure   *junitFailure `xml:"failure"`
	Output    string        `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr"`
	Text    string `xml:",chardata"`
}

func writeJUnit(out io.Writer, r Report) error {
	all := junitSuites{Name: "kubectl portolan lint"}
	for _, o := range r.Linted {
		c := r.junitCase(o)
		if last := len(all.Suites) - 1; last < 0 || all.Suites[last].Name != o.File {
			all.Suites = append(all.Suites, junitSuite{Name: o.File})
		}
		suite := &all.Suites[len(all.Suites)-1]
		suite.Cases = append(suite.Cases, c)
		suite.Tests, all.Tests = suite.Tests+1, all.Tests+1
		if c.Failure != nil {
			suite.Failures, all.Failures = suite.Failures+1, all.Failures+1
		}
	}
	text, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s%s\n", xml.Header, text)
	return err
}

func (r Report) junitCase(o Place) junitCase {
	c := junitCase{Name: o.Object, ClassName: o.File, File: o.File, Line: o.Line}
	var said, failed strings.Builder
	for _, f := range r.Findings {
		if f.File != o.File || f.Begin != o.Line {
			continue
		}
		line := fmt.Sprintf("%s:%d: %s: %s", f.File, f.Line, f.Severity, f.Text())
		if f.Severity != Error {
			said.WriteString(line + "\n")
			continue
		}
		failed.WriteString(line + "\n")
		if c.Failure == nil {
			c.Failure = &junitFailure{Message: f.Text(), Type: f.Rule}
		}
	}
	if c.Output = said.String(); c.Failure != nil {
		c.Failure.Text = failed.String()
	}
	return c
}
