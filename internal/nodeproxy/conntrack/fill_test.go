package conntrack

import (
	"testing"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

func TestFillCountsTheNamespacesEntries(t *testing.T) {
	table := openTable(t, testnet.New(t))
	fill(t, table, busy()[:1000]...)
	got, err := table.Fill()
	if err != nil || got.Entries != 1000 || got.Limit < 1000 || got.Full() {
		t.Errorf("got %+v, error %v", got, err)
	}
}

func TestTheTableIsFullBeforeTheKernelDropsAnything(t *testing.T) {
	for _, c := range []struct {
		fill Fill
		want bool
	}{
		{Fill{0, 262144}, false},
		{Fill{240000, 262144}, false},
		{Fill{250000, 262144}, true},
		{Fill{262145, 262144}, true}, // one is counted before it is refused
		{Fill{0, 50}, false},
		{Fill{48, 50}, true},
		{Fill{1000000, 0}, false}, // no limit, or none that is known
	} {
		if got := c.fill.Full(); got != c.want {
			t.Errorf("%+v: %t", c.fill, got)
		}
	}
}
