package integration

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
)

// lookAgain has the controllers look at all claims: they wait by the real clock, not by the test's.
func (w *world) lookAgain() {
	w.Helper()
	claims := &v1alpha1.NodePortAllocationList{}
	w.must(w.List(w.Context(), claims))
	for i := range claims.Items {
		touch := fmt.Appendf(nil, `{"metadata":{"annotations":{"example.com/touched":"%d"}}}`, time.Now().UnixNano())
		err := w.asManager().Patch(w.Context(), &claims.Items[i], client.RawPatch("application/merge-patch+json", touch))
		w.must(client.IgnoreNotFound(err))
	}
}

func TestAHoldLastsAsLongAsItsPoolSays(t *testing.T) {
	w := alone(t)
	clock := w.withFakeClock()
	w.start(nil)
	shop, other := w.namespace("shop"), w.namespace("other")
	pool := w.pool("team-a", w.allot(2), serving(shop, other), holding(3600))
	web := w.create(makeService(shop+"/web").NodePort(80, 0))
	w.wantAllBound(web)
	w.remove(web)
	n := number(web)
	w.wantLedger(shop, ledger{n: "web Held Automatic team-a"})
	if until, want := w.claim(n).Spec.HoldUntil.Time, clock.Now().Add(time.Hour); until.Sub(want).Abs() > time.Second {
		t.Errorf("held until %s, want %s", until, want)
	}

	clock.SetTime(clock.Now().Add(time.Hour - 2*time.Minute))
	w.lookAgain()
	_, err := w.tryCreate(makeService(other+"/api").NodePort(80, n))
	w.wantRefusal(err, "already allocated in another namespace; free now: ")
	w.wantReason(n, v1alpha1.AllocationReasonHeld)

	clock.SetTime(clock.Now().Add(2*time.Minute + time.Second))
	w.lookAgain()
	w.wantLedger(shop, ledger{})
	w.wantCounts(pool, v1alpha1.PoolPorts{Total: 2, Free: 2})
	w.create(makeService(other+"/api").NodePort(80, n))
}

func TestAFullPoolGivesUpTheOldestHoldOfTheNamespaceThatHoldsMost(t *testing.T) {
	w := share(t)
	shop, other := w.namespace("shop"), w.namespace("other")
	pool := w.pool("team-a", w.allot(4), serving(shop, other), holding(3600))
	var oldest int32
	for _, name := range []string{shop + "/a", shop + "/b", other + "/c"} {
		svc := w.create(makeService(name).NodePort(80, 0))
		w.wantAllBound(svc)
		w.remove(svc)
		claim := w.wantReason(number(svc), v1alpha1.AllocationReasonHeld)
		if oldest == 0 {
			oldest = number(svc)
			w.eventually("the next hold ends later", func() error { // in whole seconds
				if !time.Now().Add(time.Hour).Truncate(time.Second).After(claim.Spec.HoldUntil.Time) {
					return fmt.Errorf("it ends at %s", claim.Spec.HoldUntil)
				}
				return nil
			})
		}
	}
	w.create(makeService(other+"/last").NodePort(80, 0))
	w.wantCounts(pool, v1alpha1.PoolPorts{Total: 4, Bound: 1, Held: 3})
	if got := number(w.create(makeService(other+"/more").NodePort(80, 0))); got != oldest {
		t.Errorf("got %d, want the oldest hold: %d", got, oldest)
	}
	w.wantCounts(pool, v1alpha1.PoolPorts{Total: 4, Bound: 2, Held: 2})
}

// refuseAfterUs makes the API server refuse NodePort Services after all webhooks: by a quota.
func (w *world) refuseAfterUs(namespace string) *corev1.ResourceQuota {
	w.Helper()
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "no-services"}}
	quota.Spec.Hard = corev1.ResourceList{corev1.ResourceServices: resource.MustParse("0")}
	w.must(w.Create(w.Context(), quota))
	w.eventually("the quota is in force", func() error {
		_, err := w.tryCreate(makeService(namespace + "/probe").Port(80))
		switch {
		case apierrors.IsForbidden(err):
			return nil
		case err == nil:
			w.must(w.Delete(w.Context(), makeService(namespace+"/probe").Port(80).Obj()))
		}
		return fmt.Errorf("it lets a Service through, or: %w", err)
	})
	return quota
}

func TestAClaimWhoseServiceNeverAppearsIsGivenUp(t *testing.T) {
	w := alone(t)
	clock := w.withFakeClock()
	r := w.start(nil)
	shop := w.namespace("shop")
	numbers := w.allot(3)
	pool := w.pool("team-a", numbers, serving(shop))
	quota := w.refuseAfterUs(shop)

	_, err := w.tryCreate(makeService(shop+"/web").NodePort(80, 0))
	if !apierrors.IsForbidden(err) {
		t.Fatalf("got %v, want the quota's refusal", err)
	}
	pending := w.ledgerOf(shop)
	if len(pending) != 1 {
		t.Fatalf("the ledger has %v, want one pending claim", pending)
	}
	// The client tries again, and gets the number that waits for it.
	if _, err = w.tryCreate(makeService(shop+"/web").NodePort(80, 0)); !apierrors.IsForbidden(err) {
		t.Fatalf("got %v, want the quota's refusal", err)
	}
	w.wantLedger(shop, pending)
	clock.SetTime(clock.Now().Add(allocator.ClaimGrace / 2))
	w.lookAgain()
	var n int32
	for n = range pending {
		w.wantReason(n, v1alpha1.AllocationReasonPending)
	}

	// It comes with a number of its own choice: the claim is withdrawn.
	w.must(w.Delete(t.Context(), quota))
	explicit := freeOf(numbers, n)
	w.eventually("the quota is gone", func() error {
		_, err := w.tryCreate(makeService(shop+"/web").NodePort(80, explicit))
		return err
	})
	w.wantLedger(shop, ledger{explicit: "web Bound Explicit team-a"})

	w.refuseAfterUs(shop)
	if _, err := w.tryCreate(makeService(shop+"/api").NodePort(80, 0)); !apierrors.IsForbidden(err) {
		t.Fatalf("got %v, want the quota's refusal", err)
	}
	clock.SetTime(clock.Now().Add(allocator.ClaimGrace + time.Second))
	w.lookAgain()
	w.wantLedger(shop, ledger{explicit: "web Bound Explicit team-a"})
	w.wantCounts(pool, v1alpha1.PoolPorts{Total: 3, Bound: 1, Free: 2})
	if got := r.Ledger.Counts(r.Ledger.Chart())[pool.Name]; got.Free != 2 {
		t.Errorf("the manager counts %+v", got)
	}
}
