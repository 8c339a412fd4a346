package main

import (
	"encoding/json"
	"slices"
	"time"
)

// entry is what is kept of an entry (https://go.dev/security/vuln/database#schema): by what govulncheck decides, and what
// it prints. The details and references are at the address that it prints.
type entry struct {
	SchemaVersion    string          `json:"schema_version"`
	ID               string          `json:"id"`
	Modified         time.Time       `json:"modified"`
	Published        time.Time       `json:"published"`
	Withdrawn        *time.Time      `json:"withdrawn,omitempty"`
	Aliases          []string        `json:"aliases,omitempty"`
	Summary          string          `json:"summary"`
	Affected         []affected      `json:"affected"`
	DatabaseSpecific json.RawMessage `json:"database_specific,omitempty"`
}

// affected says which versions of a module, and what in them, an entry is about.
type affected struct {
	Package struct {
		Name      string `json:"name"`
		Ecosystem string `json:"ecosystem"`
	} `json:"package"`
	Ranges            json.RawMessage `json:"ranges"`
	EcosystemSpecific json.RawMessage `json:"ecosystem_specific,omitempty"`
}

// parse reads an entry, and leaves of it what is about these modules; ok is false if that is nothing, or withdrawn.
func parse(text []byte, modules map[string]bool) (e entry, ok bool, err error) {
	if err := json.Unmarshal(text, &e); err != nil {
		return entry{}, false, err
	}
	e.Affected = slices.DeleteFunc(e.Affected, func(a affected) bool { return !modules[a.Package.Name] })
	return e, len(e.Affected) > 0 && e.Withdrawn == nil, nil
}
