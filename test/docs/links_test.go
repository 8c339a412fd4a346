package docs

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

const repository = "../.."

// index is where a reader begins.
const index = "docs/README.md"

// pages are all of docs/ and what stands beside it, by their paths in the repository.
func pages(t *testing.T) map[string]page {
	t.Helper()
	all := map[string]page{}
	for _, name := range append(files(t, ".md"), "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md") {
		text, err := os.ReadFile(filepath.Join(repository, name))
		if err != nil {
			t.Fatal(err)
		}
		all[name] = parse(string(text))
	}
	return all
}

// files are those of docs/ with a suffix.
func files(t *testing.T, suffix string) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(repository), "docs", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.HasSuffix(name, suffix) {
			names = append(names, name)
		}
		return err
	})
	if err != nil || len(names) == 0 {
		t.Fatalf("docs/ has %d files *%s: %v", len(names), suffix, err)
	}
	return names
}

// leads is the path in the repository, and the anchor, that a link of a page leads to; false where it leads elsewhere.
func (l link) leads(from string) (to, anchor string, here bool) {
	if strings.Contains(l.target, "://") || strings.HasPrefix(l.target, "mailto:") {
		return "", "", false
	}
	to, anchor, _ = strings.Cut(l.target, "#")
	if to == "" {
		return from, anchor, true
	}
	return path.Join(path.Dir(from), to), anchor, true
}

func TestEveryLinkLeadsSomewhere(t *testing.T) {
	all := pages(t)
	for name, p := range all {
		for _, l := range p.links {
			if err := follow(all, name, l); err != nil {
				t.Errorf("%s:%d: %s: %v", name, l.line, l.target, err)
			}
		}
	}
}

func follow(all map[string]page, from string, l link) error {
	to, anchor, here := l.leads(from)
	if !here {
		return nil
	}
	if _, err := os.Stat(filepath.Join(repository, to)); err != nil {
		return errors.New("there is no such file")
	}
	if p, known := all[to]; anchor != "" && known && !p.anchors[anchor] {
		return fmt.Errorf("%s has no such heading", to)
	}
	return nil
}

// What is about one subject may have an index of its own: a README.md, which the main one has.
func TestEveryPageIsInTheIndex(t *testing.T) {
	all := pages(t)
	found := map[string]bool{index: true}
	note(all, index, found)
	for name := range maps.Clone(found) {
		if path.Base(name) == "README.md" && strings.HasPrefix(name, "docs/") {
			note(all, name, found)
		}
	}
	for _, name := range files(t, ".md") {
		if !found[name] {
			t.Errorf("%s does not lead to %s", index, name)
		}
	}
}

// note has all that a page leads to as found.
func note(all map[string]page, name string, found map[string]bool) {
	for _, l := range all[name].links {
		if to, _, here := l.leads(name); here {
			found[to] = true
		}
	}
}

func TestEveryPictureIsShownAndSaysWhatIsInIt(t *testing.T) {
	shown := map[string]bool{}
	for name, p := range pages(t) {
		for _, l := range p.links {
			if to, _, here := l.leads(name); here {
				shown[to] = true
			}
			if l.image && len(l.text) < len("a few words") {
				t.Errorf("%s:%d: %s has no words for those who do not see it", name, l.line, l.target)
			}
		}
	}
	for _, suffix := range []string{".svg", ".png"} {
		for _, name := range files(t, suffix) {
			if !shown[name] {
				t.Errorf("no page shows %s", name)
			}
		}
	}
}

func TestDrawingsAreWellFormedAndReadableInTheDark(t *testing.T) {
	for _, name := range files(t, ".svg") {
		text, err := os.ReadFile(filepath.Join(repository, name))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "prefers-color-scheme: dark") {
			t.Errorf("%s has no dark colours", name)
		}
		if err := wellFormed(string(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func wellFormed(text string) error {
	decoder := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := decoder.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}
