package monitoring

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// memory keeps series, by their labels. It implements storage.Queryable for one goroutine.
type memory map[string]*stored

// stored is a series.
type stored struct {
	labels  labels.Labels
	samples []chunks.Sample
}

// sample is a value at a time, in milliseconds.
type sample struct {
	at    int64
	value float64
}

func (s sample) T() int64                      { return s.at }
func (s sample) ST() int64                     { return 0 }
func (s sample) F() float64                    { return s.value }
func (s sample) H() *histogram.Histogram       { return nil }
func (s sample) FH() *histogram.FloatHistogram { return nil }
func (s sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample           { return s }

// put replaces a series by one in promtool's notation, such as `up{job="a"} 1 0x10`, with a value every interval.
func (m memory) put(t *testing.T, notation string, interval time.Duration) {
	t.Helper()
	metric, values, err := promQL.ParseSeriesDesc(notation)
	if err != nil {
		t.Fatalf("%s: %v", notation, err)
	}
	series := &stored{labels: metric}
	for i, v := range values {
		if !v.Omitted {
			series.samples = append(series.samples, sample{int64(i) * interval.Milliseconds(), v.Value})
		}
	}
	m[metric.String()] = series
}

// append adds a value to a series.
func (m memory) append(metric labels.Labels, s sample) {
	key := metric.String()
	if m[key] == nil {
		m[key] = &stored{labels: metric}
	}
	m[key].samples = append(m[key].samples, s)
}

// Querier implements storage.Queryable. What is outside of the times is left out by who asks.
func (m memory) Querier(_, _ int64) (storage.Querier, error) { return querier{m}, nil }

type querier struct{ memory }

// Select implements storage.Querier.
func (q querier) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	set := &selected{}
	for _, s := range q.memory {
		if matches(s.labels, matchers) {
			set.series = append(set.series, storage.NewListSeries(s.labels, s.samples))
		}
	}
	return set
}

func matches(metric labels.Labels, matchers []*labels.Matcher) bool {
	for _, m := range matchers {
		if !m.Matches(metric.Get(m.Name)) {
			return false
		}
	}
	return true
}

// LabelValues implements storage.Querier; nobody asks.
func (querier) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

// LabelNames implements storage.Querier; nobody asks.
func (querier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

// Close implements storage.Querier.
func (querier) Close() error { return nil }

// selected is a storage.SeriesSet.
type selected struct {
	series []storage.Series
	next   int
}

func (s *selected) Next() bool                        { s.next++; return s.next <= len(s.series) }
func (s *selected) At() storage.Series                { return s.series[s.next-1] }
func (s *selected) Err() error                        { return nil }
func (s *selected) Warnings() annotations.Annotations { return nil }

func newEngine() *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{
		MaxSamples: 1e6, Timeout: time.Minute, EnableAtModifier: true, EnableNegativeOffset: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return time.Minute.Milliseconds() },
		Parser:                   parser.NewParser(parser.Options{}),
	})
}

// ask evaluates an expression at a time.
func (m memory) ask(t *testing.T, engine *promql.Engine, expr string, at time.Time) promql.Vector {
	t.Helper()
	query, err := engine.NewInstantQuery(t.Context(), m, nil, expr, at)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	defer query.Close()
	switch result := query.Exec(t.Context()); value := result.Value.(type) {
	case promql.Vector:
		return append(promql.Vector{}, value...)
	case promql.Scalar:
		return promql.Vector{{T: value.T, F: value.V}}
	default:
		t.Fatalf("%s: %v", expr, result.Err)
		return nil
	}
}
