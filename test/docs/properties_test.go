package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// properties is the page that says which test tries to break what.
const properties = "docs/design/properties.md"

var packageCell = regexp.MustCompile("\\| `([a-z/]+)` \\| `(?:Test|Fuzz)")

func TestThePageOfPropertiesNamesTestsThatAreThereAndEveryFuzzTarget(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(repository, properties))
	if err != nil {
		t.Fatal(err)
	}
	tests, named := testsOf(t), map[string][]string{}
	for line := range strings.Lines(string(text)) {
		cell := packageCell.FindStringSubmatch(line)
		for _, test := range namedTest.FindAllStringSubmatch(line, -1) {
			if cell == nil || !slices.Contains(tests[cell[1]], test[1]) {
				t.Errorf("%s is not there, in the package of its line", test[1])
				continue
			}
			named[cell[1]] = append(named[cell[1]], test[1])
		}
	}
	for in, all := range tests {
		for _, test := range all {
			if strings.HasPrefix(test, "Fuzz") && !slices.Contains(named[in], test) {
				t.Errorf("%s of %s is not in %s", test, in, properties)
			}
		}
	}
}
