package integration

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// outcome is what became of Services that were created at the same moment.
type outcome struct {
	numbers  int // they got
	overMany int // of them were refused for the limit
	taken    int // of them were refused since another had been faster with a number that they name
}

// createAll creates Services at once. Where two want one number both may be refused: they try again.
func (w *world) createAll(services []*servicetest.Service) (all outcome) {
	w.Helper()
	var mu sync.Mutex // guards all
	var creators sync.WaitGroup
	start := make(chan struct{})
	for _, svc := range services {
		creators.Go(func() {
			<-start
			created, err := w.tryCreate(svc)
			for try := 0; isTaken(err) && try < 3; try++ {
				created, err = w.tryCreate(svc)
			}
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				all.numbers += len(numbersOf(created))
			case apierrors.IsInvalid(err) && strings.Contains(err.Error(), "node ports in a namespace"):
				all.overMany++
			case isTaken(err):
				all.taken++
			default:
				w.Errorf("%s: %v", created.Name, err)
			}
		})
	}
	close(start)
	creators.Wait()
	return all
}

// isTaken says whether a Service was refused for a number that another one has, or is about to have.
func isTaken(err error) bool {
	return apierrors.IsInvalid(err) && strings.Contains(err.Error(), "already allocated") || refusedByKubernetes(err)
}

// logClaims logs which of these numbers are claimed, and for whom.
func (w *world) logClaims(numbers v1alpha1.PortRange) {
	all := &v1alpha1.NodePortAllocationList{}
	w.must(w.List(w.Context(), all))
	for _, a := range all.Items {
		if n, _ := allocator.NumberOf(&a); n >= numbers.From && n <= numbers.To {
			w.Logf("%d: %+v", n, a.Spec)
		}
	}
}

func TestAQuotaIsExactUnder32ConcurrentCreatorsOnTwoReplicas(t *testing.T) {
	w := alone(t)
	w.startReplicas(2)
	const creators, limit = 32, 20
	next := secondRange.From
	for _, c := range []struct {
		name string
		ask  func(svc *servicetest.Service, i int, numbers v1alpha1.PortRange) *servicetest.Service
		// exact: each asks for one number, so that as many as may be are given.
		exact bool
	}{
		{"numbers to be chosen", func(svc *servicetest.Service, _ int, _ v1alpha1.PortRange) *servicetest.Service {
			return svc.NodePort(80, 0)
		}, true},
		{"numbers that are named", func(svc *servicetest.Service, i int, numbers v1alpha1.PortRange) *servicetest.Service {
			return svc.NodePort(80, numbers.From+int32(i))
		}, true},
		{"both", func(svc *servicetest.Service, i int, numbers v1alpha1.PortRange) *servicetest.Service {
			if i%2 == 0 {
				return svc.NodePort(80, 0)
			}
			return svc.NodePort(80, numbers.From+int32(i))
		}, true},
		{"health checks", func(svc *servicetest.Service, _ int, _ v1alpha1.PortRange) *servicetest.Service {
			return svc.LoadBalancer().AllocateNodePorts(false).LocalTraffic().Port(80)
		}, true},
		{"several numbers each", func(svc *servicetest.Service, i int, numbers v1alpha1.PortRange) *servicetest.Service {
			for p := range 1 + i%3 {
				svc.NodePort(int32(80+p), 0, servicetest.Named(fmt.Sprintf("p%d", p)))
			}
			return svc.NodePort(79, numbers.From+int32(i), servicetest.Named("explicit"))
		}, false},
	} {
		for round := range 2 {
			t.Run(fmt.Sprintf("%s, round %d", c.name, round+1), func(t *testing.T) {
				w := *w
				w.T = t
				shop := w.namespace("shop")
				numbers := v1alpha1.PortRange{From: next, To: next + 119}
				next += 120
				pool := w.pool("team-a", numbers, serving(shop), limitedTo(limit))
				var services []*servicetest.Service
				for i := range creators {
					services = append(services, c.ask(makeService(fmt.Sprintf("%s/web-%d", shop, i)), i, numbers))
				}
				got := w.createAll(services)
				want := min(limit, creators-got.taken)
				if got.numbers > limit || c.exact && (got.numbers != want || got.overMany != creators-got.taken-want) {
					t.Errorf("got %+v, want %d numbers", got, want)
					w.logClaims(numbers)
				}
				w.eventually("the pool counts them", func() error {
					w.must(w.Get(t.Context(), client.ObjectKeyFromObject(pool), pool))
					// What Kubernetes refused after us may be pending.
					if c := pool.Status.Ports; c == nil || int(c.Bound) != got.numbers || c.Bound+c.Pending+c.Held > limit {
						return fmt.Errorf("it counts %+v, %d are given", c, got.numbers)
					}
					return nil
				})
				w.must(w.Delete(t.Context(), pool))
				tidying{w.plane, t}.services(t.Context())
			})
		}
	}
}
