// Command sbom says what a program of this repository is made of, by what the Go linker has written into it: as SPDX 2.3
// (https://spdx.github.io/spdx-spec/v2.3/), and as the licences of all that is linked, which go with the program. It fails
// if one of them is unknown, or none that a program under the Apache License may be passed on with.
//
//	sbom [-version VERSION] [-created SECONDS] PROGRAM NAME.spdx.json THIRD_PARTY_NOTICES
//
// It reads licences from the module cache, and so runs in the directory of the module that the program is of.
package main

import (
	"context"
	"crypto/sha256"
	"debug/buildinfo"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spdx/tools-golang/json"
)

func main() {
	created := flag.Int64("created", 0, "when the program's sources were, in `seconds` since 1970")
	version := flag.String("version", "", "the program's `version`, such as git describe says")
	flag.Parse()
	if flag.NArg() != 3 {
		fmt.Fprintln(os.Stderr, "usage: sbom [-version VERSION] [-created SECONDS] PROGRAM NAME.spdx.json THIRD_PARTY_NOTICES")
		os.Exit(2)
	}
	if err := run(context.Background(), flag.Arg(0), flag.Arg(1), flag.Arg(2), *version, time.Unix(*created, 0).UTC()); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, program, spdx, notices, version string, created time.Time) error {
	text, err := os.ReadFile(program) //nolint:gosec // the caller names his own file
	if err != nil {
		return err
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	if version != "" {
		info.Main.Version = version
	}
	directories, err := directories(ctx)
	if err != nil {
		return err
	}
	parts, err := partsOf(info, directories)
	if err != nil {
		return err
	}
	out, err := os.Create(spdx) //nolint:gosec // the caller names his own file
	if err != nil {
		return err
	}
	defer out.Close()
	if err := json.Write(document(filepath.Base(program), sha256.Sum256(text), info, parts, created), out, json.Indent("  ")); err != nil {
		return err
	}
	return os.WriteFile(notices, noticesOf(parts), 0o644) //nolint:gosec // it is for all to read
}
