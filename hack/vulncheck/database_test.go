package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
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
