package testnet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Echo is what a host that serves a port answers.
type Echo struct {
	// Host is the name of the one that answers.
	Host string
	// Client is who asked, as the host sees it.
	Client netip.AddrPort
}

// Serve answers on a port of all addresses of the host, over TCP to whoever connects and over UDP to each datagram, until
// the test ends.
func (h *Host) Serve(port uint16) {
	h.t.Helper()
	address := fmt.Sprint(":", port)
	var serving sync.WaitGroup
	var listener net.Listener
	var packets net.PacketConn
	h.must(h.Do(func() (err error) {
		if listener, err = net.Listen("tcp", address); err == nil {
			packets, err = net.ListenPacket("udp", address)
		}
		return err
	}))
	serving.Go(func() { h.serveTCP(listener) })
	serving.Go(func() { h.serveUDP(packets) })
	h.t.Cleanup(func() {
		listener.Close()
		packets.Close()
		serving.Wait()
	})
}

func (h *Host) serveTCP(l net.Listener) {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // the client has gone again
		}
		go func() {
			defer c.Close()
			_, _ = c.Write(h.answer(c.RemoteAddr()))
			_, _ = c.Read(make([]byte, 1)) // until the client closes
		}()
	}
}

func (h *Host) serveUDP(c net.PacketConn) {
	buffer := make([]byte, 64)
	for {
		_, from, err := c.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			// From the address that was asked, as there is one of each family only.
			_, _ = c.WriteTo(h.answer(from), from)
		}
	}
}

func (h *Host) answer(client net.Addr) []byte { return fmt.Appendf(nil, "%s %s", h.Name, client) }

// Ask asks whoever serves the address, over "tcp" or "udp", as Ask without a host does.
func (h *Host) Ask(ctx context.Context, network string, to netip.AddrPort, timeout time.Duration) (Echo, error) {
	var echo Echo
	err := h.Do(func() (err error) {
		echo, err = Ask(ctx, network, to, timeout)
		return err
	})
	return echo, err
}

// Ask asks from the namespace of the calling thread, which it does not leave. The error is one of package net's: with
// unix.ECONNREFUSED, nobody serves the address; a timeout, nobody says anything.
func Ask(ctx context.Context, network string, to netip.AddrPort, timeout time.Duration) (Echo, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c, err := (&net.Dialer{}).DialContext(ctx, network, to.String())
	if err != nil {
		return Echo{}, err
	}
	defer c.Close()
	deadline, _ := ctx.Deadline()
	if err := c.SetDeadline(deadline); err != nil {
		return Echo{}, err
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		// Closed by a reset, so that nothing of it is left: who asks thousands of times a second would meet his own old
		// connections.
		_ = tcp.SetLinger(0)
	} else {
		// What the host's own rules refuse fails here, with EPERM. How they told it so shows when it reads.
		if _, err := c.Write([]byte("?")); err != nil && !errors.Is(err, unix.EPERM) {
			return Echo{}, err
		}
	}
	buffer := make([]byte, 128)
	n, err := c.Read(buffer)
	if err != nil {
		return Echo{}, err
	}
	return parseEcho(string(buffer[:n]))
}

func parseEcho(text string) (Echo, error) {
	host, client, _ := strings.Cut(text, " ")
	address, err := netip.ParseAddrPort(client)
	return Echo{host, netip.AddrPortFrom(address.Addr().Unmap(), address.Port())}, err
}
