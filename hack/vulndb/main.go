// Command vulndb renews the snapshot of the Go vulnerability database beside it, which make verify goes by where
// https://vuln.go.dev cannot be reached. The snapshot holds what there is about Go itself and about every module that a
// go.mod of this repository leads to, and no more of an entry than govulncheck decides by and prints.
//
//	go run ./hack/vulndb                             from https://vuln.go.dev
//	go run ./hack/vulndb -from DIR -date 2026-08-21  from data/osv of a clone of github.com/golang/vulndb, and its date
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	from := flag.String("from", "", "a `directory` of OSV entries; without, the database online")
	date := flag.String("date", "", "the `day` that the directory is of, such as 2026-08-21")
	flag.Parse()
	if err := renew(context.Background(), *from, *date); err != nil {
		fmt.Fprintln(os.Stderr, "vulndb:", err)
		os.Exit(1)
	}
}

// renew replaces hack/vulndb/snapshot below the working directory, which is the repository.
func renew(ctx context.Context, from, date string) error {
	modules, err := modules(ctx)
	if err != nil {
		return err
	}
	snapshot, err := source(ctx, from, date, modules)
	if err != nil {
		return err
	}
	if err := snapshot.replace(filepath.Join("hack", "vulndb", "snapshot")); err != nil {
		return err
	}
	fmt.Printf("The snapshot is of %s: %d entries for %d modules.\n", snapshot.modified.Format(time.DateOnly), len(snapshot.entries), len(modules))
	return nil
}

func source(ctx context.Context, from, date string, modules map[string]bool) (*snapshot, error) {
	if from == "" {
		return download(ctx, database, modules)
	}
	modified, err := time.Parse(time.DateOnly, date)
	if err != nil {
		return nil, fmt.Errorf("-date says of what day the directory is: %w", err)
	}
	return read(os.DirFS(from), modified, modules)
}

// modules are those in the build list of any go.mod of the repository, and by the names that the database has for them
// the standard library and the go command.
func modules(ctx context.Context) (map[string]bool, error) {
	all := map[string]bool{"stdlib": true, "toolchain": true}
	files, err := lines(ctx, ".", "git", "ls-files", "go.mod", "*/go.mod")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		paths, err := lines(ctx, filepath.Dir(file), "go", "list", "-m", "-f", "{{.Path}}", "all")
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			all[path] = true
		}
	}
	return all, nil
}

// lines are what a command prints, when run in dir.
func lines(ctx context.Context, dir, name string, args ...string) ([]string, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // git and go, as the callers above have it
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s in %s: %w", cmd, dir, err)
	}
	return strings.Fields(string(out)), nil
}
