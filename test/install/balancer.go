package install

import (
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
)

// Balancer stands where the API server calls the webhooks and does what a Service does: a new connection goes to one of
// the endpoints and stays there to its end, whatever becomes of that endpoint. Any number of goroutines may use it.
type Balancer struct {
	listener net.Listener

	mu        sync.Mutex // guards all below
	endpoints []string
	turn      int
}

// Balance begins to stand there, without endpoints.
func (i *Installation) Balance() (*Balancer, error) {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", i.WebhookPort))
	if err != nil {
		return nil, err
	}
	b := &Balancer{listener: listener}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // closed
			}
			go b.serve(conn)
		}
	}()
	return b, nil
}

// Close ends it for new connections.
func (b *Balancer) Close() { _ = b.listener.Close() }

// serve joins a connection to an endpoint. Without one, or if that does not answer, it is closed: refused, as far as the
// client can tell.
func (b *Balancer) serve(conn net.Conn) {
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

func (b *Balancer) next() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.endpoints) == 0 {
		return ""
	}
	b.turn++
	return b.endpoints[b.turn%len(b.endpoints)]
}

// Add has new connections go to an endpoint ("127.0.0.1:9443"), too.
func (b *Balancer) Add(endpoint string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.endpoints = append(b.endpoints, endpoint)
}

// Remove has no new connection go to an endpoint. Those that there are stay.
func (b *Balancer) Remove(endpoint string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.endpoints = slices.DeleteFunc(b.endpoints, func(e string) bool { return e == endpoint })
}
