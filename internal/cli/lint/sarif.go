package lint

import (
	"io"
	"path/filepath"
	"slices"
)

// SARIF 2.1.0, as much of it as code scanners show.
// Source: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool    sarifTool     `json:"tool"`
	Results []sarifResult `json:"results"`
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name           string      `json:"name"`
	InformationURI string      `json:"informationUri"`
	Rules          []sarifRule `json:"rules"`
}

type sarifRule struct {
	ID string `json:"id"`
}

type sarifResult struct {
	RuleID           string          `json:"ruleId"`
	RuleIndex        int             `json:"ruleIndex"`
	Level            Severity        `json:"level"` // the words are the same
	Message          sarifText       `json:"message"`
	Locations        []sarifLocation `json:"locations"`
	RelatedLocations []sarifLocation `json:"relatedLocations,omitempty"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifLocation struct {
	ID       int           `json:"id,omitempty"`
	Message  *sarifText    `json:"message,omitempty"`
	Physical sarifPhysical `json:"physicalLocation"`
}

type sarifPhysical struct {
	Artifact sarifArtifact `json:"artifactLocation"`
	Region   sarifRegion   `json:"region"`
}

type sarifArtifact struct {
	URI string `json:"uri"`
}

type sarifRegion struct {
	StartLine int `json:"startLine"`
}

func writeSARIF(out io.Writer, r Report) error {
	run := sarifRun{
		Tool: sarifTool{sarifDriver{
			Name: "kubectl-portolan-lint", InformationURI: "https://github.com/portolan-dev/portolan", Rules: []sarifRule{},
		}},
		Results: []sarifResult{},
	}
	for _, f := range r.Findings {
		at := slices.IndexFunc(run.Tool.Driver.Rules, func(rule sarifRule) bool { return rule.ID == f.Rule })
		if at < 0 {
			at = len(run.Tool.Driver.Rules)
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{f.Rule})
		}
		result := sarifResult{
			RuleID: f.Rule, RuleIndex: at, Level: f.Severity, Message: sarifText{f.Object + ": " + f.Text()},
			Locations: []sarifLocation{located(f.File, f.Line)},
		}
		if f.Related != nil {
			related := located(f.Related.File, f.Related.Line)
			related.ID, related.Message = 1, &sarifText{f.Related.Object}
			result.RelatedLocations = []sarifLocation{related}
		}
		run.Results = append(run.Results, result)
	}
	return indented(out, sarifLog{
		Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run},
	})
}

func located(file string, line int) sarifLocation {
	if file == "-" {
		file = "stdin"
	}
	return sarifLocation{Physical: sarifPhysical{sarifArtifact{filepath.ToSlash(file)}, sarifRegion{line}}}
}
