package monitoring

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/template"
)

// alert is one that fires.
type alert struct {
	name        string
	labels      map[string]string
	annotations map[string]string
}

// evaluation evaluates rules again and again, as Prometheus does.
type evaluation struct {
	memory
	engine *promql.Engine
	groups []rulefmt.RuleGroup
	// since is since when what a rule says of certain labels holds.
	since map[string]time.Time
}

func newEvaluation(m memory, groups []rulefmt.RuleGroup) *evaluation {
	return &evaluation{memory: m, engine: newEngine(), groups: groups, since: map[string]time.Time{}}
}

// at evaluates all rules at a time, which is later than all before, and returns the alerts that fire.
func (e *evaluation) at(t *testing.T, now time.Time) (firing []alert) {
	t.Helper()
	held := map[string]time.Time{}
	for _, group := range e.groups {
		for _, rule := range group.Rules {
			for _, found := range e.ask(t, e.engine, rule.Expr, now) {
				if rule.Record != "" {
					e.append(named(found.Metric, rule.Record), sample{now.UnixMilli(), found.F})
					continue
				}
				key := rule.Alert + rule.Expr + found.Metric.String()
				held[key] = now
				if began, before := e.since[key]; before {
					held[key] = began
				}
				if now.Sub(held[key]) >= time.Duration(rule.For) {
					firing = append(firing, e.alert(t, rule, found, now))
				}
			}
		}
	}
	e.since = held
	slices.SortStableFunc(firing, func(a, b alert) int { return strings.Compare(a.name, b.name) })
	return firing
}

func named(metric labels.Labels, name string) labels.Labels {
	return labels.NewBuilder(metric).Set(model.MetricNameLabel, name).Labels()
}

// alert is what Alertmanager is told.
func (e *evaluation) alert(t *testing.T, rule rulefmt.Rule, found promql.Sample, now time.Time) alert {
	t.Helper()
	own := labels.NewBuilder(found.Metric).Del(model.MetricNameLabel).Labels().Map()
	query := func(_ context.Context, expr string, at time.Time) (promql.Vector, error) {
		return e.ask(t, e.engine, expr, at), nil
	}
	expand := func(text string) string {
		text = "{{$labels := .Labels}}{{$value := .Value}}" + text
		expander := template.NewTemplateExpander(t.Context(), text, rule.Alert, template.AlertTemplateData(own, nil, "", found), model.TimeFromUnixNano(now.UnixNano()), query, &url.URL{}, nil)
		expanded, err := expander.Expand()
		if err != nil {
			t.Errorf("%s: %v", rule.Alert, err)
		}
		return expanded
	}
	a := alert{name: rule.Alert, labels: own, annotations: map[string]string{}}
	for name, text := range rule.Labels {
		a.labels[name] = expand(text)
	}
	for name, text := range rule.Annotations {
		a.annotations[name] = expand(text)
	}
	return a
}
