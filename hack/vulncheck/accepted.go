package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// acceptance says why a vulnerability that is called may stay, and until when.
type acceptance struct {
	reason string
	until  time.Time
}

// readAccepted reads a file of acceptances: [{"id": "GO-2026-1234", "reason": "...", "until": "2027-01-31"}].
func readAccepted(path string) (map[string]acceptance, error) {
	text, err := os.ReadFile(path) //nolint:gosec // hack/vulncheck/accepted.json
	if err != nil {
		return nil, err
	}
	accepted, err := parseAccepted(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return accepted, nil
}

func parseAccepted(text []byte) (map[string]acceptance, error) {
	var list []struct{ ID, Reason, Until string }
	from := json.NewDecoder(bytes.NewReader(text))
	from.DisallowUnknownFields()
	if err := from.Decode(&list); err != nil {
		return nil, err
	}
	accepted := map[string]acceptance{}
	for _, a := range list {
		until, err := time.Parse(time.DateOnly, a.Until)
		if err != nil {
			return nil, fmt.Errorf("%s: until when: %w", a.ID, err)
		}
		if a.ID == "" || a.Reason == "" {
			return nil, fmt.Errorf("%q: an acceptance names its entry and its reason", a.ID)
		}
		accepted[a.ID] = acceptance{reason: a.Reason, until: until}
	}
	return accepted, nil
}
