package integration

import (
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/portolan-dev/portolan/internal/manager"
	"github.com/portolan-dev/portolan/test/install"
)

// endpointLag is how long a Service's rules are behind the state of its endpoints.
const endpointLag = 500 * time.Millisecond

// balancer stands where the API server calls the webhooks and does what a Service does: a new connection goes to one of
// the endpoints and stays there to its end, whatever becomes of that endpoint.
type balancer struct {
	mu        sync.Mutex // guards all below
	endpoints []string
	turn      int
}

func (w *world) balance() *balancer {
	w.Helper()
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", w.WebhookPort))
	w.must(err)
	w.Cleanup(func() { _ = listener.Close() })
	b := &balancer{}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			go b.serve(conn)
		}
	}()
	return b
}

// serve joins a connection to an endpoint. Without one, or if that does not answer, it is closed: refused, as far as the
// client can tell.
func (b *balancer) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	endpoint, err := net.Dial("tcp", b.next())
	if err != nil {
		return
	}
	defer func() { _ = endpoint.Close() }()
	var both sync.WaitGroup
	both.Go(func() { pass(endpoint, conn) })
	both.Go(func() { pass(conn, endpoint) })
	both.Wait()
}

// pass passes bytes to their end, and that too.
func pass(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.(*net.TCPConn).CloseWrite()
}

func (b *balancer) next() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.endpoints) == 0 {
		return ""
	}
	b.turn++
	return b.endpoints[b.turn%len(b.endpoints)]
}

func (b *balancer) add(endpoint string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.endpoints = append(b.endpoints, endpoint)
}

func (b *balancer) remove(endpoint string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.endpoints = slices.DeleteFunc(b.endpoints, func(e string) bool { return e == endpoint })
}

// deployment is several replicas behind a balancer.
type deployment struct {
	*world
	*balancer
	members []member
}

type member struct {
	*install.Replica
	endpoint string
}

// deploy starts replicas as a Deployment does. They drain for longer than the balancer is behind.
func (w *world) deploy(replicas int) *deployment {
	w.Helper()
	d := &deployment{world: w, balancer: w.balance()}
	for range replicas {
		m := d.startMember()
		d.balancer.add(m.endpoint)
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
		time.AfterFunc(endpointLag, func() { d.balancer.add(next.endpoint) })
		old := d.members[0]
		d.members = d.members[1:]
		d.forget(old.Replica)
		time.AfterFunc(endpointLag, func() { d.balancer.remove(old.endpoint) })
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
