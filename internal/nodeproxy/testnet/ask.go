package testnet

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Ask asks whoever serves the address, over "tcp", "udp" or "sctp", as Ask without a host does.
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
	end := time.Now().Add(timeout)
	f, err := DialFrom(ctx, network, askFrom(network), to, timeout)
	if err != nil {
		return Echo{}, err
	}
	defer f.Close()
	return f.Ask(time.Until(end))
}

// asked counts what was asked over UDP.
var asked atomic.Uint32

// askFrom is the port to ask from; 0 for one of the kernel's choice. Over UDP each is another one, and none that the kernel
// chooses: a port that was just asked from would go on with the flow of then, which leads where that led.
func askFrom(network string) uint16 {
	const first, count = 10000, 20000
	if network != "udp" {
		return 0
	}
	return uint16(first + asked.Add(1)%count)
}

// Flow is a connection, or the datagrams from one port: what a connection tracker keeps together. One may ask at a time.
type Flow struct {
	conn    net.Conn
	greeted bool // over TCP the answer to the connection has been read
}

// Dial opens a flow, as Dial without a host does.
func (h *Host) Dial(ctx context.Context, network string, to netip.AddrPort, timeout time.Duration) (*Flow, error) {
	var f *Flow
	err := h.Do(func() (err error) {
		f, err = Dial(ctx, network, to, timeout)
		return err
	})
	return f, err
}

// Dial opens a flow from the namespace of the calling thread. Over TCP it connects; else nothing is sent yet.
func Dial(ctx context.Context, network string, to netip.AddrPort, timeout time.Duration) (*Flow, error) {
	return DialFrom(ctx, network, 0, to, timeout)
}

// DialFrom is Dial from a port; 0 is one of the kernel's choice, which may have been another flow's a moment ago.
func DialFrom(ctx context.Context, network string, from uint16, to netip.AddrPort, timeout time.Duration) (*Flow, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	dialer := &net.Dialer{}
	switch {
	case network == "sctp":
		c, err := dialSCTP(ctx, from, to)
		if err != nil {
			return nil, err
		}
		return &Flow{conn: c}, nil
	case from != 0 && network == "tcp":
		dialer.LocalAddr = &net.TCPAddr{Port: int(from)}
	case from != 0:
		dialer.LocalAddr = &net.UDPAddr{Port: int(from)}
	}
	c, err := dialer.DialContext(ctx, network, to.String())
	if err != nil {
		return nil, err
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		// Closed by a reset, so that nothing of it is left: who asks thousands of times a second would meet his own old
		// connections.
		_ = tcp.SetLinger(0)
	}
	return &Flow{conn: c}, nil
}

// Ask asks once more. Its errors are those of Ask without a flow.
func (f *Flow) Ask(timeout time.Duration) (Echo, error) {
	if err := f.conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return Echo{}, err
	}
	_, tcp := f.conn.(*net.TCPConn)
	if !tcp || f.greeted {
		// What the host's own rules refuse fails here, with EPERM. How they told it so shows when it reads.
		if _, err := f.conn.Write([]byte("?")); err != nil && !errors.Is(err, unix.EPERM) {
			return Echo{}, err
		}
	}
	f.greeted = true
	buffer := make([]byte, 128)
	n, err := f.conn.Read(buffer)
	if err != nil {
		return Echo{}, err
	}
	return parseEcho(string(buffer[:n]))
}

// Close ends the flow; over TCP with a reset.
func (f *Flow) Close() { f.conn.Close() }
