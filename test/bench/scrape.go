package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
	"github.com/portolan-dev/portolan/test/proxysite"
)

// metricsOf are the metrics that a node's proxy serves on its loopback.
type metricsOf map[string]*dto.MetricFamily

func scrape(ctx context.Context, node *testnet.Host) (metricsOf, error) {
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		err = node.Do(func() (err error) {
			conn, err = (&net.Dialer{}).DialContext(ctx, network, address)
			return err
		})
		return conn, err
	}}
	text, err := getBy(ctx, &http.Client{Transport: transport}, fmt.Sprintf("http://127.0.0.1:%d/metrics", proxysite.MetricsPort))
	if err != nil {
		return nil, err
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	return parser.TextToMetricFamilies(bytes.NewReader(text))
}

// mean is that of what a histogram has observed, of the series with a label; 0 where there is none.
func (m metricsOf) mean(name, labelName, value string) float64 {
	for _, metric := range m[name].GetMetric() {
		if h := metric.GetHistogram(); h.GetSampleCount() > 0 && (labelName == "" || label(metric, labelName) == value) {
			return h.GetSampleSum() / float64(h.GetSampleCount())
		}
	}
	return 0
}

// gauge is a value, of the series with a label.
func (m metricsOf) gauge(name, labelName, value string) float64 {
	for _, metric := range m[name].GetMetric() {
		if labelName == "" || label(metric, labelName) == value {
			return metric.GetGauge().GetValue()
		}
	}
	return 0
}
