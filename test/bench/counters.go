package main

import (
	"bytes"
	"context"
	"strings"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// counters are what the API server has counted.
type counters struct {
	// calls are those of our webhooks for Services, unanswered those after which it went on without us.
	calls, unanswered float64
	// requests are all that it was sent but watches, by verb and resource: "POST nodeportallocations".
	requests map[string]float64
}

func (s *site) count(ctx context.Context) (counters, error) {
	text, err := s.services.CoreV1().RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return counters{}, err
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	if err != nil {
		return counters{}, err
	}
	c := counters{requests: map[string]float64{}}
	for _, m := range families["apiserver_admission_webhook_admission_duration_seconds"].GetMetric() {
		if strings.HasSuffix(label(m, "name"), "service.portolan.dev") {
			c.calls += float64(m.GetHistogram().GetSampleCount())
		}
	}
	for _, m := range families["apiserver_admission_webhook_fail_open_count"].GetMetric() {
		if strings.HasSuffix(label(m, "name"), "service.portolan.dev") {
			c.unanswered += m.GetCounter().GetValue()
		}
	}
	for _, m := range families["apiserver_request_total"].GetMetric() {
		resource := strings.TrimSuffix(label(m, "resource")+"/"+label(m, "subresource"), "/")
		if verb := label(m, "verb"); verb != "WATCH" && resource != "" {
			c.requests[verb+" "+resource] += m.GetCounter().GetValue()
		}
	}
	return c, nil
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

func (c counters) since(before counters) counters {
	d := counters{calls: c.calls - before.calls, unanswered: c.unanswered - before.unanswered, requests: map[string]float64{}}
	for name, n := range c.requests {
		d.requests[name] = n - before.requests[name]
	}
	return d
}
