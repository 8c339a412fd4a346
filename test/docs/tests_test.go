package docs

import (
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	namedTest   = regexp.MustCompile("`((?:Test|Fuzz)[A-Z0-9]\\w+)`")
	writtenTest = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Z0-9]\w+)\(`)
)

// A page that says that a test holds something is worth no more than that there is such a test.
func TestTheTestsThatThePagesNameAreThere(t *testing.T) {
	there := slices.Concat(slices.Collect(maps.Values(testsOf(t)))...)
	for _, name := range append(files(t, ".md"), "CONTRIBUTING.md") {
		text, err := os.ReadFile(filepath.Join(repository, name))
		if err != nil {
			t.Fatal(err)
		}
		found := namedTest.FindAllStringSubmatch(string(text), -1)
		if name == "docs/security.md" && len(found) < 20 {
			t.Errorf("%s names %d tests", name, len(found))
		}
		for _, test := range found {
			if !slices.Contains(there, test[1]) {
				t.Errorf("%s names %s, which is nowhere", name, test[1])
			}
		}
	}
}

// testsOf are the names of the tests of each package.
func testsOf(t *testing.T) map[string][]string {
	t.Helper()
	tests := map[string][]string{}
	root := os.DirFS(repository)
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{"bin", "dist", ".git"}, name):
			return fs.SkipDir
		case !strings.HasSuffix(name, "_test.go"):
			return nil
		}
		text, err := fs.ReadFile(root, name)
		for _, found := range writtenTest.FindAllSubmatch(text, -1) {
			tests[path.Dir(name)] = append(tests[path.Dir(name)], string(found[1]))
		}
		return err
	})
	if err != nil || len(tests) == 0 {
		t.Fatalf("tests of %d packages: %v", len(tests), err)
	}
	return tests
}
