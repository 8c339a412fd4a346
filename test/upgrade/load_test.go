package upgrade

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// outsider is a number that namespace load may not have, whoever decides about it.
const outsider = 32500

// load is the creation of Services in namespace load, one after the other, until it is ended.
type load struct {
	*world
	open    float64 // requests that had been let past us before
	cancel  context.CancelFunc
	working sync.WaitGroup

	mu      sync.Mutex // guards all below
	created []*corev1.Service
	wrong   []string
}

// loads counts, so that the Services of each have other names.
var loads int

// keepCreating creates Services at a steady rate, and asks for what is to be refused between them.
func (w *world) keepCreating() *load {
	w.Helper()
	loads++
	ctx, cancel := context.WithCancel(w.Context())
	l := &load{world: w, open: w.failedOpen(), cancel: cancel}
	w.Cleanup(l.tidy)
	name := fmt.Sprintf("load/web-%d-", loads)
	l.working.Go(func() {
		ticker := time.NewTicker(40 * time.Millisecond)
		defer ticker.Stop()
		for i := 0; ctx.Err() == nil; i++ {
			<-ticker.C
			l.createOne(fmt.Sprint(name, i), i)
		}
	})
	return l
}

func (l *load) createOne(name string, i int) {
	svc := servicetest.MakeService(name)
	switch i % 5 {
	case 0:
		l.tryOutsider(svc.NodePort(80, outsider).Obj())
		return
	case 1:
		svc.LoadBalancer().LocalTraffic()
	}
	object := svc.NodePort(80, 0).Obj()
	err := l.Create(l.Context(), object)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.wrong = append(l.wrong, err.Error())
		return
	}
	l.created = append(l.created, object)
	for _, n := range []int32{object.Spec.Ports[0].NodePort, object.Spec.HealthCheckNodePort} {
		if n != 0 && (n < loadFrom || n > loadTo) {
			l.wrong = append(l.wrong, fmt.Sprintf("%s got %d, which is not of its pool", name, n))
		}
	}
}

func (l *load) tryOutsider(object *corev1.Service) {
	err := l.Create(l.Context(), object)
	if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "not in the node port ranges of namespace") {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.wrong = append(l.wrong, fmt.Sprintf("that %d is asked for is answered by: %v", outsider, err))
	}
}

// await waits until so many more Services have been created.
func (l *load) await(more int) {
	l.Helper()
	count := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.created) + len(l.wrong)
	}
	before := count()
	l.eventually("Services are created", func() error {
		if got := count() - before; got < more {
			return fmt.Errorf("%d of %d", got, more)
		}
		return nil
	})
}

// tidy ends the load, and takes its Services away.
func (l *load) tidy() {
	l.cancel()
	l.working.Wait()
	if err := l.DeleteAllOf(context.Background(), &corev1.Service{}, client.InNamespace("load")); err != nil {
		l.Error(err)
	}
}

// end ends the load. It fails the test if something was refused, admitted or numbered wrongly, or let past us, or if a Service
// does not have the number any more that it got.
func (l *load) end() {
	l.Helper()
	l.cancel()
	l.working.Wait()
	l.Logf("%d Services were created", len(l.created))
	for _, wrong := range l.wrong {
		l.Error(wrong)
	}
	if open := l.failedOpen() - l.open; open != 0 {
		l.Errorf("the API server went on without an answer %v times", open)
	}
	if len(l.created) == 0 {
		l.Error("nothing was created")
	}
	held, now := map[int32]string{}, l.numbers()
	for _, svc := range l.created {
		n := svc.Spec.Ports[0].NodePort
		if held[n] != "" {
			l.Errorf("%s and %s got %d", held[n], svc.Name, n)
		}
		held[n] = svc.Name
		if got := now["load/"+svc.Name+":"]; got != n {
			l.Errorf("%s got %d, and has %d", svc.Name, n, got)
		}
	}
}

func (w *world) failedOpen() float64 {
	w.Helper()
	count, err := w.installation.FailedOpen(w.Context())
	w.must(err)
	return count
}
