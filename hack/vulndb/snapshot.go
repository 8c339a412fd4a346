package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// snapshot is a database (https://go.dev/security/vuln/database#api) as of a moment.
type snapshot struct {
	modified time.Time
	entries  []entry
}

// read makes a snapshot of the OSV entries in a directory.
func read(dir fs.FS, modified time.Time, modules map[string]bool) (*snapshot, error) {
	files, err := fs.Glob(dir, "GO-*.json")
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("there is no GO-*.json")
	}
	s := &snapshot{modified: modified}
	for _, file := range files {
		text, err := fs.ReadFile(dir, file)
		if err != nil {
			return nil, err
		}
		if err := s.add(text, modules); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return s, nil
}

func (s *snapshot) add(text []byte, modules map[string]bool) error {
	e, ok, err := parse(text, modules)
	if ok {
		s.entries = append(s.entries, e)
	}
	return err
}

// replace writes the snapshot where another one may be.
func (s *snapshot) replace(dir string) error {
	for _, part := range []string{"index", "ID"} {
		if err := os.RemoveAll(filepath.Join(dir, part)); err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(dir, part), 0o755); err != nil { //nolint:gosec // of a repository, which all may read
			return err
		}
	}
	for name, value := range s.files() {
		text, err := json.Marshal(value)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), append(text, '\n'), 0o644); err != nil { //nolint:gosec // likewise
			return err
		}
	}
	return nil
}

// moduleIndex is what the index says of a module. Without the version that mends it each entry is looked into.
type moduleIndex struct {
	Path  string       `json:"path"`
	Vulns []vulnNumber `json:"vulns"`
}

type vulnNumber struct {
	ID       string    `json:"id"`
	Modified time.Time `json:"modified"`
}

// files are the names and contents of the database.
func (s *snapshot) files() map[string]any {
	files := map[string]any{"index/db.json": map[string]time.Time{"modified": s.modified}}
	byModule := map[string]moduleIndex{}
	for _, e := range s.entries {
		files["ID/"+e.ID+".json"] = e
		for _, a := range e.Affected {
			of := byModule[a.Package.Name]
			of.Path = a.Package.Name
			if n := (vulnNumber{ID: e.ID, Modified: e.Modified}); !slices.Contains(of.Vulns, n) {
				of.Vulns = append(of.Vulns, n)
			}
			byModule[of.Path] = of
		}
	}
	files["index/modules.json"] = slices.SortedFunc(maps.Values(byModule), func(a, b moduleIndex) int { return strings.Compare(a.Path, b.Path) })
	return files
}
