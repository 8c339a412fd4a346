package cluster

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// namespaces is where ip(8) looks for named network namespaces, so that people can look into ours with it.
const namespaces = "/run/netns"

// namespace is a named network namespace. Its methods may be called concurrently; do may even be called after remove.
type namespace struct {
	name  string
	links *netlink.Handle // configures this namespace from any thread

	mu     sync.RWMutex   // guards handle
	handle netns.NsHandle // closed after remove
}

// newNamespace makes a namespace with loopback up and nothing else in it.
func newNamespace(name string) (*namespace, error) {
	handle, err := makeNamed(name)
	if err != nil {
		return nil, fmt.Errorf("network namespace %s: %w", name, err)
	}
	n := &namespace{name: name, handle: handle}
	if n.links, err = netlink.NewHandleAt(handle, unix.NETLINK_ROUTE); err != nil {
		return nil, errors.Join(err, n.remove())
	}
	lo, err := n.links.LinkByName("lo")
	if err == nil {
		err = n.links.LinkSetUp(lo)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("loopback of %s: %w", name, err), n.remove())
	}
	return n, nil
}

func makeNamed(name string) (netns.NsHandle, error) {
	var handle netns.NsHandle
	err := onOwnThread(func() (err error) {
		handle, err = netns.NewNamed(name)
		return err
	})
	return handle, err
}

// remove deletes the namespace with all that is in it; the kernel does so when the last process in it is gone.
func (n *namespace) remove() error {
	if n.links != nil {
		n.links.Close()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return errors.Join(n.handle.Close(), netns.DeleteNamed(n.name))
}

// do runs f on a thread in the namespace. Sockets that f opens stay in the namespace; goroutines that f starts are not
// in it. Any number may run at a time.
func (n *namespace) do(f func() error) error {
	return onOwnThread(func() error {
		if err := n.enter(); err != nil {
			return err
		}
		return f()
	})
}

// enter moves the calling thread into the namespace.
func (n *namespace) enter() error {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if !n.handle.IsOpen() {
		return fmt.Errorf("entering %s: %w", n.name, errStopped)
	}
	if err := netns.Set(n.handle); err != nil {
		return fmt.Errorf("entering %s: %w", n.name, err)
	}
	return nil
}

// sysctl sets a value below /proc/sys/net, which shows the namespace of the thread that opens it.
func (n *namespace) sysctl(name, value string) error {
	return n.do(func() error {
		return os.WriteFile(filepath.Join("/proc/sys/net", name), []byte(value), 0o644)
	})
}

// address gives an interface an address and sets it up.
func (n *namespace) address(link, cidr string) error {
	l, err := n.links.LinkByName(link)
	if err != nil {
		return fmt.Errorf("%s in %s: %w", link, n.name, err)
	}
	addr, err := netlink.ParseAddr(cidr)
	if err != nil {
		return err
	}
	if err := n.links.AddrAdd(l, addr); err != nil {
		return fmt.Errorf("address %s on %s in %s: %w", cidr, link, n.name, err)
	}
	return n.links.LinkSetUp(l)
}

// route sends traffic for a destination ("" is all) to a neighbour, or, if via is nil, straight out of the interface.
func (n *namespace) route(destination string, via net.IP, link string) error {
	l, err := n.links.LinkByName(link)
	if err != nil {
		return fmt.Errorf("%s in %s: %w", link, n.name, err)
	}
	r := &netlink.Route{LinkIndex: l.Attrs().Index, Gw: via}
	if via == nil {
		r.Scope = netlink.SCOPE_LINK
	}
	if destination != "" {
		if _, r.Dst, err = net.ParseCIDR(destination); err != nil {
			return err
		}
	}
	if err := n.links.RouteReplace(r); err != nil {
		return fmt.Errorf("route to %q in %s: %w", destination, n.name, err)
	}
	return nil
}

// namespacesOf lists the namespaces whose name begins with prefix.
func namespacesOf(prefix string) ([]string, error) {
	entries, err := os.ReadDir(namespaces)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
