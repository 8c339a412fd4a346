package controllers

import (
	"context"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/portolan-dev/portolan/internal/allocator"
)

// SetUp adds all controllers to mgr. They run on the leader alone.
func SetUp(ctx context.Context, mgr manager.Manager, ledger *allocator.Ledger, store allocator.Store, clock clock.PassiveClock) error {
	if err := addIndexes(ctx, mgr); err != nil {
		return err
	}
	repair := newRepairer(mgr.GetCache())
	if err := mgr.Add(repair); err != nil {
		return err
	}
	allocations := &allocationReconciler{Client: mgr.GetClient(), live: mgr.GetAPIReader(), store: store, ledger: ledger, clock: clock,
		partings: newPartings(), conflicts: newConflicts()}
	if err := allocations.setUp(mgr, repair.source()); err != nil {
		return err
	}
	services := &serviceReconciler{Client: mgr.GetClient(), ledger: ledger, events: mgr.GetEventRecorder("portolan"), clock: clock}
	if err := services.setUp(mgr); err != nil {
		return err
	}
	pools := &poolReconciler{Client: mgr.GetClient(), ledger: ledger, clock: clock}
	return pools.setUp(mgr)
}
