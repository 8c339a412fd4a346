package main

import (
	"flag"
	"fmt"
	"os/exec"
	"slices"
	"strings"
)

// source is what is measured, and how.
type source struct {
	// commit is that of the working tree, with "+" where there is more in it. What benchmarks write does not count.
	commit string
	// flags are those that were given, without those that change no figure.
	flags string
}

func findSource() (source, error) {
	head, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return source{}, fmt.Errorf("which commit this is: %w", err)
	}
	changes, err := exec.Command("git", "status", "--porcelain", "--", ":/", ":(top,exclude)docs/"+jsonFile, ":(top,exclude)docs/"+markdownFile).Output()
	if err != nil {
		return source{}, fmt.Errorf("what is changed since the commit: %w", err)
	}
	s := source{commit: strings.TrimSpace(string(head)), flags: flagsGiven(flag.CommandLine)}
	if len(changes) > 0 {
		s.commit += "+"
	}
	return s, nil
}

// flagsGiven are those that were set, in the order of their names.
func flagsGiven(flags *flag.FlagSet) string {
	var given []string
	flags.Visit(func(f *flag.Flag) {
		if !slices.Contains([]string{"output", "profile", "resume"}, f.Name) {
			given = append(given, fmt.Sprintf("--%s=%s", f.Name, f.Value))
		}
	})
	return strings.Join(given, " ")
}

// made says whether a result is of this very source. Nobody knows that of one with changes.
func (s source) made(r result) bool {
	return r.Commit == s.commit && r.Flags == s.flags && !strings.HasSuffix(s.commit, "+")
}
