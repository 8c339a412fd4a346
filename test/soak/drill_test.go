package soak

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/internal/serviceports"
	"github.com/portolan-dev/portolan/internal/serviceports/servicetest"
)

// drill looks for numbers that are handed out before what there was is known. All managers are killed. Meanwhile a Service
// is made on many numbers of a pool, which nobody claims. Then the managers are started; what they list of Services and
// claims comes late, and the lease later yet, so that nobody adopts the Service. As soon as a manager is ready, others of the
// pool ask for numbers: by updates, which need nothing but what a manager has in mind.
type drill struct {
	*site
	*user
	askers []*user
}

const (
	// natives are the numbers of a drill's pool that are taken while nobody looks, askers are who ask then.
	natives = 14
	askers  = 2
	// keptBack is for how long managers do not get their lists, asking for how long numbers are asked for then.
	keptBack = 1500 * time.Millisecond
	asking   = 1500 * time.Millisecond
)

func (s *site) newDrill(ctx context.Context, g ground) (*drill, error) {
	u, err := s.newUser(g, 100, drilled)
	if err != nil {
		return nil, err
	}
	d := &drill{site: s, user: u}
	for i := range askers {
		a, err := s.newUser(g, 101+i, drilled)
		if err != nil {
			return nil, err
		}
		name := types.NamespacedName{Namespace: drilled, Name: fmt.Sprint("asker-", i)}
		a.names = []types.NamespacedName{name}
		if a.create(ctx, "create", a.draw(name, 0)); a.look(ctx, name) == nil {
			return nil, fmt.Errorf("%s was not created", name)
		}
		d.askers = append(d.askers, a)
	}
	return d, nil
}

var native = types.NamespacedName{Namespace: drilled, Name: "native"}

// run is the drill.
func (d *drill) run(ctx context.Context) {
	d.site.fault(killAll)
	for _, m := range d.managers {
		m.kill()
	}
	defer func() {
		for _, m := range d.managers {
			m.gate.slowLists.Store(0)
			m.gate.letLead(true)
		}
	}()
	rested := context.WithoutCancel(ctx) // an operation that has begun is waited for
	d.takeNumbers(rested)
	d.site.fault(keepBack)
	for _, m := range d.managers {
		m.gate.slowLists.Store(int64(keptBack))
		m.gate.letLead(false)
		m.revive()
	}
	if !d.awaitAnswer(ctx) {
		return
	}
	var all sync.WaitGroup
	for _, a := range d.askers {
		all.Go(func() { a.askAgain(rested) })
	}
	all.Wait()
}

// takeNumbers makes a Service on numbers that are free, in the place of the last drill's.
func (d *drill) takeNumbers(ctx context.Context) {
	if live := d.look(ctx, native); live != nil {
		d.remove(ctx, "delete", live)
	}
	services := &corev1.ServiceList{}
	if d.site.List(ctx, services, client.InNamespace(drilled)) != nil {
		return
	}
	var taken []int32
	for i := range services.Items {
		taken = append(taken, serviceports.Numbers(serviceports.Requests(&services.Items[i]))...)
	}
	wanted := servicetest.MakeService(native.String())
	for n := d.pool.from; n <= d.pool.to && len(wanted.Obj().Spec.Ports) < natives; n++ {
		if !slices.Contains(taken, n) {
			i := len(wanted.Obj().Spec.Ports)
			wanted.NodePort(80+int32(i), n, servicetest.Named(portName(i)))
		}
	}
	d.create(ctx, "create while all managers are away", wanted.Obj())
}

// awaitAnswer waits until a manager is ready.
func (d *drill) awaitAnswer(ctx context.Context) bool {
	for pause(ctx, 10*time.Millisecond) {
		if d.front.next() != nil {
			return true
		}
	}
	return false
}

// askAgain has a Service ask for two more numbers, give them back, and ask again.
func (u *user) askAgain(ctx context.Context) {
	for began := time.Now(); time.Since(began) < asking; pause(ctx, 50*time.Millisecond) {
		live := u.look(ctx, u.names[0])
		if live == nil {
			continue
		}
		if len(live.Spec.Ports) > 1 {
			u.change(ctx, "drop a port", live, func(svc *corev1.Service) { svc.Spec.Ports = svc.Spec.Ports[:1] })
			continue
		}
		u.change(ctx, "ask before the lists are there", live, func(svc *corev1.Service) {
			addPort(svc, 0)
			addPort(svc, 0)
		})
	}
}
