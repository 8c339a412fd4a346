package lint

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gotest.tools/v3/golden"

	"github.com/portolan-dev/portolan/internal/cli/premises"
	"github.com/portolan-dev/portolan/internal/cli/term"
)

// plain is a screen without colours.
func plain() term.Screen { return term.Screen{} }

// run runs the verb.
func run(t *testing.T, stdin string, args ...string) (out, errOut string, err error) {
	t.Helper()
	cmd := New(nil, plain)
	cmd.SilenceUsage, cmd.SilenceErrors = true, true
	stdout, stderr := &bytes.Buffer{}, &bytes.Buffer{}
	cmd.SetIn(strings.NewReader(stdin))
	cmd.SetOut(stdout)
	cmd.SetErr(stderr)
	cmd.SetArgs(args)
	err = cmd.ExecuteContext(t.Context())
	return stdout.String(), stderr.String(), err
}

func TestFindingsHaveTheirLineAndAdmissionsWords(t *testing.T) {
	for name, args := range map[string][]string{
		"services":  {"-f", "testdata/services.yaml", "--pools", "testdata/pools.yaml"},
		"malformed": {"-f", "testdata/malformed.yaml", "--pools", "testdata/pools.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			out, errOut, err := run(t, "", args...)
			if !errors.Is(err, premises.ErrFindings) {
				t.Errorf("got error %v", err)
			}
			golden.Assert(t, out+errOut, name+".golden")
		})
	}
}

// The samples are what people copy.
func TestTheSamplesAreFreeOfErrors(t *testing.T) {
	out, _, err := run(t, "", "-f", "../../../config/samples")
	if err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	golden.Assert(t, out, "samples.golden")
	if _, _, err := run(t, "", "--strict", "-f", "../../../config/samples"); !errors.Is(err, premises.ErrFindings) {
		t.Errorf("with --strict their warnings count: got %v", err)
	}
}

func TestTheDirectoriesOfADirectoryAreLeftOutWhereThatIsSaid(t *testing.T) {
	out, errOut, err := run(t, "", "-f", "../../../config/samples", "--recursive=false")
	if err != nil || strings.Contains(out, "services/") || !strings.Contains(errOut, "of 5 files") {
		t.Errorf("%v:\n%s%s", err, out, errOut)
	}
}

const web = `apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  type: NodePort
  ports:
  - port: 80
    nodePort: 30080
`

func TestTheErrorTellsCleanFromFindingsFromTrouble(t *testing.T) {
	for _, c := range []struct {
		name, stdin  string
		args         []string
		want         error
		wantTroubled bool
	}{
		{name: "clean", stdin: web, args: []string{"-f", "-"}},
		{name: "an error", stdin: strings.Replace(web, "30080", "80", 1), args: []string{"-f", "-"}, want: premises.ErrFindings},
		{name: "no such file", args: []string{"-f", "testdata/none.yaml"}, wantTroubled: true},
		{name: "no YAML", stdin: "a: [", args: []string{"-f", "-"}, wantTroubled: true},
		{name: "an error and no YAML", stdin: strings.Replace(web, "30080", "80", 1) + "---\na: [\n", args: []string{"-f", "-"}, wantTroubled: true},
		{name: "pools that cannot be read", stdin: web, args: []string{"-f", "-", "--pools", "testdata/malformed.yaml"}, wantTroubled: true},
		{name: "no such format", stdin: web, args: []string{"-f", "-", "-o", "html"}, wantTroubled: true},
		{name: "no cluster", stdin: web, args: []string{"-f", "-", "--live"}, wantTroubled: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := run(t, c.stdin, c.args...)
			if c.wantTroubled {
				if err == nil || errors.Is(err, premises.ErrFindings) {
					t.Errorf("got %v, want trouble", err)
				}
			} else if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestWhatTheAPIServerRefusesIsFoundInItsLineAndNotJudgedFurther(t *testing.T) {
	refused := strings.NewReplacer("NodePort", "ClusterIP", "30080", "80").Replace(web)
	out, _, err := run(t, refused, "-f", "-")
	const want = "-:8: error: Service \"default/web\": spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'\n"
	if !errors.Is(err, premises.ErrFindings) || !strings.HasPrefix(out, want) || strings.Count(out, "error: ") != 1 {
		t.Errorf("%v:\n%s", err, out)
	}
}

func TestWhatNobodySetsIsNeverInTheWayOfWhatSomebodyAsksFor(t *testing.T) {
	pool := "---\napiVersion: portolan.dev/v1alpha1\nkind: NodePortPool\nmetadata: {name: two}\nspec: {ranges: [{from: 30080, to: 30081}]}\n"
	open := strings.NewReplacer("name: web", "name: open", "    nodePort: 30080\n", "").Replace(web)
	for range 20 { // numbers are chosen from a random start
		out, _, err := run(t, open+"---\n"+web+pool, "-f", "-")
		if err != nil {
			t.Fatalf("%v:\n%s", err, out)
		}
	}
}

func TestQuietLeavesOutNotes(t *testing.T) {
	open := strings.Replace(web, "    nodePort: 30080\n", "", 1)
	if out, errOut, err := run(t, open, "-f", "-"); err != nil || !strings.Contains(out, "note: ") || errOut == "" {
		t.Errorf("%v:\n%s%s", err, out, errOut)
	}
	if out, errOut, err := run(t, open, "-f", "-", "-q"); err != nil || out+errOut != "" {
		t.Errorf("%v:\n%s%s", err, out, errOut)
	}
}

// sarif is what a reader of SARIF 2.1.0 relies on: the required properties of 3.13, 3.14 and 3.27 of the standard.
type sarif struct {
	Schema  string `json:"$schema"`
	Version string
	Runs    []struct {
		Tool struct {
			Driver struct {
				Name  string
				Rules []struct{ ID string }
			}
		}
		Results []sarifFinding
	}
}

type sarifFinding struct {
	RuleID    string
	RuleIndex *int
	Level     string
	Message   struct{ Text string }
	Locations []struct {
		PhysicalLocation struct {
			ArtifactLocation struct{ URI string }
			Region           struct{ StartLine int }
		}
	}
	RelatedLocations []struct{ ID int }
}

// The schema is that of OASIS: https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json
func TestSARIFIsAsItsSchemaHasIt(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("testdata/sarif-schema-2.1.0.json")
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"findings": {"-f", "testdata/services.yaml", "--pools", "testdata/pools.yaml"},
		"nothing":  {"-f", "-"},
	} {
		t.Run(name, func(t *testing.T) {
			out, _, err := run(t, web, append(args, "-o", "sarif")...)
			if err != nil && !errors.Is(err, premises.ErrFindings) {
				t.Fatal(err)
			}
			log, err := jsonschema.UnmarshalJSON(strings.NewReader(out))
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(log); err != nil {
				t.Error(err)
			}
			delete(log.(map[string]any), "version")
			if schema.Validate(log) == nil {
				t.Error("the schema takes anything")
			}
		})
	}
}

func TestSARIFHasWhatItsReadersNeed(t *testing.T) {
	out, _, err := run(t, "", "-f", "testdata/services.yaml", "--pools", "testdata/pools.yaml", "-o", "sarif")
	if !errors.Is(err, premises.ErrFindings) {
		t.Fatal(err)
	}
	var log sarif
	if err := json.Unmarshal([]byte(out), &log); err != nil {
		t.Fatal(err)
	}
	if log.Version != "2.1.0" || len(log.Runs) != 1 || log.Runs[0].Tool.Driver.Name == "" || len(log.Runs[0].Results) == 0 {
		t.Fatalf("got %s", out)
	}
	related, rules := 0, log.Runs[0].Tool.Driver.Rules
	for _, r := range log.Runs[0].Results {
		if r.RuleIndex == nil || *r.RuleIndex >= len(rules) || rules[*r.RuleIndex].ID != r.RuleID {
			t.Errorf("%q leads to no rule", r.RuleID)
		}
		if !complete(r) {
			t.Errorf("got %+v", r)
		}
		related += len(r.RelatedLocations)
	}
	if related == 0 {
		t.Error("none leads to the other Service that asks for the number")
	}
}

// complete says whether a finding has its level, words and place.
func complete(r sarifFinding) bool {
	if !slices.Contains([]string{"error", "warning", "note"}, r.Level) || r.Message.Text == "" || len(r.Locations) != 1 {
		return false
	}
	at := r.Locations[0].PhysicalLocation
	return at.ArtifactLocation.URI == "testdata/services.yaml" && at.Region.StartLine > 0
}

func TestJUnitCountsWhatItLists(t *testing.T) {
	out, _, err := run(t, "", "-f", "testdata/services.yaml", "--pools", "testdata/pools.yaml", "-o", "junit")
	if !errors.Is(err, premises.ErrFindings) {
		t.Fatal(err)
	}
	var all struct {
		XMLName  xml.Name `xml:"testsuites"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Suites   []struct {
			Name     string `xml:"name,attr"`
			Tests    int    `xml:"tests,attr"`
			Failures int    `xml:"failures,attr"`
			Cases    []struct {
				Name     string `xml:"name,attr"`
				Line     int    `xml:"line,attr"`
				Failures []struct {
					Message string `xml:"message,attr"`
					Text    string `xml:",chardata"`
				} `xml:"failure"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal([]byte(out), &all); err != nil {
		t.Fatal(err)
	}
	cases, failures := 0, 0
	for _, s := range all.Suites {
		failed := 0
		for _, c := range s.Cases {
			if c.Name == "" || c.Line < 1 || len(c.Failures) > 1 {
				t.Errorf("got %+v", c)
			}
			if len(c.Failures) == 1 {
				failed++
			}
		}
		if s.Tests != len(s.Cases) || s.Failures != failed {
			t.Errorf("suite %s says %d of %d, and lists %d of %d", s.Name, s.Failures, s.Tests, failed, len(s.Cases))
		}
		cases, failures = cases+len(s.Cases), failures+failed
	}
	if all.Tests != cases || all.Failures != failures || failures == 0 {
		t.Errorf("says %d of %d, and lists %d of %d", all.Failures, all.Tests, failures, cases)
	}
}

func TestHowBadAFindingIsHasAColourWhereThereAreAny(t *testing.T) {
	r := Report{Findings: []Finding{{File: "a.yaml", Line: 3, Severity: Error, Object: `Service "shop/web"`, Message: "no"}}}
	for colour, want := range map[bool]string{
		false: "a.yaml:3: error: Service \"shop/web\": no\n",
		true:  "a.yaml:3: \x1b[1;31merror\x1b[0m: Service \"shop/web\": no\n",
	} {
		var out bytes.Buffer
		if err := Write(&out, r, "text", term.Screen{Colour: colour}); err != nil || out.String() != want {
			t.Errorf("%v: got %q, want %q", err, &out, want)
		}
	}
}

func TestJSONIsAListEvenOfNothing(t *testing.T) {
	out, _, err := run(t, web, "-f", "-", "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var report struct {
		Findings *[]Finding
		Objects  int
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || report.Findings == nil || report.Objects != 1 {
		t.Errorf("%v: %s", err, out)
	}
}

func TestThatNoPoolWasGivenIsSaidWhereThereAreServices(t *testing.T) {
	const said = "No pool is in these files"
	for _, c := range []struct {
		name  string
		stdin string
		args  []string
		want  bool
	}{
		{"no pools", web, nil, true},
		{"quietly", web, []string{"-q"}, false},
		{"pools of another file", web, []string{"--pools", "testdata/pools.yaml"}, false},
		{"pools of the files", web, []string{"-f", "testdata/pools.yaml"}, false},
		{"nothing that pools are for", "kind: ConfigMap", nil, false},
	} {
		_, errOut, err := run(t, c.stdin, append([]string{"-f", "-"}, c.args...)...)
		if got := strings.Contains(errOut, said); got != c.want {
			t.Errorf("%s: said: %v (%v)\n%s", c.name, got, err, errOut)
		}
	}
}

func TestOfWhatCannotBeReadOnlyTheErrorIsSaid(t *testing.T) {
	if out, errOut, err := run(t, "# Portolan\n\nNode *ports*: [", "-f", "-"); err == nil || errors.Is(err, premises.ErrFindings) || out+errOut != "" {
		t.Errorf("%v:\n%s%s", err, out, errOut)
	}
	if _, errOut, err := run(t, web+"---\n[", "-f", "-"); err == nil || !strings.Contains(errOut, "in 1 object of 1 file") {
		t.Errorf("%v: what could be read is not judged: %s", err, errOut)
	}
}

func TestThePageHasTheWordOfEachRule(t *testing.T) {
	source, err := os.ReadFile("report.go")
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile("../../../docs/howto/lint-in-ci.md")
	if err != nil {
		t.Fatal(err)
	}
	words := regexp.MustCompile(`\tRule\w+ += "(\w+)"`).FindAllSubmatch(source, -1)
	if len(words) == 0 {
		t.Error("report.go names no rule")
	}
	for _, word := range words {
		if !strings.Contains(string(page), "| `"+string(word[1])+"` |") {
			t.Errorf("docs/howto/lint-in-ci.md says nothing of %s", word[1])
		}
	}
}
