package integration

import (
	"fmt"
	"strings"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/serviceports"
	"github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

var makeService = servicetest.MakeService

// allocatedCondition is the condition of Services in trouble.
const allocatedCondition = "portolan.dev/Allocated"

// create creates a Service and returns it as the API server has it.
func (w *world) create(svc *servicetest.Service, options ...client.CreateOption) *corev1.Service {
	w.Helper()
	created, err := w.tryCreate(svc, options...)
	w.must(err)
	return created
}

func (w *world) tryCreate(svc *servicetest.Service, options ...client.CreateOption) (*corev1.Service, error) {
	var created *corev1.Service
	err := w.inStep(func() error {
		created = svc.Obj()
		return w.Create(w.Context(), created, options...)
	})
	w.tellsOfNoOther(created.Namespace, err)
	return created, err
}

// tellsOfNoOther fails the test if a refusal names another namespace of it.
func (w *world) tellsOfNoOther(namespace string, err error) {
	for other := range w.namespaces {
		if err != nil && other != namespace && strings.Contains(err.Error(), other) {
			w.Errorf("namespace %s is told of %s: %v", namespace, other, err)
		}
	}
}

// change updates a Service and returns it as the API server has it.
func (w *world) change(svc *corev1.Service, change func(*corev1.Service)) *corev1.Service {
	w.Helper()
	changed, err := w.tryChange(svc, change)
	w.must(err)
	return changed
}

// tryChange is change that may be refused. It is a PUT of the whole object, and comes again on a conflict.
func (w *world) tryChange(svc *corev1.Service, change func(*corev1.Service), options ...client.UpdateOption) (*corev1.Service, error) {
	for {
		var changed *corev1.Service
		err := w.inStep(func() error {
			changed = w.fetch(svc)
			change(changed)
			return w.Update(w.Context(), changed, options...)
		})
		if !apierrors.IsConflict(err) {
			w.tellsOfNoOther(changed.Namespace, err)
			return changed, err
		}
	}
}

// withoutNumbers clears the numbers of a Service, as a manifest has none.
func withoutNumbers(svc *corev1.Service) {
	svc.Spec.HealthCheckNodePort = 0
	for i := range svc.Spec.Ports {
		svc.Spec.Ports[i].NodePort = 0
	}
}

// toType changes the type, of a manifest without numbers.
func toType(t corev1.ServiceType) func(*corev1.Service) {
	return func(svc *corev1.Service) {
		withoutNumbers(svc)
		svc.Spec.Type = t
	}
}

func (w *world) fetch(svc *corev1.Service) *corev1.Service {
	w.Helper()
	found := &corev1.Service{}
	w.must(w.Get(w.Context(), client.ObjectKeyFromObject(svc), found))
	return found
}

// remove deletes a Service. It is gone when remove returns, unless it has finalizers.
func (w *world) remove(svc *corev1.Service) {
	w.Helper()
	w.must(w.Delete(w.Context(), svc))
}

// refusedByKubernetes says whether Kubernetes' own allocator refused a number that Portolan had let through; one for health
// checks it refuses with an internal error.
func refusedByKubernetes(err error) bool {
	return err != nil && strings.Contains(err.Error(), "provided port is already allocated")
}

// number is the number of a Service's first port.
func number(svc *corev1.Service) int32 { return svc.Spec.Ports[0].NodePort }

// numbers are all of a Service's, sorted, each once.
func numbersOf(svc *corev1.Service) []int32 {
	return serviceports.Numbers(serviceports.Requests(svc))
}

func within(r v1alpha1.PortRange, numbers ...int32) bool {
	for _, n := range numbers {
		if n < r.From || n > r.To {
			return false
		}
	}
	return true
}

// wantWithin fails the test unless the Service has so many numbers, all of them of the range.
func (w *world) wantWithin(svc *corev1.Service, r v1alpha1.PortRange, count int) {
	w.Helper()
	if got := numbersOf(svc); len(got) != count || !within(r, got...) {
		w.Fatalf("Service %s has the numbers %v, want %d of %d-%d", svc.Name, got, count, r.From, r.To)
	}
}

// ledger describes claims by number: "web Bound Automatic team-a", Service, state, origin and pool.
type ledger map[int32]string

var stateNames = map[allocator.State]string{
	allocator.Bound: "Bound", allocator.Pending: "Pending", allocator.Held: "Held", allocator.Reserved: "Reserved",
	allocator.Lapsed: "Lapsed",
}

// ledgerOf describes the claims for Services of a namespace.
func (w *world) ledgerOf(namespace string) ledger {
	w.Helper()
	claims := &v1alpha1.NodePortAllocationList{}
	w.must(w.List(w.Context(), claims, client.MatchingFields{"spec.serviceRef.namespace": namespace}))
	l := ledger{}
	for i := range claims.Items {
		a := &claims.Items[i]
		n, _ := allocator.NumberOf(a)
		l[n] = strings.TrimSpace(fmt.Sprintf("%s %s %s %s", a.Spec.ServiceRef.Name,
			stateNames[allocator.StateOf(a, w.clock.Now())], a.Spec.Origin, w.names[a.Spec.PoolName]))
	}
	return l
}

// wantLedger waits until the claims of a namespace are as wanted.
func (w *world) wantLedger(namespace string, want ledger) {
	w.Helper()
	w.eventually("ledger of "+w.names[namespace], func() error {
		if diff := cmp.Diff(want, w.ledgerOf(namespace)); diff != "" {
			return fmt.Errorf("(-want +got)\n%s", diff)
		}
		return nil
	})
}

// claim is the allocation of a number; nil where there is none.
func (w *world) claim(n int32) *v1alpha1.NodePortAllocation {
	w.Helper()
	a := &v1alpha1.NodePortAllocation{}
	err := w.Get(w.Context(), client.ObjectKey{Name: allocator.NameOf(n)}, a)
	if apierrors.IsNotFound(err) {
		return nil
	}
	w.must(err)
	return a
}

// wantReason waits until the Bound condition of a number has a reason.
func (w *world) wantReason(n int32, reason string) *v1alpha1.NodePortAllocation {
	w.Helper()
	var a *v1alpha1.NodePortAllocation
	w.eventually(fmt.Sprintf("%d is %s", n, reason), func() error {
		if a = w.claim(n); a == nil {
			return fmt.Errorf("there is no allocation %d", n)
		}
		if bound := meta.FindStatusCondition(a.Status.Conditions, v1alpha1.AllocationBound); bound == nil || bound.Reason != reason {
			return fmt.Errorf("its condition is %+v", bound)
		}
		return nil
	})
	return a
}

// wantTrouble waits until a Service has the condition of Services in trouble with this reason, and an event of it
// too, and returns the condition's message. Without a reason it waits until there is no such condition.
func (w *world) wantTrouble(svc *corev1.Service, reason string) string {
	w.Helper()
	var message string
	w.eventually(fmt.Sprintf("condition of Service %s is %q", svc.Name, reason), func() error {
		condition := meta.FindStatusCondition(w.fetch(svc).Status.Conditions, allocatedCondition)
		switch {
		case condition == nil && reason == "":
			return nil
		case condition == nil || condition.Reason != reason:
			return fmt.Errorf("it is %+v", condition)
		}
		message = condition.Message
		return nil
	})
	if reason != "" {
		w.wantEvent(svc, reason, message)
	}
	return message
}

// wantEvent waits for a warning about a Service that begins with a text, and returns the rest: how to mend it.
func (w *world) wantEvent(svc *corev1.Service, reason, text string) (advice string) {
	w.Helper()
	w.eventually(fmt.Sprintf("event %s of Service %s", reason, svc.Name), func() error {
		events := &eventsv1.EventList{}
		if err := w.List(w.Context(), events, client.InNamespace(svc.Namespace)); err != nil {
			return err
		}
		var notes []string
		for _, e := range events.Items {
			if e.Regarding.Name == svc.Name && e.Reason == reason {
				rest, ok := strings.CutPrefix(e.Note, text)
				if ok && (rest == "" || strings.HasPrefix(rest, "; ")) && e.Type == corev1.EventTypeWarning {
					advice = strings.TrimPrefix(rest, "; ")
					return nil
				}
				notes = append(notes, e.Note)
			}
		}
		return fmt.Errorf("want %q, got %q", text, notes)
	})
	return advice
}

// wantCounts waits until a pool's status counts its numbers so.
func (w *world) wantCounts(pool *v1alpha1.NodePortPool, want v1alpha1.PoolPorts) {
	w.Helper()
	w.eventually("counts of pool "+w.names[pool.Name], func() error {
		if err := w.Get(w.Context(), client.ObjectKeyFromObject(pool), pool); err != nil {
			return err
		}
		if diff := cmp.Diff(&want, pool.Status.Ports); diff != "" {
			return fmt.Errorf("(-want +got)\n%s", diff)
		}
		return nil
	})
}

// wantRefusal fails the test unless err is the API server's answer 422 Invalid with this text in it.
func (w *world) wantRefusal(err error, text string) {
	w.Helper()
	if err == nil || !apierrors.IsInvalid(err) || !strings.Contains(w.inTestsWords(err.Error()), text) {
		w.Fatalf("got %v, want a refusal with %q", err, text)
	}
}
