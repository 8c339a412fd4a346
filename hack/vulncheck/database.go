package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

const (
	// online is the Go team's database.
	online = "https://vuln.go.dev"
	// patience is how long it has to show that it is there.
	patience = 5 * time.Second
	// oldest is the age from which on a snapshot says little.
	oldest = 180 * 24 * time.Hour
)

// database is what code is held against.
type database struct {
	url string
	dir string // where the snapshot is; empty: it is another one
}

// knows says whether a database can say something of an entry: a snapshot has none that are newer.
func (d database) knows(id string) bool {
	if d.dir == "" {
		return true
	}
	_, err := os.Stat(filepath.Join(d.dir, "ID", id+".json"))
	return err == nil
}

// snapshot is that in hack/vulndb. It prints of when that is, and why it is gone by.
func snapshot(why error, now time.Time) (database, error) {
	dir, err := filepath.Abs(filepath.Join("hack", "vulndb", "snapshot"))
	if err != nil {
		return database{}, err
	}
	modified, err := dateOf(dir)
	if err != nil {
		return database{}, err
	}
	fmt.Printf("note: held against the snapshot of %s in hack/vulndb, for %v\n", modified.Format(time.DateOnly), why)
	if warning := tooOld(modified, now); warning != "" {
		fmt.Println("note:", warning)
	}
	return database{url: (&url.URL{Scheme: "file", Path: filepath.ToSlash(dir)}).String(), dir: dir}, nil
}

// knock says whether there is a database at an address.
func knock(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodHead, address+"/index/db.json.gz", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", answer.Status)
	}
	return nil
}

// dateOf is the moment of which a snapshot is.
func dateOf(dir string) (time.Time, error) {
	text, err := os.ReadFile(filepath.Join(dir, "index", "db.json")) //nolint:gosec // of hack/vulndb
	if err != nil {
		return time.Time{}, err
	}
	var db struct{ Modified time.Time }
	if err := json.Unmarshal(text, &db); err != nil || db.Modified.IsZero() {
		return time.Time{}, fmt.Errorf("%s does not say of when it is: %w", dir, err)
	}
	return db.Modified, nil
}

// tooOld says so of a snapshot that is.
func tooOld(modified, now time.Time) string {
	age := now.Sub(modified)
	if age <= oldest {
		return ""
	}
	return fmt.Sprintf("WARNING: the snapshot is %d days old. Renew it where the database can be reached: make vulndb, and commit the result.", age/(24*time.Hour))
}
