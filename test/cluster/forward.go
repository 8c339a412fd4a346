package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

// forwardAPIServer makes the API server, which listens on the host's loopback, reachable at the bridge's address: a
// plain relay of bytes, whose certificate names that address too. It runs until Stop.
func (c *Cluster) forwardAPIServer() error {
	var listener net.Listener
	err := c.network.bridge.do(func() (err error) {
		listener, err = net.Listen("tcp4", net.JoinHostPort(c.advertiseIP(), strconv.Itoa(c.port)))
		return err
	})
	if err != nil {
		return fmt.Errorf("listening for the nodes on the bridge: %w", err)
	}
	context.AfterFunc(c.running, func() { listener.Close() })
	c.background.Go(func() { c.acceptAll(listener) })
	return nil
}

func (c *Cluster) acceptAll(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(readyPoll) // out of file descriptors, most likely
			continue
		}
		c.background.Go(func() { c.relay(conn) })
	}
}

// relay joins a connection to one to the API server until both sides are done. While the API server is down the
// connection is closed, which its client sees like a refusal.
func (c *Cluster) relay(conn net.Conn) {
	defer conn.Close()
	server, err := net.Dial("tcp4", net.JoinHostPort(loopback, strconv.Itoa(c.port)))
	if err != nil {
		return
	}
	defer server.Close()
	defer context.AfterFunc(c.running, func() {
		conn.Close()
		server.Close()
	})()
	var wg sync.WaitGroup
	wg.Go(func() { copyAndClose(server, conn) })
	copyAndClose(conn, server)
	wg.Wait()
}

func copyAndClose(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if half, ok := to.(*net.TCPConn); ok {
		_ = half.CloseWrite()
	}
}
