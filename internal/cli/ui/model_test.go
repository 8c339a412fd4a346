package ui

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"

	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/cli/picture/picturetest"
)

func TestThePageIsSentWhatIsInTheGoldenFiles(t *testing.T) {
	for name, cluster := range map[string]*picturetest.Cluster{"empty": picturetest.New(), "small": small(), "tenant": tenants()} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			if err := json.Indent(&got, encode(modelOf(cluster.Picture())), "", " "); err != nil {
				t.Fatal(err)
			}
			golden.Assert(t, got.String(), name+".golden")
		})
	}
}

func TestThePageCountsAsThePoolsStatusDoes(t *testing.T) {
	p := picturetest.Busy().Picture()
	for _, got := range modelOf(p).Pools {
		want := p.Counts(p.Chart().Pool(got.Name))
		kept := want.Held + want.Pending + want.Reserved
		if diff := cmp.Diff(want, allocator.Counts{Total: got.Total, Bound: got.Bound, Held: want.Held, Pending: want.Pending,
			Reserved: want.Reserved + got.Kept - kept, Clashing: got.Clashing, Free: got.Free, Outside: want.Outside}); diff != "" {
			t.Errorf("pool %q (-status +page)\n%s", got.Name, diff)
		}
	}
}

func TestSpansCoverTheRangeOnce(t *testing.T) {
	for name, cluster := range map[string]*picturetest.Cluster{"empty": picturetest.New(), "small": small(), "tenant": tenants(), "busy": picturetest.Busy()} {
		m := modelOf(cluster.Picture())
		next := m.From
		for _, s := range m.Spans {
			if s.From != next || s.To < s.From || s.Pool < 0 || s.Pool >= len(m.Pools) {
				t.Errorf("%s: %+v comes where %d is due", name, s, next)
			}
			next = s.To + 1
		}
		if next != m.To+1 {
			t.Errorf("%s: they end before %d, not after %d", name, next, m.To)
		}
	}
}
