package integration

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/manager"
	. "github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// heldBack is a store in which what the controllers write waits for the test.
type heldBack struct {
	allocator.Store
	unbound atomic.Bool  // no claim is bound
	armed   atomic.Int32 // the number whose next release waits; 0: none
	release chan release // that waits
}

// release is one that goes on when goOn is closed; written is what came of it.
type release struct {
	goOn    chan struct{}
	written chan error
}

// Update implements allocator.Store.
func (s *heldBack) Update(ctx context.Context, a *v1alpha1.NodePortAllocation) error {
	if a.Spec.ServiceUID != "" && s.unbound.Load() {
		return apierrors.NewConflict(schema.GroupResource{}, a.Name, errors.New("held back"))
	}
	n, _ := allocator.NumberOf(a)
	if released := a.Spec.ServiceUID == "" && a.Spec.ClaimTime == nil; !released || !s.armed.CompareAndSwap(n, 0) {
		return s.Store.Update(ctx, a)
	}
	r := release{goOn: make(chan struct{}), written: make(chan error, 1)}
	s.release <- r
	select {
	case <-r.goOn:
	case <-ctx.Done():
	}
	err := s.Store.Update(ctx, a)
	r.written <- err
	return err
}

// startHeldBack starts a manager with such a store.
func (w *world) startHeldBack() *heldBack {
	w.Helper()
	s := &heldBack{release: make(chan release, 1)}
	w.start(func(o *manager.Options) {
		o.WrapStore = func(store allocator.Store) allocator.Store {
			s.Store = store
			return s
		}
	})
	return s
}

// comeback is how a Service takes up a number again.
type comeback struct {
	name     string
	explicit bool
	changed  bool // the Service lives on, without the number for a while
	origin   string
}

// The controllers have made sure that a Service has left its number. By the time they write that down it is back.
func TestANumberThatItsServiceTakesUpAgainIsNotReleasedForItsFormerLife(t *testing.T) {
	w := alone(t)
	s := w.startHeldBack()
	for _, c := range []comeback{
		{"it is made again", false, false, "Automatic"},
		{"it is made again with its number", true, false, "Explicit"},
		{"its port is put back with its number", true, true, "Explicit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := *w
			w.T = t
			w.takesUpAgain(s, c)
		})
	}
}

func (w *world) takesUpAgain(s *heldBack, c comeback) {
	w.Helper()
	shop, numbers := w.namespace("shop"), w.allot(5)
	w.pool("team-a", numbers, serving(shop))
	manifest := makeService(shop+"/web").NodePort(80, 0, Named("a"))
	if c.explicit {
		manifest = makeService(shop+"/web").NodePort(80, numbers.From, Named("a"))
	}
	if c.changed {
		manifest.NodePort(81, numbers.To, Named("b"))
	}
	s.unbound.Store(!c.changed)
	web := w.create(manifest)
	n := number(web)
	w.eventually("the controllers have seen it", func() error {
		if state := allocator.StateOf(w.claim(n), w.clock.Now()); !w.replicas[0].Ledger.Carried(n) || c.changed != (state == allocator.Bound) {
			return fmt.Errorf("the claim is %s", stateNames[state])
		}
		return nil
	})

	s.armed.Store(n)
	if c.changed {
		w.change(web, func(svc *corev1.Service) { svc.Spec.Ports = svc.Spec.Ports[1:] })
	} else {
		w.remove(web)
	}
	r := s.await(w)
	s.unbound.Store(true)
	if c.changed {
		w.change(web, func(svc *corev1.Service) { svc.Spec.Ports = web.Spec.Ports })
	} else if got := number(w.create(manifest)); got != n {
		w.Errorf("it came back with %d, had %d", got, n)
	}
	close(r.goOn)
	if err := <-r.written; !apierrors.IsConflict(err) {
		w.Errorf("the release of its former life's claim: %v", err)
	}
	_, err := w.tryCreate(makeService(shop+"/api").NodePort(80, n))
	w.wantRefusal(err, `already allocated to Service "web" in this namespace`)

	s.unbound.Store(false)
	want := ledger{n: "web Bound " + c.origin + " team-a"}
	if c.changed {
		want[numbers.To] = want[n]
	}
	w.wantLedger(shop, want)
}

// await is the release that waits.
func (s *heldBack) await(w *world) release {
	w.Helper()
	select {
	case r := <-s.release:
		return r
	case <-time.After(patience):
		w.Fatal("nothing is released")
		return release{}
	}
}
