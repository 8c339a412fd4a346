package proxysite

import (
	"context"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"

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
		t.Cleanup(func() { listener.Close() })
		go relayAll(listener, server.Host)
		return nil
	}
}

// relayAll passes bytes between each that connects and the address, until the listener is closed. What is connected
// then stays until one of the two ends it.
func relayAll(listener net.Listener, address string) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			go relay(conn, address)
		}
	}
}

func relay(conn net.Conn, address string) {
	defer conn.Close()
	server, err := net.Dial("tcp", address)
	if err != nil {
		return // which the client sees like a server that is away
	}
	defer server.Close()
	var both sync.WaitGroup
	both.Go(func() { pass(server, conn) })
	pass(conn, server)
	both.Wait()
}

// pass copies one way to the end, and passes the end on.
func pass(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if tcp, ok := to.(*net.TCPConn); ok {
		_ = tcp.CloseWrite()
	}
}
