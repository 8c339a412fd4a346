// Command vulncheck runs govulncheck over what this repository ships and has people run, for make verify: against the database
// online, or the snapshot in hack/vulndb where that cannot be reached. A known vulnerability in code that is called fails,
// unless accepted.json beside it says why it may stay, and until when; so does an acceptance that applies no longer.
//
//	go run ./hack/vulncheck [-db URL] GOVULNCHECK
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// scans are what is looked at: the programs, the demo, and what a release is made with. Tests are left out, and the tools
// that only they and make need: they read this repository, and nothing of others.
var scans = []scan{
	{dir: ".", patterns: []string{"./cmd/...", "./test/demo"}},
	{dir: "hack/sbom", patterns: []string{"./..."}},
}

type scan struct {
	dir      string
	patterns []string
}

func main() {
	db := flag.String("db", "", "the `URL` of the database; without, the one online, or else the snapshot")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "vulncheck: name the govulncheck to run")
		os.Exit(2)
	}
	program, err := filepath.Abs(flag.Arg(0))
	if err == nil {
		err = run(context.Background(), program, *db, time.Now())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "vulncheck:", err)
		os.Exit(1)
	}
}

// run looks at everything, prints what it was held against and what was found, and fails if that is to be mended.
func run(ctx context.Context, program, db string, now time.Time) error {
	accepted, err := readAccepted(filepath.Join("hack", "vulncheck", "accepted.json"))
	if err != nil {
		return err
	}
	if db == "" {
		if db, err = choose(ctx, now); err != nil {
			return err
		}
	}
	found := report{}
	for _, s := range scans {
		if err := s.run(ctx, program, db, found); err != nil {
			return fmt.Errorf("in %s: %w", s.dir, err)
		}
	}
	for _, line := range found.uncalled() {
		fmt.Println("note: not called:", line)
	}
	return found.judge(accepted, now)
}

// run adds to found what one run of govulncheck finds.
func (s scan) run(ctx context.Context, program, db string, found report) error {
	cmd := exec.CommandContext(ctx, program, append([]string{"-format=json", "-db=" + db}, s.patterns...)...) //nolint:gosec // as make verify has it
	cmd.Dir, cmd.Stderr = s.dir, os.Stderr
	cmd.Env = append(os.Environ(), "GOGC=400", "GOMEMLIMIT=4GiB") // with the default a third of its time is spent on garbage
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := found.read(json.NewDecoder(out)); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return err
	}
	return cmd.Wait()
}
