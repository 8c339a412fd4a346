package main

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// database is the Go team's own.
	database = "https://vuln.go.dev"
	// patience is how long one answer of it may take.
	patience = 30 * time.Second
	// longest is what one answer may have, in bytes: the index of all modules has less than 1 MB.
	longest = 64 << 20
)

// download makes a snapshot of the database at an address.
func download(ctx context.Context, address string, modules map[string]bool) (*snapshot, error) {
	var db struct{ Modified time.Time }
	var index []moduleIndex
	for name, to := range map[string]any{"index/db": &db, "index/modules": &index} {
		text, err := get(ctx, address, name)
		if err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, to); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	s := &snapshot{modified: db.Modified}
	for _, id := range wanted(index, modules) {
		text, err := get(ctx, address, "ID/"+id)
		if err != nil {
			return nil, err
		}
		if err := s.add(text, modules); err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
	}
	return s, nil
}

// wanted are the entries about these modules, each once.
func wanted(index []moduleIndex, modules map[string]bool) (ids []string) {
	seen := map[string]bool{}
	for _, m := range index {
		for _, v := range m.Vulns {
			if modules[m.Path] && !seen[v.ID] {
				seen[v.ID] = true
				ids = append(ids, v.ID)
			}
		}
	}
	return ids
}

func get(ctx context.Context, address, name string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/"+name+".json.gz", nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", request.URL, answer.Status)
	}
	unpacked, err := gzip.NewReader(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", request.URL, err)
	}
	return io.ReadAll(io.LimitReader(unpacked, longest))
}
