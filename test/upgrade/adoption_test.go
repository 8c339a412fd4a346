package upgrade

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/serviceports"
	"github.com/portolan-dev/portolan/internal/serviceports/servicetest"
	"github.com/portolan-dev/portolan/test/cluster"
)

const (
	inUse      = 2000 // Services
	namespaces = 100
	workers    = 16
	// slow is longer than a write takes of which neither webhook answers.
	slow = 7 * time.Second
)

// It says how long adoption takes, and how much memory, and asserts nothing of it: that depends on what else the machine does.
func TestOnAClusterWithTwoThousandServicesAllAreAdoptedNoneIsChangedAndNobodyWaits(t *testing.T) {
	s, err := start(t.Context(), cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	w := &world{T: t, site: s}
	w.installation.WebhookTimeout = 0 // nobody is to wait for them
	services := w.makeInUse()
	want := map[int32]client.ObjectKey{}
	for _, svc := range services {
		for _, n := range serviceports.Numbers(serviceports.Requests(svc)) {
			want[n] = client.ObjectKeyFromObject(svc)
		}
	}
	writing := w.keepWriting()

	began := time.Now()
	w.must(w.installation.Apply(t.Context(), current.Version))
	installed := time.Now()
	w.startManager(current)
	ready := time.Now()
	letEnd := w.keepRunning(w.managers[0])
	w.eventually("all numbers are in the ledger", func() error { return w.haveClaims(len(want)) })
	adopted := time.Now()
	letEnd()
	t.Logf("%d numbers of %d Services: kubectl apply took %s; the manager was ready %s after its start, and all numbers were in the ledger after %s; it has used %s of memory at most",
		len(want), inUse, installed.Sub(began), ready.Sub(installed), adopted.Sub(installed), w.peakMemory(w.managers[0]))
	writing.end()
	w.eventually("the ledger has the numbers as they are in use", func() error { return w.adopted(want) })
	w.wantUnchanged(services)
}

// keepRunning starts a manager again that ends, as the kubelet does: where the machine stands still for long it loses its
// lease. It does so until it is told to let it end.
func (w *world) keepRunning(m manager) (letEnd func()) {
	ctx, cancel := context.WithCancel(w.Context())
	w.Cleanup(cancel)
	var kept sync.WaitGroup
	kept.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-m.Done():
				w.Logf("the manager has ended (%s), and is started again", m.State())
			}
			if err := m.Restart(ctx); err != nil && ctx.Err() == nil {
				w.Errorf("the manager does not start again: %v", err)
				return
			}
		}
	})
	return func() { cancel(); kept.Wait() }
}

// makeInUse makes Services as fast as the API server takes them, and returns them as it has them. Every third is of type
// LoadBalancer and has a health check's number too.
func (w *world) makeInUse() []*corev1.Service {
	w.Helper()
	made := make([]*corev1.Service, inUse)
	w.inParallel(namespaces, func(i int) error {
		return w.Create(w.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespaceOf(i)}})
	})
	w.inParallel(inUse, func(i int) error {
		svc := servicetest.MakeService(fmt.Sprintf("%s/web-%d", namespaceOf(i), i)).NodePort(80, 0)
		if i%3 == 2 {
			svc.LoadBalancer().LocalTraffic()
		}
		made[i] = svc.Obj()
		return w.Create(w.Context(), made[i])
	})
	return made
}

func namespaceOf(i int) string { return fmt.Sprint("team-", i%namespaces) }

// inParallel calls do with each number below count, and fails the test if one fails.
func (w *world) inParallel(count int, do func(int) error) {
	w.Helper()
	errs := make([]error, count)
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for i := worker; i < count; i += workers {
				errs[i] = do(i)
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		w.must(err)
	}
}

// haveClaims is nil where the ledger has so many.
func (w *world) haveClaims(want int) error {
	claims := &metav1.PartialObjectMetadataList{}
	claims.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("NodePortAllocationList"))
	if err := w.List(w.Context(), claims, client.Limit(1)); err != nil {
		return err
	}
	got := len(claims.Items)
	if claims.RemainingItemCount != nil {
		got += int(*claims.RemainingItemCount)
	}
	if got < want {
		return fmt.Errorf("%d of %d are", got, want)
	}
	return nil
}

// adopted is nil where the ledger has the numbers for the Services that they are of.
func (w *world) adopted(want map[int32]client.ObjectKey) error {
	claims := &v1alpha1.NodePortAllocationList{}
	if err := w.List(w.Context(), claims); err != nil {
		return err
	}
	got := map[int32]client.ObjectKey{}
	for i := range claims.Items {
		a := &claims.Items[i]
		if n, _ := allocator.NumberOf(a); a.Spec.Origin == v1alpha1.OriginAdopted && allocator.StateOf(a, time.Now()) == allocator.Bound {
			got[n] = allocator.OwnerOf(a)
		}
	}
	maps.DeleteFunc(got, func(_ int32, owner client.ObjectKey) bool { return owner.Namespace == corev1.NamespaceDefault }) // who writes all the while
	if diff := cmp.Diff(want, got); diff != "" {
		return fmt.Errorf("(-want +got)\n%s", diff)
	}
	return nil
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
	for _, svc := range services {
		if got := versions[client.ObjectKeyFromObject(svc)]; got != svc.ResourceVersion {
			w.Errorf("Service %s/%s has been written to: it was at %s, and is at %q", svc.Namespace, svc.Name, svc.ResourceVersion, got)
		}
	}
}

// writing is somebody who creates, changes and deletes a Service over and over.
type writing struct {
	*world
	cancel  context.CancelFunc
	done    sync.WaitGroup
	count   int
	longest time.Duration
	errs    []error
}

func (w *world) keepWriting() *writing {
	ctx, cancel := context.WithCancel(w.Context())
	w.Cleanup(cancel)
	one := &writing{world: w, cancel: cancel}
	one.done.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			svc := servicetest.MakeService(fmt.Sprint("default/new-", i)).NodePort(80, 0).Obj()
			one.time(func() error { return w.Create(w.Context(), svc) })
			one.time(func() error {
				return w.Patch(w.Context(), svc, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"labels":{"tier":"front"}}}`)))
			})
			one.time(func() error { return w.Delete(w.Context(), svc) })
		}
	})
	return one
}

func (one *writing) time(write func() error) {
	began := time.Now()
	if err := write(); err != nil {
		one.errs = append(one.errs, err)
	}
	one.count++
	one.longest = max(one.longest, time.Since(began))
}

// end fails the test if a write was refused, or took as long as webhooks take that do not answer.
func (one *writing) end() {
	one.Helper()
	one.cancel()
	one.done.Wait()
	one.Logf("%d writes of another Service meanwhile, of which the slowest took %s", one.count, one.longest)
	for _, err := range one.errs {
		one.Error(err)
	}
	if one.longest > slow {
		one.Errorf("a write took %s", one.longest)
	}
}

// peakMemory is what a manager has had in memory at most.
func (w *world) peakMemory(m manager) string {
	w.Helper()
	status, err := os.Open(fmt.Sprintf("/proc/%d/status", m.Pid()))
	w.must(err)
	defer func() { _ = status.Close() }()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if size, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			return strings.TrimSpace(size)
		}
	}
	return "?"
}
