package controllers

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/portolan-dev/portolan/internal/admissionpolicy"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/metrics"
)

// RepairEvery is how often a full repair is due, where nobody says otherwise.
const RepairEvery = 10 * time.Minute

// Options change what the controllers do.
type Options struct {
	// Strict has the policy judge every number, also one that nobody set.
	Strict bool
	// IdleAfter is for how long nobody has used a number that is idle; 0: none is called so.
	IdleAfter time.Duration
	// RepairEvery is how often every number is looked at again, whether or not anything was seen to happen; not above 0:
	// RepairEvery.
	RepairEvery time.Duration
	// RangeChanged rings when the ledger has learned the cluster's node port range.
	RangeChanged *Bell
}

func (o Options) repairEvery() time.Duration {
	if o.RepairEvery <= 0 {
		return RepairEvery
	}
	return o.RepairEvery
}

// SetUp adds all controllers to mgr. They run on the leader alone.
func SetUp(ctx context.Context, mgr manager.Manager, ledger *allocator.Ledger, store allocator.Store, clock clock.PassiveClock, o Options) error {
	if err := addIndexes(ctx, mgr); err != nil {
		return err
	}
	charts, err := newCharts(ctx, mgr.GetCache(), ledger)
	if err != nil {
		return err
	}
	repair := newRepairer(mgr.GetCache(), o.repairEvery())
	if err := mgr.Add(repair); err != nil {
		return err
	}
	allocations := &allocationReconciler{Client: mgr.GetClient(), live: mgr.GetAPIReader(), store: store, ledger: ledger, clock: clock,
		partings: newPartings(), conflicts: newConflicts(), nodes: newNodes(mgr.GetClient(), clock), idle: newIdleTally(), unprogrammed: newUnprogrammed(), idleAfter: o.IdleAfter}
	metrics.UnprogrammedNodePorts.Ask(func() (float64, bool) { return float64(allocations.unprogrammed.overdue(clock.Now())), true })
	if err := allocations.setUp(mgr, repair.source()); err != nil {
		return err
	}
	clashes := &clashReconciler{Reader: mgr.GetClient(), ledger: ledger, events: mgr.GetEventRecorder("portolan"), told: map[types.NamespacedName]telling{}}
	if err := clashes.setUp(mgr); err != nil {
		return err
	}
	services := &serviceReconciler{Client: mgr.GetClient(), ledger: ledger, charts: charts, events: mgr.GetEventRecorder("portolan"), clock: clock,
		turns: newTurns[types.NamespacedName]()}
	if err := services.setUp(mgr, o.RangeChanged); err != nil {
		return err
	}
	reservations := &reservationReconciler{Client: mgr.GetClient(), live: mgr.GetAPIReader(), store: store, ledger: ledger, charts: charts,
		events: mgr.GetEventRecorder("portolan"), clock: clock, tally: newReservationTally()}
	if err := reservations.setUp(mgr, o.RangeChanged); err != nil {
		return err
	}
	usages := &usageReconciler{Client: mgr.GetClient(), ledger: ledger, charts: charts, clock: clock, walks: gathering{after: together}}
	if err := usages.setUp(mgr, o.RangeChanged); err != nil {
		return err
	}
	if err := newAccessReconciler(mgr.GetClient(), clock).setUp(mgr); err != nil {
		return err
	}
	policy := &policyReconciler{Client: mgr.GetClient(), ledger: ledger, options: admissionpolicy.Options{Strict: o.Strict}, report: &policyReport{}}
	if err := policy.setUp(mgr, o.RangeChanged); err != nil {
		return err
	}
	pools := newPoolReconciler(mgr.GetClient(), charts, clock, policy.report)
	return pools.setUp(mgr, o.RangeChanged)
}
