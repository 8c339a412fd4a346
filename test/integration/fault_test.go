package integration

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/manager"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// faultyStore is a store whose creates go wrong, so many of them.
type faultyStore struct {
	allocator.Store
	left   atomic.Int32 // how many more
	create func(ctx context.Context, store allocator.Store, a *v1alpha1.NodePortAllocation) error
}

// Create implements allocator.Store.
func (s *faultyStore) Create(ctx context.Context, a *v1alpha1.NodePortAllocation) error {
	if s.left.Add(-1) >= 0 {
		return s.create(ctx, s.Store, a)
	}
	return s.Store.Create(ctx, a)
}

// The ways in which a create goes wrong.
var (
	// slowBefore does not write until nobody waits any more.
	slowBefore = func(ctx context.Context, store allocator.Store, a *v1alpha1.NodePortAllocation) error {
		<-ctx.Done()
		return store.Create(ctx, a)
	}
	// slowAfter writes, but answers when nobody waits any more.
	slowAfter = func(ctx context.Context, store allocator.Store, a *v1alpha1.NodePortAllocation) error {
		err := store.Create(ctx, a)
		<-ctx.Done()
		return err
	}
	// late writes when nobody waits any more, as a request does that was on its way.
	late = func(ctx context.Context, store allocator.Store, a *v1alpha1.NodePortAllocation) error {
		<-ctx.Done()
		return store.Create(context.WithoutCancel(ctx), a)
	}
	// lost writes, and the answer is lost.
	lost = func(ctx context.Context, store allocator.Store, a *v1alpha1.NodePortAllocation) error {
		if err := store.Create(ctx, a.DeepCopy()); err != nil {
			return err
		}
		return errors.New("connection reset by peer")
	}
	// broken writes nothing.
	broken = func(context.Context, allocator.Store, *v1alpha1.NodePortAllocation) error {
		return errors.New("connection refused")
	}
)

// startFaulty starts a manager with such a store, for which the API server waits as long as it usually does.
func (w *world) startFaulty() *faultyStore {
	w.Helper()
	w.must(w.waitForWebhooks(w.Context(), 3))
	w.Cleanup(func() { w.must(w.waitForWebhooks(context.Background(), patientTimeout)) })
	faulty := &faultyStore{}
	w.start(func(o *manager.Options) {
		o.WrapStore = func(s allocator.Store) allocator.Store {
			faulty.Store = s
			return faulty
		}
	})
	return faulty
}

func TestAClaimThatTimesOutAfterTheCommitOrFailsLeavesTheServiceToKubernetesAndNoNumberLeaks(t *testing.T) {
	w := alone(t)
	faulty := w.startFaulty()
	for _, tc := range []struct {
		name   string
		fault  func(context.Context, allocator.Store, *v1alpha1.NodePortAllocation) error
		times  int32
		origin []string // of the native number
	}{
		{"times out before the commit", slowBefore, 1, []string{"Automatic"}},
		{"times out after the commit", slowAfter, 1, []string{"Automatic"}},
		{"is committed after the timeout", late, 1, []string{"Automatic"}},
		{"fails", broken, 1, []string{"Automatic"}},
		// Now the validating webhook cannot claim either: it is left to the controllers.
		{"fails twice", broken, 2, []string{"Adopted"}},
		// Here they may be faster than the webhook undoes what it did.
		{"times out after the commit twice", slowAfter, 2, []string{"Adopted", "Automatic"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := *w
			w.T = t
			shop := w.namespace("shop")
			numbers := v1alpha1.PortRange{From: 31100, To: 31103}
			pool := w.pool("team-a", numbers, serving(shop), holding(0))
			faulty.create = tc.fault
			faulty.left.Store(tc.times)
			web := w.create(makeService(shop+"/web").NodePort(80, 0))
			if left := faulty.left.Load(); left > 0 {
				t.Errorf("%d creates less went wrong than wanted", left)
			}
			bound, in := int32(0), ""
			if within(numbers, number(web)) {
				bound, in = 1, " team-a"
			}
			w.eventually("the native number alone is in the ledger", func() error {
				got := w.ledgerOf(shop)
				for _, origin := range tc.origin {
					if cmp.Equal(got, ledger{number(web): "web Bound " + origin + in}) {
						return nil
					}
				}
				return fmt.Errorf("the ledger has %v", got)
			})
			w.wantCounts(pool, v1alpha1.PoolPorts{Total: 4, Bound: bound, Free: 4 - bound})
			if bound == 0 {
				w.wantTrouble(web, reasonMisplaced)
			}
			w.must(w.Delete(t.Context(), pool))
			w.remove(web)
		})
	}
}

func TestAnAnswerThatIsLostDoesNotLeakANumber(t *testing.T) {
	w := alone(t)
	faulty := w.startFaulty()
	shop := w.namespace("shop")
	numbers := v1alpha1.PortRange{From: 31100, To: 31102}
	w.pool("team-a", numbers, serving(shop))
	faulty.create = lost
	faulty.left.Store(3)
	web := w.create(makeService(shop+"/web").NodePort(80, 0, Named("a")).NodePort(81, 0, Named("b")).NodePort(82, 0, Named("c")))
	w.wantWithin(web, numbers, 3)
	want := "web Bound Automatic team-a"
	w.wantLedger(shop, ledger{numbers.From: want, numbers.From + 1: want, numbers.To: want})

	// An explicit number is claimed by the validating webhook.
	api := w.allotExplicitPool(shop)
	faulty.left.Store(1)
	svc := w.create(makeService(shop+"/api").NodePort(80, api))
	w.wantAllBound(svc)
}

func TestSomeOfTheClaimsOfAServiceFailAndAllAreGivenBack(t *testing.T) {
	w := alone(t)
	faulty := w.startFaulty()
	shop := w.namespace("shop")
	pool := w.pool("team-a", v1alpha1.PortRange{From: 31100, To: 31104}, serving(shop), holding(0))
	faulty.create = broken
	faulty.left.Store(1) // one of three
	web := w.create(makeService(shop+"/web").NodePort(80, 0, Named("a")).NodePort(81, 0, Named("b")).NodePort(82, 0, Named("c")))
	w.wantAllBound(web)
	inside := int32(0)
	for _, n := range numbersOf(web) {
		if within(v1alpha1.PortRange{From: 31100, To: 31104}, n) {
			inside++
		}
	}
	if got := len(w.ledgerOf(shop)); got != 3 {
		t.Errorf("the Service has %d numbers in the ledger, want 3", got)
	}
	w.wantCounts(pool, v1alpha1.PoolPorts{Total: 5, Bound: inside, Free: 5 - inside})
}

// allotExplicitPool makes another pool for a namespace, and returns a number of it.
func (w *world) allotExplicitPool(namespace string) int32 {
	w.Helper()
	w.pool("more", v1alpha1.PortRange{From: 31200, To: 31209}, serving(namespace), withAllocation(v1alpha1.AllocationExplicit))
	return 31205
}
