package allocator

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

var start = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// world is a store and a ledger on it, whose cluster has the numbers 30000-30009 and whose clock stands still.
type world struct {
	*testing.T
	store  *FakeStore
	clock  *testingclock.FakePassiveClock
	ledger *Ledger
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, store: &FakeStore{}, clock: testingclock.NewFakePassiveClock(start)}
	w.ledger = w.replica()
	w.store.Watchers = []FakeWatcher{w.ledger}
	return w
}

// replica is another ledger on the store, which no watch feeds.
func (w *world) replica() *Ledger {
	l := New(w.store, w.clock)
	l.hope = 0
	l.SetClusterRange(v1alpha1.PortRange{From: 30000, To: 30009})
	return l
}

func (w *world) pools() []*rules.Pool { return w.ledger.Chart().Pools() }

// claim claims for the Service "namespace/name"; each request is "name:port" or "name:port=number".
func (w *world) claim(service string, requests ...string) *Claim {
	w.Helper()
	c, err := w.ledger.Claim(w.Context(), claimant(service), ask(requests...), w.pools())
	if err != nil {
		w.Fatalf("claim for %s: %v", service, err)
	}
	return c
}

// seed puts a claim into the store; adjust makes it what it is to be, else it is pending since now.
func (w *world) seed(service string, request string, adjust func(*v1alpha1.NodePortAllocationSpec)) *v1alpha1.NodePortAllocation {
	w.Helper()
	r := ask(request)[0]
	claimTime := metav1.NewMicroTime(w.clock.Now())
	a := &v1alpha1.NodePortAllocation{Spec: v1alpha1.NodePortAllocationSpec{
		ServiceRef: v1alpha1.ServiceReference{Namespace: named(service).Namespace, Name: named(service).Name},
		Role:       v1alpha1.Role(r.Role), Origin: v1alpha1.OriginAutomatic, Ports: AllocatedPorts(r.Ports), ClaimTime: &claimTime,
	}}
	a.Name = NameOf(r.NodePort)
	if adjust != nil {
		adjust(&a.Spec)
	}
	if err := w.store.Create(w.Context(), a); err != nil {
		w.Fatal(err)
	}
	return a
}

// reportAtOnce has the status of each claim written as soon as the claim is, as the controllers may.
func (w *world) reportAtOnce() {
	w.store.After = func(verb, name string) error {
		a := w.store.List()[name]
		if verb != "create" && verb != "update" || a.Status.Protocols != "" {
			return nil
		}
		a.Status.Protocols = "TCP"
		return w.store.Update(w.Context(), a)
	}
}

func boundTo(uid types.UID) func(*v1alpha1.NodePortAllocationSpec) {
	return func(s *v1alpha1.NodePortAllocationSpec) { s.ServiceUID, s.ClaimTime = uid, nil }
}

func heldFor(d time.Duration) func(*v1alpha1.NodePortAllocationSpec) {
	return func(s *v1alpha1.NodePortAllocationSpec) { Release(s, start, d) }
}

func claimedFor(ago time.Duration) func(*v1alpha1.NodePortAllocationSpec) {
	return func(s *v1alpha1.NodePortAllocationSpec) {
		t := metav1.NewMicroTime(start.Add(-ago))
		s.ClaimTime = &t
	}
}

// claims are those in the store: number -> "namespace/name State".
func (w *world) claims() map[string]string {
	list := map[string]string{}
	for name, a := range w.store.List() {
		list[name] = OwnerOf(a).String() + " " + []string{"bound", "pending", "held", "reserved", "lapsed"}[StateOf(a, w.clock.Now())]
	}
	return list
}

func named(service string) types.NamespacedName {
	namespace, name, _ := strings.Cut(service, "/")
	return types.NamespacedName{Namespace: namespace, Name: name}
}

func claimant(service string) Claimant { return Claimant{Service: named(service)} }

func ask(texts ...string) []Request {
	var requests []Request
	for i, text := range texts {
		var port, number int32
		name, rest, _ := strings.Cut(text, ":")
		_, _ = fmt.Sscanf(rest, "%d=%d", &port, &number)
		r := Request{Origin: v1alpha1.OriginAutomatic, Request: serviceports.Request{Role: serviceports.Traffic, NodePort: number}}
		if name == "healthCheck" {
			r.Role = serviceports.HealthCheck
		} else {
			r.Ports = []serviceports.Port{{Index: i, Name: name, Port: port, Protocol: corev1.ProtocolTCP}}
		}
		requests = append(requests, r)
	}
	return requests
}

// explicitly makes the numbers those that the user has set.
func explicitly(requests ...Request) []Request {
	for i := range requests {
		requests[i].Origin = v1alpha1.OriginExplicit
	}
	return requests
}

func numbersOf(requests []serviceports.Request) []int32 {
	var numbers []int32
	for _, r := range requests {
		numbers = append(numbers, r.NodePort)
	}
	return numbers
}

// serviceOn is a Service that carries numbers.
func serviceOn(service string, numbers ...int32) *corev1.Service {
	s := MakeService(service)
	for i, n := range numbers {
		s.NodePort(int32(80+i), n)
	}
	return s.Obj()
}

// taken are the numbers that the view will not pick.
func taken(l *Ledger) []int32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	var numbers []int32
	for n := l.clusterRange.From; n <= l.clusterRange.To; n++ {
		if l.free[l.chart.PoolOf(n).Name].Taken(n) {
			numbers = append(numbers, n)
		}
	}
	return numbers
}
