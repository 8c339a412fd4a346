package integration

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
)

// makeMany makes Services as fast as the API server takes them, and returns them as it has them. Every third is of type
// LoadBalancer and has a health check's number too.
func (w *world) makeMany(namespaces []string, count int) []*corev1.Service {
	w.Helper()
	const workers = 16
	made, errs := make([]*corev1.Service, count), make([]error, count)
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for i := worker; i < count; i += workers {
				svc := makeService(fmt.Sprintf("%s/web-%d", namespaces[i%len(namespaces)], i)).NodePort(80, 0)
				if i%3 == 2 {
					svc.LoadBalancer().LocalTraffic()
				}
				made[i], errs[i] = w.tryCreate(svc)
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		w.must(err)
	}
	return made
}

// TestTwoThousandServices... runs by itself. It says how long that takes, and asserts nothing of it: that depends on what
// else the machine does.
func TestTwoThousandServicesAreAdoptedAndNoneIsChanged(t *testing.T) {
	const count = 2000
	w := onSecond(t)
	var namespaces []string
	for range 10 {
		namespaces = append(namespaces, w.namespace("shop"))
	}
	services := w.makeMany(namespaces, count)
	want := map[int32]client.ObjectKey{}
	for _, svc := range services {
		for _, n := range numbersOf(svc) {
			want[n] = client.ObjectKeyFromObject(svc)
		}
	}

	began := time.Now()
	replica := w.start(nil)
	ready := time.Since(began)
	w.eventually("all numbers are in the ledger", func() error {
		claims := &v1alpha1.NodePortAllocationList{}
		w.must(replica.GetClient().List(t.Context(), claims)) // the manager's cache: the API server has enough to do
		if got := len(claims.Items); got != len(want) {
			return fmt.Errorf("%d of %d are", got, len(want))
		}
		return nil
	})
	took := time.Since(began)
	t.Logf("%d numbers of %d Services were adopted in %s, of which the manager took %s to be ready", len(want), count, took, ready)
	w.stop()
	w.wantAdoptedFor(want)
	w.wantUnchanged(services)
	var deletions sync.WaitGroup
	for _, namespace := range namespaces {
		deletions.Go(func() {
			if err := w.DeleteAllOf(t.Context(), &corev1.Service{}, client.InNamespace(namespace)); err != nil {
				t.Error(err)
			}
		})
	}
	deletions.Wait()
}

// wantAdoptedFor holds the ledger against the Services that have the numbers.
func (w *world) wantAdoptedFor(want map[int32]client.ObjectKey) {
	w.Helper()
	claims := &v1alpha1.NodePortAllocationList{}
	w.must(w.List(w.Context(), claims))
	got := map[int32]client.ObjectKey{}
	for i := range claims.Items {
		a := &claims.Items[i]
		if n, _ := allocator.NumberOf(a); a.Spec.Origin == v1alpha1.OriginAdopted && allocator.StateOf(a, w.clock.Now()) == allocator.Bound {
			got[n] = allocator.OwnerOf(a)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.Errorf("the ledger (-want +got)\n%s", diff)
	}
}

// wantUnchanged fails the test if anything at all has been written to the Services.
func (w *world) wantUnchanged(services []*corev1.Service) {
	w.Helper()
	now := &corev1.ServiceList{}
	w.must(w.List(w.Context(), now))
	versions := map[client.ObjectKey]string{}
	for _, svc := range now.Items {
		versions[client.ObjectKeyFromObject(&svc)] = svc.ResourceVersion
	}
	changed := slices.DeleteFunc(slices.Clone(services), func(svc *corev1.Service) bool {
		return versions[client.ObjectKeyFromObject(svc)] == svc.ResourceVersion
	})
	if len(changed) > 0 {
		w.Errorf("%d of %d Services have been written to, the first is %s", len(changed), len(services), changed[0].Name)
	}
}
