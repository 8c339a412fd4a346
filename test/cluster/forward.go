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

// relay joins a connection to one to the API server. While that is down the connection is closed, which its client sees
// like a refusal.
func (c *Cluster) relay(conn net.Conn) {
	server, err := net.Dial("tcp4", net.JoinHostPort(loopback, strconv.Itoa(c.port)))
	if err != nil {
		conn.Close()
		return
	}
	c.join(conn, server)
}

// join passes bytes both ways until both sides are done, or until Stop, and closes the two.
func (c *Cluster) join(one, other net.Conn) {
	defer one.Close()
	defer other.Close()
	defer context.AfterFunc(c.running, func() {
		one.Close()
		other.Close()
	})()
	var wg sync.WaitGroup
	wg.Go(func() { copyAndClose(other, one) })
	copyAndClose(one, other)
	wg.Wait()
}

// copyAndClose passes bytes one way to their end, and the end too.
func copyAndClose(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}
