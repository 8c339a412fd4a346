package testnet

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
)

// Echo is what a host that serves a port answers.
type Echo struct {
	// Host is the name of the one that answers.
	Host string
	// Client is who asked, as the host sees it.
	Client netip.AddrPort
}

// Serve is ServeAs under the host's name.
func (h *Host) Serve(port uint16) {
	h.t.Helper()
	h.ServeAs(h.Name, port)
}

// ServeAs answers on a port of all addresses of the host, over TCP to whoever connects, and again to each byte, and over
// UDP to each datagram, until the test ends. It answers under a name.
func (h *Host) ServeAs(name string, port uint16) {
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
	serving.Go(func() { serveTCP(name, listener) })
	serving.Go(func() { serveUDP(name, packets) })
	h.t.Cleanup(func() {
		listener.Close()
		packets.Close()
		serving.Wait()
	})
}

func serveTCP(name string, l net.Listener) {
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
			for err := error(nil); err == nil; _, err = c.Read(make([]byte, 1)) { // until the client closes
				_, _ = c.Write(answer(name, c.RemoteAddr()))
			}
		}()
	}
}

func serveUDP(name string, c net.PacketConn) {
	buffer := make([]byte, 64)
	for {
		_, from, err := c.ReadFrom(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			// From the address that was asked, as there is one of each family only.
			_, _ = c.WriteTo(answer(name, from), from)
		}
	}
}

func answer(name string, client net.Addr) []byte { return fmt.Appendf(nil, "%s %s", name, client) }

func parseEcho(text string) (Echo, error) {
	host, client, _ := strings.Cut(text, " ")
	address, err := netip.ParseAddrPort(client)
	return Echo{host, netip.AddrPortFrom(address.Addr().Unmap(), address.Port())}, err
}
