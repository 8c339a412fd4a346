package docs

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	required = regexp.MustCompile(`(?m)^\t(\S+) v\S+$`) // without "// indirect"
	named    = regexp.MustCompile("`([^`]+)`")
)

func TestEachModuleThatIsImportedHasItsReason(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(repository, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	imported := map[string]bool{}
	for _, found := range required.FindAllSubmatch(mod, -1) {
		imported[string(found[1])] = true
	}
	text, err := os.ReadFile(filepath.Join(repository, "CONTRIBUTING.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := bytes.Cut(text, []byte("\n## What it is made of\n"))
	section, _, _ = bytes.Cut(section, []byte("\n## "))
	reasons := map[string]bool{}
	for line := range strings.Lines(string(section)) {
		if cells := strings.Split(line, "|"); len(cells) == 4 && strings.TrimSpace(cells[2]) != "" {
			for _, found := range named.FindAllStringSubmatch(cells[1], -1) {
				reasons[found[1]] = true
			}
		}
	}
	if len(imported) == 0 {
		t.Fatal("go.mod requires nothing")
	}
	for _, module := range slices.Sorted(maps.Keys(imported)) {
		if !reasons[module] {
			t.Errorf("%s has no reason in CONTRIBUTING.md", module)
		}
	}
	for _, module := range slices.Sorted(maps.Keys(reasons)) {
		if !imported[module] {
			t.Errorf("CONTRIBUTING.md has a reason for %s, which go.mod does not require", module)
		}
	}
}
