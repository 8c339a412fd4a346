package integration

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/serviceports"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
	"github.com/portolan-dev/portolan/test/install"
	"github.com/portolan-dev/portolan/test/testmain"
)

// TestWhateverHappensEachNumberHasOneService does at random what users and operators do, and holds what the API
// server answers against a model. In the end the Services, the ledger in the API server and the manager's view of
// it must agree.
func TestWhateverHappensEachNumberHasOneService(t *testing.T) {
	testmain.SetUnlessGiven("rapid.checks", "12")
	testmain.SetUnlessGiven("rapid.steps", "60")
	testmain.SetUnlessGiven("rapid.nofailfile", "true")
	w := alone(t)
	w.mayLeak = 3 // of hundreds: a Service's condition may be written in the middle of its next update, and Kubernetes then leaks
	clock := w.withFakeClock()
	replica := w.start(nil)
	rapid.Check(t, func(r *rapid.T) {
		m := newModel(w, clock, replica)
		r.Repeat(map[string]func(*rapid.T){
			"create":      m.create,
			"update":      m.update,
			"change type": m.changeType,
			"delete":      m.delete,
			"pass time":   m.passTime,
			"change pool": m.movePool,
			"":            m.check,
		})
		m.conclude(r)
	})
}

// model is what is known of the Services that were made.
type model struct {
	*world
	clock      *testingclock.FakePassiveClock
	replica    *install.Replica
	namespaces []string // the last is in no pool
	pools      []*v1alpha1.NodePortPool
	live       map[string]*corev1.Service // by "namespace/name", as the API server answered last
}

const modelHold = 600 * time.Second

// Numbers of the model's pools: few, so that Services meet.
var (
	modelRange  = v1alpha1.PortRange{From: 31000, To: 31011}
	modelRanges = []v1alpha1.PortRange{{From: 31000, To: 31005}, {From: 31006, To: 31011}}
)

func newModel(w *world, clock *testingclock.FakePassiveClock, replica *install.Replica) *model {
	m := &model{world: w, clock: clock, replica: replica, live: map[string]*corev1.Service{}}
	m.reset()
	for _, name := range []string{"a", "b", "common"} {
		m.namespaces = append(m.namespaces, w.namespace(name))
	}
	hold := holding(int32(modelHold / time.Second))
	m.pools = []*v1alpha1.NodePortPool{
		w.pool("one", modelRanges[0], serving(m.namespaces[0], m.namespaces[1]), hold),
		w.pool("two", modelRanges[1], serving(m.namespaces[1]), hold),
	}
	return m
}

// draw is a Service of this name, with the numbers that are asked for.
func (m *model) draw(r *rapid.T, name string) *Service {
	svc := makeService(name).Type(rapid.SampledFrom([]corev1.ServiceType{
		corev1.ServiceTypeNodePort, corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeClusterIP,
	}).Draw(r, "type"))
	for i := range rapid.IntRange(1, 3).Draw(r, "ports") {
		option := rapid.SampledFrom([]PortOption{func(*corev1.ServicePort) {}, UDP}).Draw(r, "protocol")
		port := int32(80 + rapid.IntRange(0, 1).Draw(r, "port")*10)
		entry := Named(fmt.Sprintf("p%d", i))
		if svc.Obj().Spec.Type == corev1.ServiceTypeClusterIP {
			svc.Port(port, entry, option)
			continue
		}
		svc.NodePort(port, m.drawNumber(r), entry, option)
	}
	if svc.Obj().Spec.Type == corev1.ServiceTypeLoadBalancer {
		if rapid.Bool().Draw(r, "local") {
			svc.LocalTraffic()
		}
		svc.AllocateNodePorts(rapid.Bool().Draw(r, "allocate"))
	}
	return svc
}

// drawNumber is mostly 0: to be chosen.
func (m *model) drawNumber(r *rapid.T) int32 {
	if rapid.IntRange(0, 3).Draw(r, "explicit") > 0 {
		return 0
	}
	return rapid.Int32Range(modelRange.From, modelRange.To+2).Draw(r, "number")
}

func (m *model) create(r *rapid.T) {
	wanted := m.draw(r, rapid.SampledFrom(m.namespaces).Draw(r, "namespace")+"/"+rapid.SampledFrom([]string{"x", "y", "z"}).Draw(r, "name"))
	key := keyOf(wanted.Obj())
	created, err := m.tryCreate(wanted)
	for refused := error(nil); refusedByKubernetes(err) && fmt.Sprint(refused) != err.Error(); {
		refused = err
		m.clock.SetTime(m.clock.Now().Add(11 * time.Second)) // then another number is tried, if there is one
		created, err = m.tryCreate(wanted)
	}
	if refusedByKubernetes(err) {
		return
	}
	if err != nil {
		if apierrors.IsInvalid(err) || apierrors.IsAlreadyExists(err) && m.live[key] != nil {
			return
		}
		r.Fatalf("create %s: %v", key, err)
	}
	if m.live[key] != nil {
		r.Fatalf("created %s, which exists", key)
	}
	m.accept(r, wanted.Obj(), nil, created)
}

func (m *model) update(r *rapid.T) {
	if len(m.live) > 0 {
		m.put(r, m.draw(r, m.someKey(r)).Obj())
	}
}

// changeType puts a Service again with another type and without numbers.
func (m *model) changeType(r *rapid.T) {
	if len(m.live) == 0 {
		return
	}
	wanted := m.live[m.someKey(r)].DeepCopy()
	toType(rapid.SampledFrom([]corev1.ServiceType{
		corev1.ServiceTypeNodePort, corev1.ServiceTypeLoadBalancer, corev1.ServiceTypeClusterIP,
	}).Draw(r, "type"))(wanted)
	if wanted.Spec.Type == corev1.ServiceTypeClusterIP {
		wanted.Spec.ExternalTrafficPolicy = ""
	}
	if wanted.Spec.Type != corev1.ServiceTypeLoadBalancer {
		wanted.Spec.AllocateLoadBalancerNodePorts = nil
	}
	m.put(r, wanted)
}

// put replaces what of a Service concerns numbers.
func (m *model) put(r *rapid.T, wanted *corev1.Service) {
	key := keyOf(wanted)
	before := m.live[key]
	changed, err := m.tryChange(before, func(svc *corev1.Service) {
		svc.Spec.Type, svc.Spec.Ports = wanted.Spec.Type, wanted.DeepCopy().Spec.Ports
		svc.Spec.AllocateLoadBalancerNodePorts = wanted.Spec.AllocateLoadBalancerNodePorts
		svc.Spec.ExternalTrafficPolicy = wanted.Spec.ExternalTrafficPolicy
		svc.Spec.HealthCheckNodePort = 0
	})
	if apierrors.IsInvalid(err) || apierrors.IsInternalError(err) { // internal: the API server's "duplicate nodePort"
		return
	}
	if err != nil {
		r.Fatalf("update %s: %v", key, err)
	}
	m.accept(r, wanted, before, changed)
}

// accept holds a Service that was let through against what was asked for, and against all others.
func (m *model) accept(r *rapid.T, wanted, before, now *corev1.Service) {
	key := keyOf(now)
	for i, p := range wanted.Spec.Ports {
		if got := now.Spec.Ports[i].NodePort; p.NodePort != 0 && got != p.NodePort {
			r.Fatalf("%s asked for %d and got %d", key, p.NodePort, got)
		}
	}
	var old []int32
	if before != nil {
		old = numbersOf(before)
		wantUnmoved(r, wanted, before, now)
	}
	for _, n := range numbersOf(now) {
		if owner := m.ownerOf(n, key); owner != "" {
			r.Fatalf("%s got %d, which %s has", key, n, owner)
		}
		if !slices.Contains(old, n) && !m.allowed(now.Namespace, n) {
			r.Fatalf("%s got %d, which is none of its namespace's", key, n)
		}
	}
	m.live[key] = now
}

// wantUnmoved fails the check where a port went to another number that nobody asked for.
func wantUnmoved(r *rapid.T, wanted, before, now *corev1.Service) {
	if before.Spec.Type != corev1.ServiceTypeNodePort || now.Spec.Type != corev1.ServiceTypeNodePort {
		return
	}
	for _, b := range before.Spec.Ports {
		for i, n := range now.Spec.Ports {
			if b.Name == n.Name && wanted.Spec.Ports[i].NodePort == 0 && n.NodePort != b.NodePort && !carriedElsewhere(now, b, i) {
				r.Fatalf("%s: port %s went from %d to %d", keyOf(now), n.Name, b.NodePort, n.NodePort)
			}
		}
	}
}

// carriedElsewhere says whether another entry carries the number that an entry had.
func carriedElsewhere(now *corev1.Service, had corev1.ServicePort, but int) bool {
	for i, p := range now.Spec.Ports {
		if i != but && p.NodePort == had.NodePort {
			return true
		}
	}
	return false
}

func (m *model) ownerOf(n int32, but string) string {
	for key, svc := range m.live {
		if key != but && slices.Contains(numbersOf(svc), n) {
			return key
		}
	}
	return ""
}

func (m *model) allowed(namespace string, n int32) bool {
	inPool := func(i int) bool { return within(m.pools[i].Spec.Ranges[0], n) }
	switch namespace {
	case m.namespaces[0]:
		return inPool(0)
	case m.namespaces[1]:
		return inPool(0) || inPool(1)
	}
	return !inPool(0) && !inPool(1)
}

func (m *model) delete(r *rapid.T) {
	if len(m.live) == 0 {
		return
	}
	key := m.someKey(r)
	m.remove(m.live[key])
	delete(m.live, key)
}

func (m *model) someKey(r *rapid.T) string {
	var keys []string
	for key := range m.live {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return rapid.SampledFrom(keys).Draw(r, "Service")
}

func (m *model) passTime(r *rapid.T) {
	step := rapid.SampledFrom([]time.Duration{time.Second, allocator.ClaimGrace, modelHold}).Draw(r, "time")
	m.clock.SetTime(m.clock.Now().Add(step))
	m.lookAgain()
}

// movePool gives a pool more or less of its range.
func (m *model) movePool(r *rapid.T) {
	i := rapid.IntRange(0, 1).Draw(r, "pool")
	moved := modelRanges[i]
	moved.From += rapid.Int32Range(0, 3).Draw(r, "less")
	m.changePool(m.pools[i], func(s *v1alpha1.NodePortPoolSpec) { s.Ranges = []v1alpha1.PortRange{moved} })
}

// check holds after each step: no number that a Service carries has a claim of another's.
func (m *model) check(r *rapid.T) {
	for key, svc := range m.live {
		for _, n := range numbersOf(svc) {
			if a := m.claim(n); a != nil && allocator.OwnerOf(a).String() != key {
				r.Fatalf("%s carries %d, which the ledger has for %s", key, n, allocator.OwnerOf(a))
			}
		}
	}
}

// conclude lets all that is to end come to its end, and compares.
func (m *model) conclude(r *rapid.T) {
	m.clock.SetTime(m.clock.Now().Add(allocator.ClaimGrace + time.Second))
	m.lookAgain()
	want := map[int32]string{}
	stored := &corev1.ServiceList{}
	m.must(m.List(m.Context(), stored))
	for i := range stored.Items {
		svc := &stored.Items[i]
		for _, n := range serviceports.Numbers(serviceports.Stored(svc)) {
			if want[n] != "" {
				r.Fatalf("%d is on %s and %s", n, want[n], keyOf(svc))
			}
			want[n] = keyOf(svc) + " " + string(svc.UID)
		}
	}
	m.await(r, "what was released is held", func() error { return m.noneButBoundAnd(allocator.Held) })
	m.clock.SetTime(m.clock.Now().Add(modelHold + time.Second))
	m.lookAgain()
	m.await(r, "the ledger is what the Services carry", func() error {
		got := map[int32]string{}
		for n, a := range m.allClaims() {
			got[n] = allocator.OwnerOf(a).String() + " " + string(a.Spec.ServiceUID)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("(-Services +ledger)\n%s", diff)
		}
		return nil
	})
	m.await(r, "the manager's view agrees", func() error { return m.sameView(want) })
}

func (m *model) await(r *rapid.T, what string, check func() error) {
	if err := await(check); err != nil {
		r.Fatalf("%s: %v", what, err)
	}
}

func (m *model) allClaims() map[int32]*v1alpha1.NodePortAllocation {
	claims := &v1alpha1.NodePortAllocationList{}
	m.must(m.List(m.Context(), claims))
	all := map[int32]*v1alpha1.NodePortAllocation{}
	for i := range claims.Items {
		n, _ := allocator.NumberOf(&claims.Items[i])
		all[n] = &claims.Items[i]
	}
	return all
}

func (m *model) noneButBoundAnd(other allocator.State) error {
	for n, a := range m.allClaims() {
		if state := allocator.StateOf(a, m.clock.Now()); state != allocator.Bound && state != other {
			return fmt.Errorf("%d is %s for %s", n, stateNames[state], allocator.OwnerOf(a))
		}
		if svc := m.live[allocator.OwnerOf(a).String()]; a.Spec.ServiceUID != "" && (svc == nil || !slices.Contains(numbersOf(svc), n)) {
			return fmt.Errorf("%d is still bound to %s", n, allocator.OwnerOf(a))
		}
	}
	return nil
}

func (m *model) sameView(want map[int32]string) error {
	claims := m.allClaims()
	for _, pool := range m.replica.Ledger.Chart().Pools() {
		bound, outside := 0, 0
		for n := range want {
			if pool.Numbers.Contains(n) {
				bound++
			} else if a := claims[n]; a != nil && !pool.Commons() && a.Spec.PoolName == pool.Name { // the pool was moved
				outside++
			}
		}
		counts := m.replica.Ledger.Counts(m.replica.Ledger.Chart())[pool.Name]
		usage := m.replica.Ledger.Usage(pool)
		if wantCounts := (allocator.Counts{Total: pool.Numbers.Len(), Bound: bound, Free: pool.Numbers.Len() - bound, Outside: outside}); counts != wantCounts || usage.Free != counts.Free {
			return fmt.Errorf("pool %q: counted %+v and %d free, want %+v", pool.Name, counts, usage.Free, wantCounts)
		}
	}
	return nil
}

// reset takes away what the check before has left, be it in the middle of it.
func (m *model) reset() {
	clean := tidying{m.plane, m.T}
	clean.services(m.Context())
	clean.ignoring(m.DeleteAllOf(m.Context(), &v1alpha1.NodePortPool{}))
	m.eventually("all numbers are released", func() error {
		m.clock.SetTime(m.clock.Now().Add(modelHold + time.Second))
		m.lookAgain()
		if left := len(m.allClaims()); left > 0 {
			return fmt.Errorf("%d are not", left)
		}
		return nil
	})
}

func keyOf(svc *corev1.Service) string {
	return types.NamespacedName(client.ObjectKeyFromObject(svc)).String()
}
