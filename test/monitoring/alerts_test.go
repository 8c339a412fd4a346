package monitoring

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/common/model"
	"sigs.k8s.io/yaml"
)

// unitTests are a file of promtool's unit tests. Beside it:
//   - each test begins with the series of testdata/healthy.yaml, and puts its own in their place;
//   - exp_alerts are all alerts that fire then, in the order of their names, and exp_labels have their names;
//   - of annotations only those count that are written down.
type unitTests struct {
	EvaluationInterval model.Duration `json:"evaluation_interval"`
	Tests              []unitTest     `json:"tests"`
}

type unitTest struct {
	Name           string         `json:"name"`
	Interval       model.Duration `json:"interval"`
	InputSeries    []inputSeries  `json:"input_series"`
	AlertRuleTests []alertTest    `json:"alert_rule_test"`
}

type inputSeries struct {
	Series string `json:"series"`
	Values string `json:"values"`
}

type alertTest struct {
	EvalTime  model.Duration `json:"eval_time"`
	ExpAlerts []expected     `json:"exp_alerts"`
}

type expected struct {
	Labels      map[string]string `json:"exp_labels"`
	Annotations map[string]string `json:"exp_annotations"`
}

func readTests(t *testing.T, name string) unitTests {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	var tests unitTests
	if err := yaml.UnmarshalStrict(text, &tests); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return tests
}

// healthy are the series of a cluster where all is well, with a value every interval.
func healthy(t *testing.T, interval time.Duration) memory {
	t.Helper()
	m := memory{}
	m.putAll(t, readTests(t, "healthy.yaml").Tests[0].InputSeries, interval)
	return m
}

func (m memory) putAll(t *testing.T, all []inputSeries, interval time.Duration) {
	t.Helper()
	for _, s := range all {
		m.put(t, s.Series+" "+s.Values, interval)
	}
}

// epoch is when promtool's tests begin.
var epoch = time.Unix(0, 0).UTC()

func TestNothingFiresWhileAllIsWell(t *testing.T) {
	tests := readTests(t, "healthy.yaml")
	interval := time.Duration(tests.EvaluationInterval)
	e := newEvaluation(healthy(t, interval), allRules(t))
	for after := time.Duration(0); after <= 170*time.Minute; after += interval {
		for _, a := range e.at(t, epoch.Add(after)) {
			t.Fatalf("after %s: %s %v: %s", after, a.name, a.labels, a.annotations["description"])
		}
	}
}

func TestAlertsFireWhenTheyShouldAndNoOthersDo(t *testing.T) {
	tested := map[string]bool{}
	for _, file := range []string{"manager.yaml", "pools.yaml", "nodes.yaml"} {
		tests := readTests(t, file)
		for _, test := range tests.Tests {
			for _, at := range test.AlertRuleTests {
				for _, a := range at.ExpAlerts {
					tested[a.Labels["alertname"]+" "+a.Labels["severity"]] = true
				}
			}
			t.Run(strings.TrimSuffix(file, ".yaml")+"/"+test.Name, func(t *testing.T) { test.run(t, time.Duration(tests.EvaluationInterval)) })
		}
	}
	for _, group := range allRules(t) {
		for _, rule := range group.Rules {
			if rule.Alert != "" && !tested[rule.Alert+" "+rule.Labels["severity"]] {
				t.Errorf("no test has %s, %s, fire", rule.Alert, rule.Labels["severity"])
			}
		}
	}
}

func (test unitTest) run(t *testing.T, interval time.Duration) {
	m := healthy(t, time.Duration(test.Interval))
	m.putAll(t, test.InputSeries, time.Duration(test.Interval))
	e := newEvaluation(m, allRules(t))
	after := time.Duration(0)
	for _, at := range test.AlertRuleTests {
		var firing []alert
		for ; after <= time.Duration(at.EvalTime); after += interval {
			firing = e.at(t, epoch.Add(after))
		}
		got := shown(firing, at.ExpAlerts)
		if diff := cmp.Diff(at.ExpAlerts, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("after %s (-want +got):\n%s", at.EvalTime, diff)
		}
	}
}

// shown are alerts, with those of their annotations that are expected.
func shown(firing []alert, want []expected) (got []expected) {
	for i, a := range firing {
		a.labels["alertname"] = a.name
		one := expected{a.labels, map[string]string{}}
		if i < len(want) {
			for name := range want[i].Annotations {
				one.Annotations[name] = a.annotations[name]
			}
		}
		got = append(got, one)
	}
	return got
}
