package main

import (
	"compress/gzip"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	moment = time.Date(2026, 8, 21, 0, 0, 0, 0, time.UTC)
	ours   = map[string]bool{"stdlib": true, "example.org/ours": true}
)

// entries are of our modules, of others, of both, and one that is withdrawn.
var entries = map[string]string{
	"GO-2026-0001": `{"id":"GO-2026-0001","summary":"one","details":"long","references":[{"url":"u"}],"affected":[
		{"package":{"name":"example.org/ours","ecosystem":"Go"},"ranges":[{"type":"SEMVER"}],"ecosystem_specific":{"imports":[{"path":"p","symbols":["F"]}]}},
		{"package":{"name":"example.org/others","ecosystem":"Go"},"ranges":[]}]}`,
	"GO-2026-0002": `{"id":"GO-2026-0002","summary":"two","affected":[{"package":{"name":"example.org/others","ecosystem":"Go"},"ranges":[]}]}`,
	"GO-2026-0003": `{"id":"GO-2026-0003","summary":"three","affected":[
		{"package":{"name":"stdlib","ecosystem":"Go"},"ranges":[]},{"package":{"name":"stdlib","ecosystem":"Go"},"ranges":[{"type":"SEMVER"}]}]}`,
	"GO-2026-0004": `{"id":"GO-2026-0004","withdrawn":"2026-02-03T04:05:06Z","affected":[{"package":{"name":"stdlib","ecosystem":"Go"},"ranges":[]}]}`,
}

// written are the files of a snapshot, by name; it replaces another one.
func written(t *testing.T, s *snapshot) map[string]string {
	t.Helper()
	dir := t.TempDir()
	old := &snapshot{entries: []entry{{ID: "GO-2020-0001"}}}
	for _, s := range []*snapshot{old, s} {
		if err := s.replace(dir); err != nil {
			t.Fatal(err)
		}
	}
	files := map[string]string{}
	paths, _ := filepath.Glob(filepath.Join(dir, "*", "*"))
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, _ := filepath.Rel(dir, path)
		files[name] = strings.TrimSpace(string(text))
	}
	return files
}

const zero = `"0001-01-01T00:00:00Z"`

var want = map[string]string{
	"index/db.json": `{"modified":"2026-08-21T00:00:00Z"}`,
	"index/modules.json": `[{"path":"example.org/ours","vulns":[{"id":"GO-2026-0001","modified":` + zero + `}]},` +
		`{"path":"stdlib","vulns":[{"id":"GO-2026-0003","modified":` + zero + `}]}]`,
	"ID/GO-2026-0001.json": `{"schema_version":"","id":"GO-2026-0001","modified":` + zero + `,"published":` + zero + `,"summary":"one",` +
		`"affected":[{"package":{"name":"example.org/ours","ecosystem":"Go"},"ranges":[{"type":"SEMVER"}],"ecosystem_specific":{"imports":[{"path":"p","symbols":["F"]}]}}]}`,
	"ID/GO-2026-0003.json": `{"schema_version":"","id":"GO-2026-0003","modified":` + zero + `,"published":` + zero + `,"summary":"three",` +
		`"affected":[{"package":{"name":"stdlib","ecosystem":"Go"},"ranges":[]},{"package":{"name":"stdlib","ecosystem":"Go"},"ranges":[{"type":"SEMVER"}]}]}`,
}

func TestASnapshotOfADirectoryHoldsWhatIsOfOurModules(t *testing.T) {
	dir := fstest.MapFS{"README": {Data: []byte("no entry")}}
	for id, text := range entries {
		dir[id+".json"] = &fstest.MapFile{Data: []byte(text)}
	}
	s, err := read(dir, moment, ours)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, written(t, s)); diff != "" {
		t.Error(diff)
	}
}

func TestASnapshotOfTheDatabaseOnlineIsTheSame(t *testing.T) {
	var fetched []string
	online := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetched = append(fetched, r.URL.Path)
		text, ok := map[string]string{
			"index/db": `{"modified":"2026-08-21T00:00:00Z"}`,
			"index/modules": `[{"path":"example.org/others","vulns":[{"id":"GO-2026-0001"},{"id":"GO-2026-0002"}]},
				{"path":"example.org/ours","vulns":[{"id":"GO-2026-0001"}]},{"path":"stdlib","vulns":[{"id":"GO-2026-0003"}]}]`,
		}[strings.TrimSuffix(r.URL.Path[1:], ".json.gz")]
		if !ok {
			text, ok = entries[strings.TrimSuffix(filepath.Base(r.URL.Path), ".json.gz")]
		}
		if !ok {
			http.NotFound(w, r)
			return
		}
		packed := gzip.NewWriter(w)
		_, _ = packed.Write([]byte(text))
		_ = packed.Close()
	}))
	t.Cleanup(online.Close)
	s, err := download(t.Context(), online.URL, ours)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, written(t, s)); diff != "" {
		t.Error(diff)
	}
	if len(fetched) != 4 {
		t.Errorf("it has fetched %q; two indexes and two entries are needed", fetched)
	}
}

func TestNoSnapshotIsMadeOfWhatIsNoDatabase(t *testing.T) {
	online := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(online.Close)
	if _, err := download(t.Context(), online.URL, ours); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("of a server without one: %v", err)
	}
	if _, err := read(fstest.MapFS{}, moment, ours); err == nil {
		t.Error("of a directory without entries there is no error")
	}
	if _, err := read(fstest.MapFS{"GO-1.json": {Data: []byte("{")}}, moment, ours); err == nil || !strings.Contains(err.Error(), "GO-1.json") {
		t.Errorf("of half an entry: %v", err)
	}
}
