package localhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// Node ports of a site.
const (
	balanced uint16 = 30080 // to two pods
	scripted uint16 = 30081 // to pod0, where a test listens itself, or nobody does
	refused  uint16 = 30082 // to nobody

	podPort      uint16 = 8080
	scriptedPort uint16 = 8081

	soon = 5 * time.Second
)

// loopback are addresses of processes that ask for node ports at localhost.
var loopback = []string{"127.0.0.1", "127.1.2.3", "::1"}

// site is a node whose node ports are served at localhost.
type site struct {
	*testnet.Site
	t      *testing.T
	kernel *nft.Kernel
	proxy  *Proxy
	// nodeAddress is what the proxy asks.
	nodeAddress func(netip.Addr) netip.Addr
	stop        func() // the proxy, and wait for it
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{Site: testnet.NewSite(t, 2), t: t}
	s.nodeAddress = s.Node.AddressLike
	for _, p := range s.Pods {
		p.Serve(podPort)
	}
	s.must(s.Node.Do(func() (err error) {
		s.kernel, err = nft.Open()
		return err
	}))
	t.Cleanup(func() { s.kernel.Close() })
	s.start()
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) start() { s.startWith(func(*Proxy) {}) }

// startWith starts a proxy, changed as the test wants it, and has the table redirect to it.
func (s *site) startWith(change func(*Proxy)) {
	s.t.Helper()
	s.must(s.Node.Do(func() (err error) {
		s.proxy, err = Listen(s.t.Context())
		return err
	}))
	dial := s.proxy.dial
	s.proxy.dial = func(ctx context.Context, to netip.AddrPort) (c net.Conn, err error) {
		err = s.Node.Do(func() (err error) {
			c, err = dial(ctx, to)
			return err
		})
		return c, err
	}
	change(s.proxy)
	s.serve()
	have, err := s.kernel.Read()
	s.must(err)
	s.must(s.kernel.Install(nft.Rules{Localhost: s.proxy.Port()}, nft.Diff(have, s.table())))
}

func (s *site) serve() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.proxy.Serve(ctx, s.nodeAddress)
	}()
	s.stop = func() {
		cancel()
		<-done
	}
	s.t.Cleanup(s.stop)
}

func (s *site) table() nft.Table {
	var elements []nft.Element
	for f, like := range map[nft.Family]netip.Addr{nft.IPv4: netip.IPv4Unspecified(), nft.IPv6: netip.IPv6Unspecified()} {
		first, second := s.Pods[0].AddressLike(like), s.Pods[1].AddressLike(like)
		elements = append(elements,
			nft.NodePortAddress(s.Node.AddressLike(like)),
			nft.NodePort(f, nft.TCP, balanced, nft.Word{Action: nft.Balance(2), List: 1}), nft.MasqueradeNodePort(f, nft.TCP, balanced),
			nft.Endpoint(1, 0, netip.AddrPortFrom(first, podPort)), nft.Endpoint(1, 1, netip.AddrPortFrom(second, podPort)),
			nft.NodePort(f, nft.TCP, scripted, nft.Word{Action: nft.Balance(1), List: 2}), nft.MasqueradeNodePort(f, nft.TCP, scripted),
			nft.Endpoint(2, 0, netip.AddrPortFrom(first, scriptedPort)),
			nft.NodePort(f, nft.TCP, refused, nft.Word{Action: nft.Refuse()}),
		)
	}
	return nft.NewTable(elements...)
}

// connect connects from the node to a loopback address.
func (s *site) connect(address string, port uint16) (*net.TCPConn, error) {
	var c net.Conn
	err := s.Node.Do(func() (err error) {
		c, err = (&net.Dialer{Timeout: soon}).DialContext(s.t.Context(), "tcp", netip.AddrPortFrom(netip.MustParseAddr(address), port).String())
		return err
	})
	if err != nil {
		return nil, err
	}
	s.t.Cleanup(func() { c.Close() })
	return c.(*net.TCPConn), c.SetDeadline(time.Now().Add(soon))
}

// wantResetAt wants a connection to be reset soon, be it before the client knows that it is one.
func (s *site) wantResetAt(address string, port uint16) {
	s.t.Helper()
	c, err := s.connect(address, port)
	switch {
	case err == nil:
		wantReset(s.t, c)
	case !errors.Is(err, unix.ECONNRESET):
		s.t.Errorf("%s: %v, want the connection to be reset", address, err)
	}
}

// wantReset wants a connection to be reset soon, and nothing to come before.
func wantReset(t *testing.T, c *net.TCPConn) {
	t.Helper()
	if text, err := io.ReadAll(c); len(text) > 0 || !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("the connection brings %q, error %v; want it to be reset", text, err)
	}
}

func TestAConnectionToLocalhostIsServedLikeOneToTheNodePort(t *testing.T) {
	s := newSite(t)
	for _, address := range loopback {
		to := netip.AddrPortFrom(netip.MustParseAddr(address), balanced)
		var hosts []string
		for range 40 {
			echo, err := s.Node.Ask(t.Context(), "tcp", to, soon)
			if err != nil {
				t.Fatalf("%s: %v", to, err)
			}
			hosts = append(hosts, echo.Host)
			if echo.Client.Addr().IsLoopback() {
				t.Errorf("%s: the pod sees %s", to, echo.Client)
			}
		}
		slices.Sort(hosts)
		if got := fmt.Sprint(slices.Compact(hosts)); got != "[pod0 pod1]" {
			t.Errorf("%s: answers from %s", to, got)
		}
	}
}

func TestWhereNobodyAnswersTheConnectionIsReset(t *testing.T) {
	s := newSite(t)
	for _, address := range loopback {
		s.wantResetAt(address, scripted)
	}
}

func TestWhereThereIsNoEndpointTheConnectionIsRefused(t *testing.T) {
	s := newSite(t)
	for _, address := range loopback {
		if _, err := s.connect(address, refused); !errors.Is(err, unix.ECONNREFUSED) {
			t.Errorf("%s: %v, want it to be refused", address, err)
		}
	}
}

func TestAConnectionStraightToTheListenerIsReset(t *testing.T) {
	s := newSite(t)
	for _, address := range []string{"127.0.0.1", "::1"} {
		s.wantResetAt(address, s.proxy.Port())
	}
}

func TestANodeWithoutAnAddressOfTheFamilyResets(t *testing.T) {
	for name, answer := range map[string]netip.Addr{
		"none":           {},
		"a loopback one": netip.MustParseAddr("127.0.0.1"),
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.stop()
			s.nodeAddress = func(netip.Addr) netip.Addr { return answer }
			s.start()
			s.wantResetAt("127.0.0.1", balanced)
		})
	}
}

// script has pod0 do something with the one connection that comes to it.
func (s *site) script(do func(*net.TCPConn) error) (done <-chan error) {
	s.t.Helper()
	var l net.Listener
	s.must(s.Pods[0].Do(func() (err error) {
		l, err = net.Listen("tcp", fmt.Sprint(":", scriptedPort))
		return err
	}))
	s.t.Cleanup(func() { l.Close() })
	result := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(soon))
			err = do(c.(*net.TCPConn))
		}
		result <- err
	}()
	return result
}

func TestAnEndThatClosesHalfIsStillAnswered(t *testing.T) {
	s := newSite(t)
	const size = 4 << 20
	done := s.script(func(c *net.TCPConn) error {
		text, err := io.ReadAll(c)
		if err == nil {
			_, err = fmt.Fprintf(c, "%d bytes, thank you", len(text))
		}
		return err
	})
	c, err := s.connect("::1", scripted)
	s.must(err)
	_, err = io.WriteString(c, strings.Repeat("x", size))
	s.must(err)
	s.must(c.CloseWrite())
	if answer, err := io.ReadAll(c); err != nil || string(answer) != fmt.Sprintf("%d bytes, thank you", size) {
		t.Errorf("the client reads %q, error %v", answer, err)
	}
	s.must(<-done)
}

func TestAfterARestartTheTableLeadsToTheNewListener(t *testing.T) {
	s := newSite(t)
	to := netip.MustParseAddrPort("127.0.0.1:30080")
	first := s.proxy.Port()
	s.stop()
	if _, err := s.Node.Ask(t.Context(), "tcp", to, soon); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("while nobody listens: %v, want it to be refused", err)
	}
	taken := s.occupy(first)
	defer taken.Close()
	s.start()
	if s.proxy.Port() == first {
		t.Fatalf("both listen at %d", first)
	}
	if _, err := s.Node.Ask(t.Context(), "tcp", to, soon); err != nil {
		t.Error(err)
	}
}

// occupy takes a port of the node's ::1.
func (s *site) occupy(port uint16) (l net.Listener) {
	s.t.Helper()
	s.must(s.Node.Do(func() (err error) {
		l, err = net.Listen("tcp", netip.AddrPortFrom(netip.IPv6Loopback(), port).String())
		return err
	}))
	return l
}

func TestANodeWithoutIPv6IsServedByIPv4(t *testing.T) {
	n := testnet.New(t)
	n.Sysctl("ipv6/conf/all/disable_ipv6", "1")
	var p *Proxy
	err := n.Do(func() (err error) {
		p, err = Listen(t.Context())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.Serve(ctx, nil)
	if len(p.listeners) != 1 {
		t.Errorf("%d listeners, want that of IPv4", len(p.listeners))
	}
}

func TestThereAreOnlySoManyConnections(t *testing.T) {
	s := newSite(t)
	s.stop()
	s.startWith(func(p *Proxy) { p.places = make(chan struct{}, 2) })
	to := netip.MustParseAddrPort("127.0.0.1:30080")
	open := func() *net.TCPConn {
		c, err := s.connect("127.0.0.1", balanced)
		s.must(err)
		return c
	}
	answered := func(c *net.TCPConn) bool {
		n, _ := c.Read(make([]byte, 1))
		return n == 1
	}
	first, second := open(), open()
	if !answered(first) || !answered(second) {
		t.Fatal("the first two are not answered")
	}
	s.wantResetAt("127.0.0.1", balanced)
	first.Close()
	for end := time.Now().Add(soon); ; {
		if _, err := s.Node.Ask(t.Context(), "tcp", to, soon); err == nil {
			break
		} else if time.Now().After(end) {
			t.Fatalf("when one has gone: %v", err)
		}
	}
}
