package proxysite

import (
	"context"
	"errors"
	"net"
	"net/url"
	"sync"
	"sync/atomic"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// serveAPI makes the API server, which listens on the host's loopback, reachable at the same address of the node's
// loopback: kubeconfigs of the host are good on the node, and the certificate names the address.
func (s *Site) serveAPI(t testnet.T) func(context.Context) error {
	return func(context.Context) error {
		server, err := url.Parse(s.Plane.Config().Host)
		if err != nil {
			return err
		}
		var listener net.Listener
		if err := s.Node.Do(func() (err error) {
			listener, err = net.Listen("tcp", server.Host)
			return err
		}); err != nil {
			return err
		}
		t.Cleanup(func() {
			listener.Close()
			s.gateway.become(open)
		})
		go s.gateway.relayAll(listener, server.Host)
		return nil
	}
}

// CutOff has the node lose the API server: connections end, and new ones too. For others it stays.
func (s *Site) CutOff() { s.gateway.become(cut) }

// Silence has nothing pass between the node and the API server any more, and nobody told.
func (s *Site) Silence() { s.gateway.become(silent) }

// Reconnect ends CutOff and Silence. What stood during the latter goes on.
func (s *Site) Reconnect() { s.gateway.become(open) }

// Received is how many bytes the node has had from the API server so far, as TCP carries them.
func (s *Site) Received() int64 { return s.gateway.received.Load() }

// passage says what passes a gateway.
type passage int

const (
	open passage = iota
	cut
	silent
)

// gateway is the node's only way to the API server.
type gateway struct {
	received atomic.Int64 // bytes, from the server

	mu      sync.Mutex // guards all below
	passage passage
	changed *sync.Cond
	conns   map[net.Conn]bool
}

func newGateway() *gateway {
	g := &gateway{conns: map[net.Conn]bool{}}
	g.changed = sync.NewCond(&g.mu)
	return g
}

func (g *gateway) become(p passage) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.passage = p
	g.changed.Broadcast()
	if p != cut {
		return
	}
	for conn := range g.conns {
		_ = conn.Close()
	}
}

// await returns when something may pass.
func (g *gateway) await() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for g.passage == silent {
		g.changed.Wait()
	}
}

// relayAll passes bytes between each that connects and the address, until the listener is closed. What is connected
// then stays until one of the two ends it.
func (g *gateway) relayAll(listener net.Listener, address string) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			go g.relay(conn, address)
		}
	}
}

func (g *gateway) relay(conn net.Conn, address string) {
	if !g.enter(conn) {
		return
	}
	defer g.leave(conn)
	server, err := net.Dial("tcp", address)
	if err != nil {
		return // which the client sees like a server that is away
	}
	defer server.Close()
	var both sync.WaitGroup
	both.Go(func() { g.pass(server, conn, &atomic.Int64{}) })
	g.pass(conn, server, &g.received)
	both.Wait()
}

// enter takes a connection, unless the node is cut off.
func (g *gateway) enter(conn net.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.passage == cut {
		_ = conn.Close()
		return false
	}
	g.conns[conn] = true
	return true
}

func (g *gateway) leave(conn net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, conn)
	_ = conn.Close()
}

// pass copies one way to the end, counts the bytes, and passes the end on.
func (g *gateway) pass(to, from net.Conn, bytes *atomic.Int64) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		g.await()
		if n > 0 {
			bytes.Add(int64(n))
			if _, failed := to.Write(buffer[:n]); failed != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	if tcp, ok := to.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
}
