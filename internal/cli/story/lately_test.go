package story

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/internal/cli/picture/picturetest"
	"github.com/portolan-dev/portolan/internal/cli/term"
)

// told is all that is told of a number, each fact on a line.
func told(c *picturetest.Cluster, n int32) string {
	return Of(c.Picture(), n).Text(term.Screen{Width: 400})
}

func TestANumberIsMissingOnANodeOnlyOnceThatCanHaveReportedIt(t *testing.T) {
	bound := func(ago time.Duration, second string) *picturetest.Cluster {
		c := picturetest.New().Bound(30100, "shop/web").Node("node-1", "30100").Node("node-2", second)
		c.Allocations[0].Status.BoundTime = new(picturetest.Ago(ago))
		return c
	}
	nobody := bound(time.Minute, "")
	nobody.NodeStates[0].Status.NodePorts = ""
	claimed := bound(time.Hour, "")
	claimed.Allocations[0].Spec.ClaimTime = new(metav1.NewMicroTime(picturetest.Now.Add(-time.Second)))
	for _, tt := range []struct {
		name    string
		cluster *picturetest.Cluster
		want    string
		trouble bool
	}{
		{"a minute ago", bound(time.Minute, ""), "not reported yet by node-2: nodes report once a minute", false},
		{"a second ago, bound before", claimed, "not reported yet by node-2", false},
		{"a minute ago, by nobody", nobody, "not reported yet by any of 2 nodes", false},
		{"two minutes ago", bound(2*time.Minute, ""), "not in force on node-2", true},
		{"reported", bound(time.Minute, "30100"), "2 of 2 nodes: node-1, node-2", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := told(tt.cluster, 30100); !strings.Contains(got, tt.want) || strings.Contains(got, "not in force") != tt.trouble {
				t.Errorf("got %s, want %q", got, tt.want)
			}
			for _, fact := range Of(tt.cluster.Picture(), 30100).Facts {
				if fact.About == "Served by" && fact.Trouble != tt.trouble {
					t.Errorf("got %+v", fact)
				}
			}
		})
	}
}
