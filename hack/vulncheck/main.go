// Command vulncheck runs govulncheck over what this repository ships and has people run, for make verify: against the database
// online, or the snapshot in hack/vulndb where that is not to be had. A known vulnerability in code that is called fails,
// unless accepted.json beside it says why it may stay, and until when; so does an acceptance that applies no longer, as far as the
// database can tell.
//
//	go run ./hack/vulncheck [-db URL] GOVULNCHECK
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	address := flag.String("db", "", "the `URL` of the database; without, the one online, or else the snapshot")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "vulncheck: name the govulncheck to run")
		os.Exit(2)
	}
	program, err := filepath.Abs(flag.Arg(0))
	if err == nil {
		err = run(context.Background(), program, *address, time.Now())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "vulncheck:", err)
		os.Exit(1)
	}
}

// run looks at everything, prints what it was held against and what was found, and fails if that is to be mended.
func run(ctx context.Context, program, address string, now time.Time) error {
	accepted, err := readAccepted(filepath.Join("hack", "vulncheck", "accepted.json"))
	if err != nil {
		return err
	}
	var found report
	db := database{url: address}
	if address != "" {
		found, err = look(ctx, program, db)
	} else {
		found, db, err = lookOnlineOrNot(ctx, program, online, now)
	}
	if err != nil {
		return err
	}
	for _, line := range found.uncalled() {
		fmt.Println("note: not called:", line)
	}
	for _, id := range slices.Sorted(maps.Keys(accepted)) {
		if !db.knows(id) {
			fmt.Println("note: accepted, and not known to the snapshot:", id)
		}
	}
	return found.judge(accepted, db.knows, now)
}

// lookOnlineOrNot goes by the database at an address as far as that answers, also in the middle, else by the snapshot.
func lookOnlineOrNot(ctx context.Context, program, address string, now time.Time) (report, database, error) {
	db := database{url: address}
	err := knock(ctx, address)
	if err == nil {
		var found report
		if found, err = look(ctx, program, db); err == nil {
			fmt.Println("note: held against", address)
			return found, db, nil
		}
	}
	if db, err = snapshot(fmt.Errorf("%s is not to be had: %w", address, err), now); err != nil {
		return nil, db, err
	}
	found, err := look(ctx, program, db)
	return found, db, err
}

// look holds everything against a database.
func look(ctx context.Context, program string, db database) (report, error) {
	found := report{}
	for _, s := range scans {
		if err := s.run(ctx, program, db.url, found); err != nil {
			return nil, fmt.Errorf("in %s: %w", s.dir, err)
		}
	}
	return found, nil
}

// run adds to found what one run of govulncheck finds.
func (s scan) run(ctx context.Context, program, db string, found report) error {
	cmd := exec.CommandContext(ctx, program, append([]string{"-format=json", "-db=" + db}, s.patterns...)...) //nolint:gosec // as make verify has it
	var said bytes.Buffer
	cmd.Dir, cmd.Stderr = s.dir, &said
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
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(said.Bytes()))
	}
	return nil
}
