// Package testnet gives a test network namespaces of its own, connected by cables as it says. They have no way out, and
// no name: they vanish with the test, or with its process, however that ends.
package testnet

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Namespace is a network namespace. Its methods may be called concurrently; those without an error fail the test.
type Namespace struct {
	t      T
	handle netns.NsHandle
	links  *netlink.Handle // configures the namespace from any thread
}

// New makes a namespace with loopback up and nothing else in it. Without the right to it the test is skipped.
func New(t T) *Namespace {
	t.Helper()
	n := &Namespace{t: t, handle: netns.None()}
	err := onOwnThread(func() (err error) {
		if err = unix.Unshare(unix.CLONE_NEWNET); err == nil {
			n.handle, err = netns.Get()
		}
		return err
	})
	if errors.Is(err, unix.EPERM) {
		t.Skip("needs root: it makes network namespaces")
	}
	n.must(err)
	n.links, err = netlink.NewHandleAt(n.handle, unix.NETLINK_ROUTE)
	n.must(err)
	t.Cleanup(n.close)
	n.Sysctl("ipv6/conf/default/accept_dad", "0") // addresses that the kernel gives are usable at once, too
	lo, err := n.links.LinkByName("lo")
	n.must(err)
	n.must(n.links.LinkSetUp(lo))
	return n
}

func (n *Namespace) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

func (n *Namespace) close() {
	n.links.Close()
	n.handle.Close()
}

// Do runs f on a thread in the namespace. Sockets that f opens stay in it and children that f starts do too; goroutines
// that f starts are not in it.
func (n *Namespace) Do(f func() error) error {
	return onOwnThread(func() error {
		if err := n.Enter(); err != nil {
			return err
		}
		return f()
	})
}

// Enter moves the calling thread into the namespace. The thread must be the caller's own, and not be used for anything
// else afterwards (runtime.LockOSThread).
func (n *Namespace) Enter() error { return netns.Set(n.handle) }

// Connect lays a cable to another namespace; the ends are interfaces of these names.
func (n *Namespace) Connect(end string, other *Namespace, otherEnd string) {
	n.t.Helper()
	n.must(n.links.LinkAdd(&netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: end},
		PeerName:      otherEnd,
		PeerNamespace: netlink.NsFd(other.handle),
	}))
	n.setUp(end)
	other.setUp(otherEnd)
}

func (n *Namespace) setUp(name string) {
	n.t.Helper()
	link, err := n.links.LinkByName(name)
	n.must(err)
	n.must(n.links.LinkSetUp(link))
}

// Address gives an interface addresses. They can be used at once: nobody else has them, so nobody is asked.
func (n *Namespace) Address(link string, prefixes ...string) {
	n.t.Helper()
	l, err := n.links.LinkByName(link)
	n.must(err)
	for _, p := range prefixes {
		address, err := netlink.ParseAddr(p)
		n.must(err)
		address.Flags = unix.IFA_F_NODAD
		n.must(n.links.AddrAdd(l, address))
	}
}

// RemoveAddress takes addresses away from an interface.
func (n *Namespace) RemoveAddress(link string, prefixes ...string) {
	n.t.Helper()
	l, err := n.links.LinkByName(link)
	n.must(err)
	for _, p := range prefixes {
		address, err := netlink.ParseAddr(p)
		n.must(err)
		n.must(n.links.AddrDel(l, address))
	}
}

// Addresses are those of all interfaces.
func (n *Namespace) Addresses() []netip.Addr {
	n.t.Helper()
	list, err := n.links.AddrList(nil, netlink.FAMILY_ALL)
	n.must(err)
	var all []netip.Addr
	for _, a := range list {
		ip, _ := netip.AddrFromSlice(a.IP)
		all = append(all, ip.Unmap())
	}
	return all
}

// RemoveInterface removes an interface, and its addresses with it; of a cable both ends go.
func (n *Namespace) RemoveInterface(name string) {
	n.t.Helper()
	link, err := n.links.LinkByName(name)
	n.must(err)
	n.must(n.links.LinkDel(link))
}

// Rename gives an interface another name, while it is up.
func (n *Namespace) Rename(name, other string) {
	n.t.Helper()
	link, err := n.links.LinkByName(name)
	n.must(err)
	n.must(n.links.LinkSetName(link, other))
}

// Flap sets an interface down, which takes its IPv6 addresses away, and up again.
func (n *Namespace) Flap(name string) {
	n.t.Helper()
	link, err := n.links.LinkByName(name)
	n.must(err)
	n.must(n.links.LinkSetDown(link))
	n.must(n.links.LinkSetUp(link))
}

// Bridge makes a switch of interfaces, which themselves have no use for addresses then.
func (n *Namespace) Bridge(name string, ports ...string) {
	n.t.Helper()
	bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: name}}
	n.must(n.links.LinkAdd(bridge))
	n.setUp(name)
	for _, p := range ports {
		port, err := n.links.LinkByName(p)
		n.must(err)
		n.must(n.links.LinkSetMaster(port, bridge))
	}
}

// Route sends what is for the destinations ("default" is all of the family) to a neighbour.
func (n *Namespace) Route(via string, destinations ...string) {
	n.t.Helper()
	gateway := netip.MustParseAddr(via)
	for _, d := range destinations {
		r := &netlink.Route{Gw: gateway.AsSlice()}
		if d != "default" {
			_, dst, err := net.ParseCIDR(d)
			n.must(err)
			r.Dst = dst
		}
		n.must(n.links.RouteAdd(r))
	}
}

// Own makes all addresses of the prefixes the namespace's own, as those of its loopback are: who serves a port of all
// addresses serves it on them. They are to be routed here.
func (n *Namespace) Own(prefixes ...string) {
	n.t.Helper()
	lo, err := n.links.LinkByName("lo")
	n.must(err)
	for _, p := range prefixes {
		_, dst, err := net.ParseCIDR(p)
		n.must(err)
		n.must(n.links.RouteAdd(&netlink.Route{
			LinkIndex: lo.Attrs().Index, Dst: dst, Type: unix.RTN_LOCAL, Scope: unix.RT_SCOPE_HOST, Table: unix.RT_TABLE_LOCAL,
		}))
	}
}

// Sysctl sets a value below /proc/sys/net.
func (n *Namespace) Sysctl(name, value string) {
	n.t.Helper()
	n.must(n.Do(func() error { // /proc/sys/net shows the namespace of the thread that opens it
		return os.WriteFile(filepath.Join("/proc/sys/net", name), []byte(value), 0o644)
	}))
}

// onOwnThread runs f on a thread that does nothing else and ends afterwards, so f may change the thread as it likes.
func onOwnThread(f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != os.Getpid() {
			result <- f() // never unlocked: the runtime ends the thread when the goroutine returns
			return
		}
		// The main thread never ends, so another is taken while this goroutine holds it.
		result <- onOwnThread(f)
		runtime.UnlockOSThread()
	}()
	return <-result
}
