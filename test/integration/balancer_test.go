package integration

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/portolan-dev/portolan/internal/manager"
	"github.com/portolan-dev/portolan/test/install"
)

// endpointLag is how long a Service's rules are behind the state of its endpoints.
const endpointLag = 500 * time.Millisecond

// deployment is several replicas behind a balancer.
type deployment struct {
	*world
	*install.Balancer
	members []member
}

type member struct {
	*install.Replica
	endpoint string
}

// deploy starts replicas as a Deployment does. They drain for longer than the balancer is behind.
func (w *world) deploy(replicas int) *deployment {
	w.Helper()
	balancer, err := w.Balance()
	w.must(err)
	w.Cleanup(balancer.Close)
	d := &deployment{world: w, Balancer: balancer}
	for range replicas {
		m := d.startMember()
		d.Add(m.endpoint)
	}
	return d
}

func (d *deployment) startMember() member {
	d.Helper()
	port := freePort(d.world)
	m := member{endpoint: fmt.Sprintf("127.0.0.1:%d", port)}
	m.Replica = d.start(func(o *manager.Options) {
		o.WebhookPort, o.ShutdownDelay, o.CertificateSettle = port, 2*endpointLag, rotationSettle
	})
	d.members = append(d.members, m)
	return m
}

// restart replaces one replica after the other, each as soon as the one before has a successor that is ready.
func (d *deployment) restart() {
	d.Helper()
	var ending sync.WaitGroup
	defer ending.Wait()
	for range d.members {
		next := d.startMember()
		time.AfterFunc(endpointLag, func() { d.Add(next.endpoint) })
		old := d.members[0]
		d.members = d.members[1:]
		d.forget(old.Replica)
		time.AfterFunc(endpointLag, func() { d.Remove(old.endpoint) })
		ending.Go(func() {
			if err := old.Stop(); err != nil {
				d.Errorf("stop the manager: %v", err)
			}
		})
	}
}

// forget has the test go on without a replica.
func (w *world) forget(r *install.Replica) {
	w.replicas = slices.DeleteFunc(w.replicas, func(other *install.Replica) bool { return other == r })
}
