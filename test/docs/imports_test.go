package docs

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	contributing = "CONTRIBUTING.md"
	module       = "github.com/portolan-dev/portolan/"
)

// Parts of the map of the house, by their headings. In the others a package imports what stands below it there, or in whatTheyStandOn.
const (
	programs        = "Programs"
	whatTheyStandOn = "What they stand on"
	testsAndTools   = "Tests and tools"
)

// forAllTests are packages that any test may import.
var forAllTests = []string{"test/testmain", "test/polling", "internal/serviceports/servicetest"}

// mapped is a row of the map of the house: packages, and what they may import.
type mapped struct {
	at               int // rows are counted from the top
	part, path, list string
}

var mapRow = regexp.MustCompile("^\\| `([^`]+)` \\|.*\\|([^|]*)\\|$")

// mapOfTheHouse are the rows of CONTRIBUTING.md.
func mapOfTheHouse(t *testing.T) (rows []mapped) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, contributing))
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## The map of the house\n")
	section, _, _ = strings.Cut(section, "\n## ")
	part := ""
	for line := range strings.Lines(section) {
		line = strings.TrimSpace(line)
		if heading, ok := strings.CutPrefix(line, "### "); ok {
			part = heading
		}
		if cells := mapRow.FindStringSubmatch(line); cells != nil {
			rows = append(rows, mapped{len(rows), part, cells[1], cells[2]})
		}
	}
	if len(rows) < 50 {
		t.Fatalf("the map of the house has %d rows", len(rows))
	}
	return rows
}

// rowOf is the row of a package: the nearest one.
func rowOf(rows []mapped, of string) (nearest mapped, found bool) {
	length := 0
	for _, r := range rows {
		at := strings.TrimSuffix(strings.TrimSuffix(r.path, "/..."), "/VERB")
		if (of == at && at == r.path || strings.HasPrefix(of, at+"/")) && len(at) > length {
			nearest, found, length = r, true, len(at)
		}
	}
	return nearest, found
}

// mayImport says whether the map has an arrow from one row to another.
func (r mapped) mayImport(other mapped) bool {
	below := other.at > r.at
	switch {
	case r == other:
		return true
	case r.part == testsAndTools && other.part == testsAndTools:
		return below && (strings.Contains(r.list, "everything") || strings.Contains(r.list, "`"+other.path+"`") || slices.Contains(forAllTests, other.path))
	case r.part == testsAndTools || other.part == testsAndTools:
		return r.part == testsAndTools
	default:
		return below && (r.part == programs || other.part == r.part || other.part == whatTheyStandOn)
	}
}

// arrow is an import within the repository.
type arrow struct{ from, to string }

// arrows are all imports; of tests only those in test/ and hack/, which are made of them.
func arrows(t *testing.T) map[arrow]bool {
	t.Helper()
	all, root := map[arrow]bool{}, os.DirFS(repository)
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{"bin", "dist", ".git", "testdata"}, entry.Name()):
			return fs.SkipDir
		case !strings.HasSuffix(name, ".go"), strings.HasSuffix(name, "_test.go") && !strings.HasPrefix(name, "test/") && !strings.HasPrefix(name, "hack/"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(repository, name), nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, i := range file.Imports {
			imported, err := strconv.Unquote(i.Path.Value)
			if to, ours := strings.CutPrefix(imported, module); err == nil && ours && to != path.Dir(name) {
				all[arrow{path.Dir(name), to}] = true
			}
		}
		return nil
	})
	if err != nil || len(all) < 200 {
		t.Fatalf("%d imports: %v", len(all), err)
	}
	return all
}

func TestArrowsBetweenPackagesRunAsTheMapOfTheHouseSays(t *testing.T) {
	rows := mapOfTheHouse(t)
	for a := range arrows(t) {
		from, hasFrom := rowOf(rows, a.from)
		to, hasTo := rowOf(rows, a.to)
		switch {
		case !hasFrom || !hasTo:
			t.Errorf("%s imports %s, and %s has no row for one of them", a.from, a.to, contributing)
		case !from.mayImport(to):
			t.Errorf("%s imports %s, which the map in %s does not allow: %q stands in line %d of it, %q in line %d", a.from, a.to, contributing, from.path, from.at, to.path, to.at)
		}
	}
}

func TestTheMapOfTheHouseForbidsWhatIsNotThere(t *testing.T) {
	rows := mapOfTheHouse(t)
	for a, want := range map[arrow]bool{
		{"cmd/manager", "internal/manager"}:              true,
		{"internal/rules", "internal/bitmap"}:            true,
		{"internal/bitmap", "internal/rules"}:            false,
		{"webhooks", "controllers"}:                      false,
		{"controllers", "internal/nodeproxy/nft"}:        false,
		{"internal/cli/move", "internal/cli/session"}:    true,
		{"internal/manager", "test/install"}:             false,
		{"cmd/manager", "test/install"}:                  false,
		{"test/install", "internal/manager"}:             true,
		{"test/e2e", "test/cluster"}:                     true,
		{"test/upgrade", "test/install"}:                 true,
		{"test/upgrade", "test/proxysite"}:               false,
		{"test/cluster", "test/install"}:                 false,
		{"test/cluster", "test/testmain"}:                true,
		{"internal/rules/secrecytest", "internal/rules"}: true,
	} {
		from, hasFrom := rowOf(rows, a.from)
		to, hasTo := rowOf(rows, a.to)
		if !hasFrom || !hasTo || from.mayImport(to) != want {
			t.Errorf("from %s to %s: rows %t and %t, want %t", a.from, a.to, hasFrom, hasTo, want)
		}
	}
	if _, found := rowOf(rows, "internal/elsewhere"); found {
		t.Error("a package that is not in the map has a row")
	}
}
