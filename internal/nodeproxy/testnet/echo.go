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
// UDP to each datagram, until the test ends. It answers under a name, and from the address that was asked.
func (h *Host) ServeAs(name string, port uint16) {
	h.t.Helper()
	var serving sync.WaitGroup
	var listener net.Listener
	var packets [2]*net.UDPConn
	h.must(h.Do(func() (err error) {
		if listener, err = net.Listen("tcp", fmt.Sprint(":", port)); err != nil {
			return err
		}
		for i, family := range families {
			if packets[i], err = family.listen(int(port)); err != nil {
				return err
			}
		}
		return nil
	}))
	serving.Go(func() { serveTCP(name, listener) })
	for i, family := range families {
		serving.Go(func() { family.serve(name, packets[i]) })
	}
	h.t.Cleanup(func() {
		listener.Close()
		for _, p := range packets {
			p.Close()
		}
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

func answer(name string, client net.Addr) []byte { return fmt.Appendf(nil, "%s %s", name, client) }

func parseEcho(text string) (Echo, error) {
	host, client, _ := strings.Cut(text, " ")
	address, err := netip.ParseAddrPort(client)
	return Echo{host, netip.AddrPortFrom(address.Addr().Unmap(), address.Port())}, err
}
