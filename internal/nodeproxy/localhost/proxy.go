// Package localhost serves node ports at the node's loopback addresses, 127.0.0.0/8 and ::1, over TCP.
//
// A packet cannot leave a node with a loopback address as its source, so these connections cannot be sent on to an
// endpoint like others. The table redirects them to one listener (see Rules.Localhost of package nft), and for each it
// makes another connection, from the node to its own node port. So that one is balanced, refused and masqueraded as any
// other. It needs no sysctl, and serves IPv6 as well as IPv4.
//
// # What a client sees
//
// A connection is accepted before anybody knows whether an endpoint answers. Where none does, it is reset at once
// instead of being refused: before or after its connect returns, as it happens. A node port that has no endpoint at all
// the table refuses by itself. The endpoint sees an address of the node as its client.
//
// Connections end with the process. Until the next one has told the table its port, new ones are refused; but if some
// process of the node has taken that port in the meantime, it gets them. So one that ends in good order had better
// install rules without a listener first.
//
// # What is not served
//
// UDP and SCTP. The kernel does not say where a redirected datagram was to go. It could be sent on to an endpoint with
// the sysctl net.ipv4.conf.all.route_localnet, on IPv4. But that lets the node's neighbours in to whatever listens at
// 127.0.0.1 (CVE-2020-8558) unless something keeps them out; it stays on when this table has gone, and what conntrack
// does not track never meets it. Nor may a container without privileges set it. kube-proxy's nftables mode serves no
// node ports at localhost at all.
package localhost

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// connections are how many there may be at a time. Each takes two file descriptors, and up to four more for the
	// pipes that the kernel passes its data through.
	connections = 2048
	// patience is how long an endpoint may take to accept: long enough for a few SYNs.
	patience = 10 * time.Second
	// attempts are how many ports are tried until one is free at both addresses.
	attempts = 16
)

// Proxy is a listener at 127.0.0.1 and ::1, and the connections made through it.
type Proxy struct {
	listeners []*net.TCPListener
	// places holds one for each connection that there is.
	places chan struct{}
	// dial connects to a node port.
	dial func(context.Context, netip.AddrPort) (net.Conn, error)
	// lingering is how long a connection lasts of which one end has said all that it will.
	lingering time.Duration
}

// Listen takes a port that is free at both addresses; at 127.0.0.1 alone on a node without IPv6.
func Listen(ctx context.Context) (*Proxy, error) {
	var err error
	for range attempts {
		var listeners []*net.TCPListener
		if listeners, err = listen(ctx); err == nil {
			return newProxy(listeners), nil
		}
	}
	return nil, fmt.Errorf("listen for connections to node ports at localhost: %w", err)
}

func newProxy(listeners []*net.TCPListener) *Proxy {
	p := &Proxy{listeners: listeners, places: make(chan struct{}, connections), lingering: lingering}
	dialer := &net.Dialer{Timeout: patience}
	p.dial = func(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", to.String())
	}
	return p
}

// listen fails where the port that the kernel picks for one address is not free at the other.
func listen(ctx context.Context) ([]*net.TCPListener, error) {
	first, err := listenAt(ctx, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0))
	if err != nil {
		return nil, err
	}
	second, err := listenAt(ctx, netip.AddrPortFrom(netip.IPv6Loopback(), portOf(first)))
	switch {
	case errors.Is(err, unix.EADDRNOTAVAIL), errors.Is(err, unix.EAFNOSUPPORT):
		return []*net.TCPListener{first}, nil
	case err != nil:
		first.Close()
		return nil, err
	}
	return []*net.TCPListener{first, second}, nil
}

// listenAt does without multipath TCP: of that the kernel does not say where a connection was to go.
func listenAt(ctx context.Context, at netip.AddrPort) (*net.TCPListener, error) {
	var c net.ListenConfig
	c.SetMultipathTCP(false)
	l, err := c.Listen(ctx, "tcp", at.String())
	if err != nil {
		return nil, err
	}
	return l.(*net.TCPListener), nil
}

func portOf(l net.Listener) uint16 { return l.Addr().(*net.TCPAddr).AddrPort().Port() }

// Port is what connections are to be redirected to.
func (p *Proxy) Port() uint16 { return portOf(p.listeners[0]) }

// Serve serves connections until ctx ends; then it gives up the port and resets those that are left. nodeAddress is asked
// for each, from any goroutine: which address of the node, of the same family as the one given, has node ports now?
// Where it is the zero Addr, the connection is reset.
func (p *Proxy) Serve(ctx context.Context, nodeAddress func(like netip.Addr) netip.Addr) {
	var serving sync.WaitGroup
	defer serving.Wait()
	for _, l := range p.listeners {
		serving.Go(func() {
			<-ctx.Done()
			l.Close()
		})
		serving.Go(func() {
			p.accept(ctx, l, func(c *net.TCPConn) {
				serving.Go(func() { p.serve(ctx, c, nodeAddress) })
			})
		})
	}
}

// accept resets connections that there is no place for.
func (p *Proxy) accept(ctx context.Context, l *net.TCPListener, serve func(*net.TCPConn)) {
	for ctx.Err() == nil {
		c, err := l.AcceptTCP()
		if err != nil {
			wait(ctx, 50*time.Millisecond) // the client has gone again, or file descriptors have run out
			continue
		}
		select {
		case p.places <- struct{}{}:
			serve(c)
		default:
			reset(c)
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// serve has the place of a connection, and gives it back.
func (p *Proxy) serve(ctx context.Context, client *net.TCPConn, nodeAddress func(netip.Addr) netip.Addr) {
	defer func() { <-p.places }()
	node, err := p.connect(ctx, client, nodeAddress)
	if err != nil {
		reset(client)
		return
	}
	relay(ctx, client, node, p.lingering)
}

var errNowhere = errors.New("the node has no node ports of the family")

// connect connects to the node port that a client wants. An address that is loopback itself would lead back here.
func (p *Proxy) connect(ctx context.Context, client *net.TCPConn, nodeAddress func(netip.Addr) netip.Addr) (*net.TCPConn, error) {
	to, err := destination(client)
	if err != nil {
		return nil, err
	}
	address := nodeAddress(to.Addr())
	if !address.IsValid() || address.IsLoopback() {
		return nil, errNowhere
	}
	c, err := p.dial(ctx, netip.AddrPortFrom(address, to.Port()))
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}
