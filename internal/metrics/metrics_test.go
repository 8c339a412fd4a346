package metrics

import (
	"os"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestTheReferenceHasEveryMetric(t *testing.T) {
	text, err := os.ReadFile("../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		for name := range namesOf(c) {
			if !strings.Contains(string(text), "| `"+name+"` |") {
				t.Errorf("docs/reference/metrics.md says nothing of %s", name)
			}
		}
	}
}

// namesOf are the names of a collector's metrics, as its descriptions have them: Desc shows no other way to its name.
func namesOf(c prometheus.Collector) map[string]bool {
	descs := make(chan *prometheus.Desc, 16)
	c.Describe(descs)
	close(descs)
	names := map[string]bool{}
	for d := range descs {
		_, rest, _ := strings.Cut(d.String(), `fqName: "`)
		name, _, _ := strings.Cut(rest, `"`)
		names[name] = true
	}
	return names
}
