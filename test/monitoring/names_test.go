package monitoring

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/yaml"
)

// targets are the labels that Prometheus gives every series of a target, and node what our PodMonitor adds.
var (
	targets = []string{"job", "instance", "namespace", "pod", "container", "endpoint", "service"}
	node    = "node"
)

// lexicon is what queries may name.
type lexicon struct {
	// labels of each metric.
	labels served
	// known says whether a label of a metric may have a value.
	known func(metric, label, value string) bool
}

func newLexicon(t *testing.T) lexicon {
	t.Helper()
	l := lexicon{labels: served{"up": slices.Concat(targets, []string{node})}}
	for _, from := range []served{managers(t), apiServers(t)} {
		for name, own := range from {
			l.labels[name] = slices.Concat(own, targets)
		}
	}
	for name, own := range nodeProxys(t) {
		if _, taken := l.labels[name]; !taken || strings.HasPrefix(name, "portolan_") { // the runtime's are both's
			l.labels[name] = slices.Concat(own, targets, []string{node})
		}
	}
	for _, group := range allRules(t) {
		for _, rule := range group.Rules {
			if rule.Record != "" {
				l.labels[rule.Record] = grouping(t, rule.Expr)
			}
		}
	}
	l.labels["ALERTS"] = []string{"alertname", "alertstate", "severity"}
	l.known = knownValues(t)
	return l
}

// grouping are the labels that an aggregation leaves.
func grouping(t *testing.T, expr string) []string {
	t.Helper()
	parsed, err := promQL.ParseExpr(expr)
	if err != nil {
		t.Fatal(err)
	}
	aggregate, ok := parsed.(*parser.AggregateExpr)
	if !ok || aggregate.Without {
		t.Fatalf("%s does not say which labels it leaves", expr)
	}
	return aggregate.Grouping
}

// knownValues says whether a label of a metric may have a value: our metrics' values are in the reference.
func knownValues(t *testing.T) func(metric, label, value string) bool {
	t.Helper()
	rows := reference(t)
	return func(metric, label, value string) bool {
		switch label {
		case "job":
			return value == managerJob || value == nodeProxyJob
		case "error_type":
			return value == "no_error"
		case "alertstate":
			return value == "firing"
		}
		return regexp.MustCompile(`\b` + regexp.QuoteMeta(value) + `\b`).MatchString(rows[metric].whole + explained)
	}
}

// explained are the reasons that the reference lists apart from the tables.
const explained = "Exhausted"

// problems are what a query names that there is not.
func (l lexicon) problems(expr parser.Expr) (found []string) {
	say := func(format string, args ...any) { found = append(found, fmt.Sprintf(format, args...)) }
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		switch n := n.(type) {
		case *parser.VectorSelector:
			found = append(found, l.problemsOf(n)...)
		case *parser.AggregateExpr:
			for _, label := range n.Grouping {
				if !l.reaches(n.Expr, label) {
					say("%s: nothing in it has a label %s", n, label)
				}
			}
		}
		return nil
	})
	return found
}

// reaches says whether something in an expression has a label.
func (l lexicon) reaches(expr parser.Expr, label string) (reaches bool) {
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		if selector, ok := n.(*parser.VectorSelector); ok {
			reaches = reaches || slices.Contains(l.labels[selector.Name], label)
		}
		return nil
	})
	return reaches
}

func (l lexicon) problemsOf(selector *parser.VectorSelector) (found []string) {
	own, ok := l.labels[selector.Name]
	if !ok {
		return []string{fmt.Sprintf("nobody serves %s", selector.Name)}
	}
	for _, m := range selector.LabelMatchers {
		if m.Name == model.MetricNameLabel {
			continue
		}
		if !slices.Contains(own, m.Name) {
			found = append(found, fmt.Sprintf("%s has no label %s", selector.Name, m.Name))
		}
		for _, value := range valuesOf(m) {
			if !l.known(selector.Name, m.Name, value) {
				found = append(found, fmt.Sprintf("%s of %s is never %q", m.Name, selector.Name, value))
			}
		}
	}
	return found
}

// valuesOf are the values that a matcher names; none if it is a real expression.
func valuesOf(m *labels.Matcher) []string {
	if m.Type == labels.MatchEqual || m.Type == labels.MatchNotEqual {
		return []string{m.Value}
	}
	if regexp.MustCompile(`^[\w|]+$`).MatchString(m.Value) {
		return strings.Split(m.Value, "|")
	}
	return nil
}

func TestEveryRuleNamesWhatIsServed(t *testing.T) {
	l := newLexicon(t)
	for _, group := range allRules(t) {
		for _, rule := range group.Rules {
			expr, err := promQL.ParseExpr(rule.Expr)
			if err != nil {
				t.Errorf("%s: %v", rule.Alert, err)
				continue
			}
			for _, problem := range l.problems(expr) {
				t.Errorf("%s%s: %s", rule.Alert, rule.Record, problem)
			}
		}
	}
}

func TestWhatIsNotServedIsSeen(t *testing.T) {
	l := newLexicon(t)
	for query, want := range map[string]string{
		`portolan_pool_ports{state="free"}`:                     "",
		`portolan_pool_port`:                                    "nobody serves portolan_pool_port",
		`portolan_pool_ports{status="free"}`:                    "portolan_pool_ports has no label status",
		`portolan_pool_ports{state=~"free|spare"}`:              `state of portolan_pool_ports is never "spare"`,
		`up{job="portolan"}`:                                    `job of up is never "portolan"`,
		`sum by (node) (portolan_conflicts)`:                    "sum by (node) (portolan_conflicts): nothing in it has a label node",
		`sum by (node) (portolan_node_conflicts)`:               "",
		`rate(portolan_admission_duration_seconds_bucket[5m])`:  "",
		`rate(portolan_admission_duration_seconds_buckets[5m])`: "nobody serves portolan_admission_duration_seconds_buckets",
	} {
		expr, err := promQL.ParseExpr(query)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(l.problems(expr), "\n"); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
}

func TestTheAlertsOfTheAPIServersMetricsAreAboutOurWebhooks(t *testing.T) {
	names, matched := webhookNames(t), map[string]bool{}
	for _, group := range allRules(t) {
		for _, rule := range group.Rules {
			expr, _ := promQL.ParseExpr(rule.Expr)
			parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
				selector, ok := n.(*parser.VectorSelector)
				if !ok || !strings.HasPrefix(selector.Name, "apiserver_") {
					return nil
				}
				for _, m := range selector.LabelMatchers {
					for name := range names {
						if m.Name == "name" && m.Matches(name) && !m.Matches("vpod.example.com") {
							matched[name] = true
						}
					}
				}
				return nil
			})
		}
	}
	if len(names) == 0 || !maps.Equal(names, matched) {
		t.Errorf("the webhooks are %v, the rules are about %v", names, matched)
	}
}

// webhookNames are those of the webhooks that the API server calls.
func webhookNames(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, "config/webhook/manifests.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for document := range strings.SplitSeq(string(text), "\n---\n") {
		var configuration admissionv1.ValidatingWebhookConfiguration // the other kind has all that this one has
		if err := yaml.Unmarshal([]byte(document), &configuration); err != nil {
			t.Fatal(err)
		}
		for _, webhook := range configuration.Webhooks {
			names[webhook.Name] = true
		}
	}
	return names
}
