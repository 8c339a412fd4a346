package monitoring

import (
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
)

// relabelled is what Prometheus makes of a target's labels.
func relabelled(t *testing.T, by []monitoringv1.RelabelConfig, target map[string]string) map[string]string {
	t.Helper()
	builder := labels.NewBuilder(labels.FromMap(target))
	for _, step := range by {
		config := relabel.DefaultRelabelConfig
		for _, name := range step.SourceLabels {
			config.SourceLabels = append(config.SourceLabels, model.LabelName(name))
		}
		if step.Regex != "" {
			config.Regex = relabel.MustNewRegexp(step.Regex)
		}
		if step.Replacement != nil {
			config.Replacement = *step.Replacement
		}
		config.TargetLabel, config.NameValidationScheme = step.TargetLabel, model.UTF8Validation
		if err := config.Validate(model.UTF8Validation); err != nil {
			t.Fatal(err)
		}
		relabel.ProcessBuilder(builder, &config)
	}
	return builder.Labels().Map()
}
