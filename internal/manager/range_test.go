package manager

import (
	"testing"

	"k8s.io/utils/clock"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
)

func TestTheControllersAreToldOfTheRangeOnceTheLedgerKnowsIt(t *testing.T) {
	ledger := allocator.New(nil, clock.RealClock{})
	var told []v1alpha1.PortRange
	finder := &rangeFinder{ledger: ledger, fixed: "30000-30099", changed: func() { told = append(told, ledger.Chart().ClusterRange()) }}
	if err := finder.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if want := (v1alpha1.PortRange{From: 30000, To: 30099}); len(told) != 1 || told[0] != want {
		t.Errorf("told %v, want %v once", told, want)
	}
}
