package integration

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// creators is how many create Services at a time: what one machine answers within the webhooks' time.
const creators = 8

// load is the creation of Services at a steady rate. Where the machine is slower than that, it is as fast as that is.
type load struct {
	*world
	namespace string
	numbers   v1alpha1.PortRange
	began     time.Time
	open      float64 // requests that had been let past us before
	cancel    context.CancelFunc
	working   sync.WaitGroup

	mu      sync.Mutex // guards all below
	created int
	wrong   []string
}

// createSteadily creates so many Services a second, all of which are to get numbers of the range, until end.
func (w *world) createSteadily(perSecond int, namespace string, numbers v1alpha1.PortRange) *load {
	w.Helper()
	ctx, cancel := context.WithCancel(w.Context())
	l := &load{world: w, namespace: namespace, numbers: numbers, began: time.Now(), open: w.failedOpen(), cancel: cancel}
	w.Cleanup(cancel)
	turns := make(chan int)
	l.working.Go(func() {
		defer close(turns)
		ticker := time.NewTicker(time.Second / time.Duration(perSecond))
		defer ticker.Stop()
		for turn := 0; ; turn++ {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				turns <- turn
			}
		}
	})
	for range creators {
		l.working.Go(func() {
			for turn := range turns {
				l.note(w.tryCreate(makeService(fmt.Sprintf("%s/web-%d", namespace, turn)).NodePort(80, 0)))
			}
		})
	}
	return l
}

func (l *load) note(svc *corev1.Service, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case err != nil:
		l.wrong = append(l.wrong, err.Error())
	case !within(l.numbers, number(svc)):
		l.wrong = append(l.wrong, fmt.Sprintf("%s was not numbered: it has %d", svc.Name, number(svc)))
	}
	l.created++
}

// end ends the load. It fails the test if a creation failed, or was let past us.
func (l *load) end() {
	l.Helper()
	l.cancel()
	l.working.Wait()
	took := time.Since(l.began)
	l.Logf("%d creations in %.1fs: %.0f a second", l.created, took.Seconds(), float64(l.created)/took.Seconds())
	for _, wrong := range l.wrong {
		l.Error(wrong)
	}
	if open := l.failedOpen() - l.open; open != 0 {
		l.Errorf("the API server went on without an answer %v times:\n%s", open, l.failures())
	}
	if l.created == 0 {
		l.Error("nothing was created")
	}
}

// failedOpen is how many requests the API server has let past our webhooks because they did not answer.
func (w *world) failedOpen() float64 {
	w.Helper()
	count, err := w.FailedOpen(w.Context())
	w.must(err)
	return count
}

// await waits until so many more Services have been created.
func (l *load) await(more int) {
	l.Helper()
	count := func() int {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.created
	}
	before := count()
	l.eventually("Services are created", func() error {
		if got := count() - before; got < more {
			return fmt.Errorf("%d of %d", got, more)
		}
		return nil
	})
}

// failures are the API server's own words for calls that failed.
func (w *world) failures() string {
	w.Helper()
	log, err := os.ReadFile(filepath.Join(w.Cluster.LogDir(), "kube-apiserver.log"))
	w.must(err)
	var found []string
	for line := range strings.Lines(string(log)) {
		if strings.Contains(line, "failing open") {
			found = append(found, line)
		}
	}
	return strings.Join(found[max(0, len(found)-10):], "")
}
