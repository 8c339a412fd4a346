package security

import (
	"bytes"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// managerMetrics are read by somebody who may: a tenant may not.
func managerMetrics(t *testing.T) []byte {
	t.Helper()
	token := scraperToken(t)
	var text []byte
	eventually(t, "the manager's metrics are read", func() (err error) {
		text, err = scrape(t, token)
		return err
	})
	return text
}

// wantOnlyPoolsNamed wants nothing of the victim's in metrics but the name of its pool, as the value of "pool".
func wantOnlyPoolsNamed(t *testing.T, text []byte) {
	t.Helper()
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(text))
	must(t, err)
	named := 0
	for name, family := range families {
		if tells([]byte(name+family.GetHelp())) != "" {
			t.Errorf("the metric %s tells of a tenant", name)
		}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				switch value := label.GetValue(); {
				case label.GetName() == "pool" && value == theirs("pool"):
					named++
				case tells([]byte(label.GetName()+value)) != "":
					t.Errorf("%s tells of a tenant: %s", name, label)
				}
			}
		}
	}
	if named == 0 {
		t.Errorf("no pool of the victim's is counted:\n%s", text)
	}
}
