package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestADatabaseIsTakenWhereItAnswers(t *testing.T) {
	there := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/index/db.json.gz" {
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(there.Close)
	if err := knock(t.Context(), there.URL); err != nil {
		t.Error(err)
	}
	if err := knock(t.Context(), there.URL+"/elsewhere"); err == nil {
		t.Error("a server without a database is taken for one")
	}
	there.Close()
	if err := knock(t.Context(), there.URL); err == nil {
		t.Error("one that is away is taken")
	}
}

func TestASnapshotSaysItsDateAndWhenItIsOld(t *testing.T) {
	modified, err := dateOf(filepath.Join("..", "vulndb", "snapshot"))
	if err != nil {
		t.Fatal(err)
	}
	if modified.Year() < 2026 {
		t.Errorf("the snapshot is of %s", modified)
	}
	if said := tooOld(modified, modified.Add(oldest)); said != "" {
		t.Errorf("after half a year it is said: %s", said)
	}
	if said := tooOld(modified, modified.Add(oldest+time.Hour)); said == "" {
		t.Error("nothing is said of one that is older")
	}
	if _, err := dateOf(t.TempDir()); err == nil {
		t.Error("a directory without one has a date")
	}
}

func TestASnapshotKnowsNoEntryThatIsNewer(t *testing.T) {
	dir := filepath.Join("..", "vulndb", "snapshot")
	entries, err := filepath.Glob(filepath.Join(dir, "ID", "GO-*.json"))
	if err != nil || len(entries) == 0 {
		t.Fatalf("there are no entries: %v", err)
	}
	id := strings.TrimSuffix(filepath.Base(entries[0]), ".json")
	for db, want := range map[database][2]bool{{dir: dir}: {true, false}, {url: online}: {true, true}} {
		if got := [2]bool{db.knows(id), db.knows("GO-9999-0001")}; got != want {
			t.Errorf("%+v: %v, want %v", db, got, want)
		}
	}
}

// govulncheck is a program that fails with a database that it has to fetch, and finds what was planted in one that it has.
const govulncheck = `#!/bin/sh
case "$2" in
-db=file://*) cat "$PLANTED" ;;
*) echo "fetching: 503 Service Unavailable" >&2; exit 1 ;;
esac
`

func TestWhereADatabaseFailsInTheMiddleTheSnapshotServes(t *testing.T) {
	there := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})) // all that it answers is the first knock
	t.Cleanup(there.Close)
	planted, err := filepath.Abs("testdata/planted.json")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PLANTED", planted)
	program := filepath.Join(t.TempDir(), "govulncheck")
	if err := os.WriteFile(program, []byte(govulncheck), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Join("..", ".."))
	found, db, err := lookOnlineOrNot(t.Context(), program, there.URL, time.Now())
	if err != nil || db.dir == "" || found["GO-2026-9001"] == nil {
		t.Errorf("%v, %+v, %v", found, db, err)
	}
	if _, err := look(t.Context(), program, database{url: there.URL}); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("of a database that was named: %v", err)
	}
}
