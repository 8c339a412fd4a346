package integration

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilrand "k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/utils/clock"
	testingclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/manager"
	"github.com/portolan-dev/portolan/test/install"
	"github.com/portolan-dev/portolan/test/polling"
)

const (
	// patience is how long anything may take that is to happen by itself.
	patience = time.Minute
	poll     = 20 * time.Millisecond
	// testLabel is on all namespaces and pools of tests.
	testLabel = "portolan.dev/integration-test"
)

// world is what a test works with: a control plane, and on it namespaces, pools and numbers of its own.
type world struct {
	*testing.T
	*plane
	clock      clock.PassiveClock
	replicas   []*install.Replica // those that run
	names      map[string]string  // how the test calls its namespaces and pools
	namespaces map[string]bool    // those of names that are namespaces
	ranges     []v1alpha1.PortRange
	// mayLeak is how many numbers the API server may keep for nobody after the test.
	mayLeak int
}

// share gives the test a part of the shared control plane.
func share(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	return onShared(t)
}

func onShared(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, plane: shared.plane, clock: clock.RealClock{}, names: map[string]string{}, namespaces: map[string]bool{},
		replicas: []*install.Replica{shared.replica}}
	t.Cleanup(w.tidy)
	return w
}

// alone gives the test a second control plane, on which no manager runs yet.
func alone(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	return onSecond(t)
}

func onSecond(t *testing.T) *world {
	t.Helper()
	second := seconds.take()
	t.Cleanup(func() { seconds.give(second) })
	p, err := second.started(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, plane: p, clock: clock.RealClock{}, names: map[string]string{}, namespaces: map[string]bool{}}
	t.Cleanup(w.sweep)
	return w
}

// withFakeClock has the managers that are started from now on go by a clock that the test steps.
func (w *world) withFakeClock() *testingclock.FakePassiveClock {
	fake := testingclock.NewFakePassiveClock(time.Now())
	w.clock = fake
	return fake
}

// start runs a manager until stop or the end of the test.
func (w *world) start(change func(*manager.Options)) *install.Replica {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 2*time.Minute)
	defer cancel()
	r, err := w.Start(ctx, func(o *manager.Options) {
		o.Clock = w.clock
		if change != nil {
			change(o)
		}
	})
	if err != nil {
		w.Fatal(err)
	}
	w.replicas = append(w.replicas, r)
	return r
}

// stop stops all managers of a test that is alone.
func (w *world) stop() {
	w.Helper()
	var stopping sync.WaitGroup
	for _, r := range w.replicas {
		stopping.Go(func() {
			if err := r.Stop(); err != nil {
				w.Errorf("stop the manager: %v", err)
			}
		})
	}
	stopping.Wait()
	w.replicas = nil
}

// namespace makes a namespace that is called base and something random.
func (w *world) namespace(base string) string {
	w.Helper()
	name := w.nameLike(base)
	w.namespaceOfName(name)
	return name
}

// namespaceOfName makes a namespace of just this name.
func (w *world) namespaceOfName(name string) {
	w.Helper()
	object := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{testLabel: ""}}}
	w.must(w.Create(w.Context(), object))
	w.namespaces[name] = true
	if _, random := w.names[name]; !random {
		w.names[name] = name
	}
}

func (w *world) nameLike(base string) string {
	name := base + "-" + utilrand.String(5)
	w.names[name] = base
	return name
}

// allot takes so many numbers for the test.
func (w *world) allot(size int32) v1alpha1.PortRange {
	r := w.numbers.run(size)
	w.ranges = append(w.ranges, r)
	return r
}

// exactly takes just these numbers for the test, for texts in golden files.
func (w *world) exactly(from, to int32) v1alpha1.PortRange {
	r := v1alpha1.PortRange{From: from, To: to}
	w.numbers.exactly(r)
	w.ranges = append(w.ranges, r)
	return r
}

// poolOption changes a pool in the making.
type poolOption func(*v1alpha1.NodePortPoolSpec)

// serving has the pool select namespaces by their names.
func serving(namespaces ...string) poolOption {
	return func(s *v1alpha1.NodePortPoolSpec) {
		s.NamespaceSelector = metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{
			Key: corev1.LabelMetadataName, Operator: metav1.LabelSelectorOpIn, Values: namespaces}}}
	}
}

func holding(seconds int32) poolOption {
	return func(s *v1alpha1.NodePortPoolSpec) { s.HoldSeconds = &seconds }
}

// limitedTo is how many numbers a namespace may have.
func limitedTo(numbers int32) poolOption {
	return func(s *v1alpha1.NodePortPoolSpec) { s.MaxPortsPerNamespace = &numbers }
}

func makePool(name string, numbers v1alpha1.PortRange, options ...poolOption) *v1alpha1.NodePortPool {
	pool := &v1alpha1.NodePortPool{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{testLabel: ""}}}
	pool.Spec.Ranges = []v1alpha1.PortRange{numbers}
	for _, option := range options {
		option(&pool.Spec)
	}
	return pool
}

// pool makes a pool that is called base and something random. It returns when the managers go by it.
func (w *world) pool(base string, numbers v1alpha1.PortRange, options ...poolOption) *v1alpha1.NodePortPool {
	w.Helper()
	pool := makePool(w.nameLike(base), numbers, options...)
	w.must(w.Create(w.Context(), pool))
	w.awaitPool(pool)
	return pool
}

// changePool changes a pool. It returns when the managers go by it.
func (w *world) changePool(pool *v1alpha1.NodePortPool, change poolOption) {
	w.Helper()
	w.must(w.tryChangePool(pool, change))
	w.awaitPool(pool)
}

// tryChangePool is changePool that may be refused.
func (w *world) tryChangePool(pool *v1alpha1.NodePortPool, change poolOption) error {
	w.Helper()
	for {
		w.must(w.Get(w.Context(), client.ObjectKeyFromObject(pool), pool))
		change(&pool.Spec)
		if err := w.Update(w.Context(), pool); !apierrors.IsConflict(err) {
			return err
		}
	}
}

func (w *world) awaitPool(pool *v1alpha1.NodePortPool) {
	w.Helper()
	w.eventually("managers go by pool "+pool.Name, func() error {
		for _, r := range w.replicas {
			known := r.Ledger.Chart().Pool(pool.Name)
			if known == nil || !equality.Semantic.DeepEqual(known.Spec, pool.Spec) {
				return fmt.Errorf("the manager's: %+v", known)
			}
		}
		return nil
	})
}

// eventually waits for check to succeed.
func (w *world) eventually(what string, check func() error) {
	w.Helper()
	if err := await(check); err != nil {
		w.Fatalf("%s: %v", what, err)
	}
}

// await returns the last error of check if it does not succeed in time.
func await(check func() error) error { return polling.Until(patience, poll, check) }

// ageOf returns when an object is so old that what is made next is younger: times of creation are whole seconds.
func (w *world) ageOf(object client.Object) {
	w.Helper()
	w.eventually("a second has passed", func() error {
		if age := time.Since(object.GetCreationTimestamp().Time); age < time.Second {
			return fmt.Errorf("%s is %s old", object.GetName(), age)
		}
		return nil
	})
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// inTestsWords puts the test's own names in the place of the random ones.
func (w *world) inTestsWords(text string) string {
	for _, name := range slices.Sorted(maps.Keys(w.names)) {
		text = strings.ReplaceAll(text, name, w.names[name])
	}
	return text
}

// tidy takes away what the test has left on the shared control plane.
func (w *world) tidy() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	clean := tidying{w.plane, w.T}
	w.noNamespaceIsToldOfAnother(ctx)
	for name := range w.names {
		clean.ignoring(w.DeleteAllOf(ctx, &v1alpha1.NodePortReservation{}, client.InNamespace(name)))
		clean.services(ctx, client.InNamespace(name))
		clean.ignoring(w.Delete(ctx, &v1alpha1.NodePortPool{ObjectMeta: metav1.ObjectMeta{Name: name}}))
		clean.ignoring(w.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}))
	}
	for name := range w.names {
		clean.claims(ctx, func(a *v1alpha1.NodePortAllocation) bool { return a.Spec.ServiceRef.Namespace == name })
	}
	for _, r := range w.ranges {
		w.numbers.giveBack(r)
	}
}

// sweep stops the managers and takes away what is left on a control plane that the test had to itself.
func (w *world) sweep() {
	w.stop()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	clean := tidying{w.plane, w.T}
	w.noNamespaceIsToldOfAnother(ctx)
	for name := range w.names {
		clean.ignoring(w.DeleteAllOf(ctx, &v1alpha1.NodePortReservation{}, client.InNamespace(name)))
	}
	clean.services(ctx)
	clean.ignoring(w.DeleteAllOf(ctx, &v1alpha1.NodePortPool{}))
	clean.policy(ctx)
	clean.ignoring(w.DeleteAllOf(ctx, &v1alpha1.NodePortAllocation{}))
	for name := range w.names {
		clean.ignoring(w.Delete(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}))
	}
	for _, r := range w.ranges {
		w.numbers.giveBack(r)
	}
	w.nothingIsLeaked(ctx)
}

// nothingIsLeaked wants, where there is no Service any more, no number that the API server takes for allocated: no more than the
// test's may be.
func (w *world) nothingIsLeaked(ctx context.Context) {
	numbers, err := w.Cluster.NativelyAllocated(ctx)
	if err != nil {
		w.Error(err)
	}
	leaked := slices.DeleteFunc(numbers, func(n int32) bool { return within(leaky, n) || slices.Contains(w.leaked, n) })
	if w.leaked = append(w.leaked, leaked...); len(leaked) > w.mayLeak {
		w.Errorf("the API server keeps numbers that no Service has: %v", leaked)
	}
}

// noNamespaceIsToldOfAnother holds, after every test, what Portolan has written where tenants read it against the names
// of the test's other namespaces.
func (w *world) noNamespaceIsToldOfAnother(ctx context.Context) {
	for namespace := range w.namespaces {
		events, services, reservations, usages := &eventsv1.EventList{}, &corev1.ServiceList{}, &v1alpha1.NodePortReservationList{}, &v1alpha1.NodePortUsageList{}
		for _, list := range []client.ObjectList{events, services, reservations, usages} {
			if err := w.List(ctx, list, client.InNamespace(namespace)); err != nil {
				w.Error(err)
			}
		}
		var texts []string
		for _, e := range events.Items {
			texts = append(texts, e.Note)
		}
		var conditions []metav1.Condition
		for i := range services.Items {
			conditions = append(conditions, services.Items[i].Status.Conditions...)
		}
		for i := range reservations.Items {
			conditions = append(conditions, reservations.Items[i].Status.Conditions...)
		}
		for i := range usages.Items {
			conditions = append(conditions, usages.Items[i].Status.Conditions...)
		}
		for _, c := range conditions {
			texts = append(texts, c.Message)
		}
		for other := range w.namespaces {
			for _, text := range texts {
				if other != namespace && strings.Contains(text, other) {
					w.Errorf("namespace %s is told of %s: %s", namespace, other, text)
				}
			}
		}
	}
}

// tidying is the removal of what a test has left; it goes on after an error.
type tidying struct {
	*plane
	t *testing.T
}

func (c tidying) ignoring(err error) {
	if err != nil && !apierrors.IsNotFound(err) {
		c.t.Errorf("tidy up: %v", err)
	}
}

// services deletes Services, but for those that belong to the cluster, and their finalizers.
func (c tidying) services(ctx context.Context, in ...client.ListOption) {
	services := &corev1.ServiceList{}
	c.ignoring(c.List(ctx, services, in...))
	var deleting sync.WaitGroup
	for some := range slices.Chunk(services.Items, 1+len(services.Items)/8) {
		deleting.Go(func() {
			for i := range some {
				c.service(ctx, &some[i])
			}
		})
	}
	deleting.Wait()
}

func (c tidying) service(ctx context.Context, svc *corev1.Service) {
	if svc.Namespace == install.Namespace || svc.Namespace == corev1.NamespaceDefault {
		return
	}
	if len(svc.Finalizers) > 0 {
		c.ignoring(c.Patch(ctx, svc, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))))
	}
	c.ignoring(c.Delete(ctx, svc))
}

// claims deletes claims as soon as they are not bound any more.
func (c tidying) claims(ctx context.Context, which func(*v1alpha1.NodePortAllocation) bool) {
	for left := 1; left > 0 && ctx.Err() == nil; {
		claims := &v1alpha1.NodePortAllocationList{}
		c.ignoring(c.List(ctx, claims))
		left = 0
		for i := range claims.Items {
			if a := &claims.Items[i]; which(a) {
				left++
				if a.Spec.ServiceUID == "" {
					err := c.Delete(ctx, a)
					c.ignoring(err)
				}
			}
		}
		if left > 0 {
			<-time.After(poll)
		}
	}
	if ctx.Err() != nil {
		c.t.Error("tidy up: claims are left")
	}
}

func containsAny(s string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(s, part) })
}
