package cluster

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// The network of a cluster is one of the 512 /24 of 198.18.0.0/15, which RFC 2544 sets aside for tests. The host's
// interface is named by the number of the subnet, and the kernel gives a name to one interface only: making it is the
// claim. The bridge is in a namespace of its own, so that the host's firewall and bridge settings do not meddle with what
// the nodes say to each other, and so that nothing routes their traffic on.
const (
	interfacePrefix = "portolan"
	subnetCount     = 512
	uplink          = "eth0" // of nodes, client and Pods
	bridgeName      = "bridge"

	// Addresses in the subnet, by their last byte.
	switchHost = 1 // the API server, as nodes see it
	hostHost   = 2
	clientHost = 3
	nodeHost   = 10 // plus the number of the node
)

// network is the bridge and what is plugged into it.
type network struct {
	id     string // the host's interface, and the prefix of every namespace's name
	number int
	mark   uint32 // group of the host's interface
	bridge *namespace
}

// newNetwork claims a subnet and makes its bridge, with the host plugged in.
func newNetwork(s *state) (*network, error) {
	n, err := claimSubnet(s)
	if err != nil {
		return nil, err
	}
	if err := n.makeBridge(); err != nil {
		return nil, errors.Join(err, n.remove())
	}
	return n, nil
}

// claimSubnet makes the host's interface for the first subnet, from a random one on, that nobody uses.
func claimSubnet(s *state) (*network, error) {
	mark := markOf(s.dir)
	first := rand.IntN(subnetCount)
	for i := range subnetCount {
		n := &network{number: (first + i) % subnetCount, mark: mark}
		n.id = interfacePrefix + strconv.Itoa(n.number)
		if used, err := n.inUse(); err != nil || used {
			if err != nil {
				return nil, err
			}
			continue
		}
		// Noted before it is made; the mark tells Reap that the interface of this name is ours and not another's.
		if err := s.recordNetwork(n.id, mark); err != nil {
			return nil, err
		}
		err := netlink.LinkAdd(&netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: n.id, Group: mark},
			PeerName:  n.id + "p",
		})
		if err == nil {
			return n, nil
		}
		if !errors.Is(err, unix.EEXIST) {
			return nil, fmt.Errorf("making the interface %s: %w", n.id, err)
		}
	}
	return nil, errors.New("every subnet of 198.18.0.0/15 is in use on this host")
}

// markOf is the interface group that marks the interfaces of a state directory. 0 is every interface's default.
func markOf(dir string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(dir))
	return max(h.Sum32(), 1)
}

// inUse says whether the host has the interface's name, or a route or address that overlaps the subnet. A default route
// overlaps everything and does not count.
func (n *network) inUse() (bool, error) {
	if _, err := netlink.LinkByName(n.id); err == nil {
		return true, nil
	}
	left, err := namespacesOf(n.id + "-")
	if err != nil || len(left) > 0 {
		return true, err
	}
	routes, err := netlink.RouteList(nil, netlink.FAMILY_V4)
	if err != nil {
		return false, fmt.Errorf("listing the host's routes: %w", err)
	}
	subnet := netip.MustParsePrefix(n.cidr(0))
	for _, r := range routes {
		if r.Dst == nil {
			continue
		}
		ip, _ := netip.AddrFromSlice(r.Dst.IP)
		bits, _ := r.Dst.Mask.Size()
		if bits > 0 && netip.PrefixFrom(ip.Unmap(), bits).Overlaps(subnet) {
			return true, nil
		}
	}
	return false, nil
}

// ip is an address of the subnet.
func (n *network) ip(host int) net.IP {
	return net.IPv4(198, byte(18+n.number/256), byte(n.number%256), byte(host)).To4()
}

func (n *network) cidr(host int) string { return n.ip(host).String() + "/24" }

func (n *network) makeBridge() (err error) {
	if n.bridge, err = newNamespace(n.id + "-switch"); err != nil {
		return err
	}
	if err := n.bridge.links.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: bridgeName}}); err != nil {
		return fmt.Errorf("making the bridge: %w", err)
	}
	if err := n.bridge.address(bridgeName, n.cidr(switchHost)); err != nil {
		return err
	}
	return n.plugInHost()
}

func (n *network) plugInHost() error {
	peer, err := netlink.LinkByName(n.id + "p")
	if err != nil {
		return err
	}
	if err := netlink.LinkSetNsFd(peer, int(n.bridge.handle)); err != nil {
		return err
	}
	if err := n.join(n.id + "p"); err != nil {
		return err
	}
	host, err := netlink.LinkByName(n.id)
	if err != nil {
		return err
	}
	addr, err := netlink.ParseAddr(n.cidr(hostHost))
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(host, addr); err != nil {
		return fmt.Errorf("address %s on %s: %w", addr, n.id, err)
	}
	return netlink.LinkSetUp(host)
}

// join makes an interface of the switch namespace a port of the bridge.
func (n *network) join(port string) error {
	bridge, err := n.bridge.links.LinkByName(bridgeName)
	if err != nil {
		return err
	}
	link, err := n.bridge.links.LinkByName(port)
	if err != nil {
		return err
	}
	if err := n.bridge.links.LinkSetMaster(link, bridge); err != nil {
		return fmt.Errorf("joining %s to the bridge: %w", port, err)
	}
	return n.bridge.links.LinkSetUp(link)
}

// plugIn makes a namespace with an uplink to the bridge.
func (n *network) plugIn(name string, host int) (*namespace, error) {
	ns, err := newNamespace(n.id + "-" + name)
	if err != nil {
		return nil, err
	}
	err = n.bridge.links.LinkAdd(&netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: name},
		PeerName:      uplink,
		PeerNamespace: netlink.NsFd(ns.handle),
	})
	if err == nil {
		err = n.join(name)
	}
	if err == nil {
		err = ns.address(uplink, n.cidr(host))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("plugging in %s: %w", name, err), ns.remove())
	}
	return ns, nil
}

// remove deletes what is left of the network; nothing may run or be open in it any more.
func (n *network) remove() error {
	if n.bridge != nil {
		if err := n.bridge.remove(); err != nil {
			return err
		}
	}
	return removeNetwork(n.id, n.mark)
}

// reapNetwork removes the network of a killed owner, unless its name is by now another's.
func reapNetwork(id, mark string) error {
	m, err := strconv.ParseUint(mark, 10, 32)
	if err != nil || m == 0 || !strings.HasPrefix(id, interfacePrefix) {
		return fmt.Errorf("network %s with mark %s is none that this package makes", id, mark)
	}
	return removeNetwork(id, uint32(m))
}

// removeNetwork deletes namespaces first and the host's interface last: while that stands, nobody claims the name. The
// interface may have gone before with the other end of its cable.
func removeNetwork(id string, mark uint32) error {
	names, err := namespacesOf(id + "-") // before the look at the interface, which a new owner makes first
	if err != nil {
		return err
	}
	link, err := netlink.LinkByName(id)
	if err != nil && !isNotFound(err) {
		return err
	}
	if err == nil && link.Attrs().Group != mark {
		return nil // another's
	}
	var errs []error
	for _, name := range names {
		errs = append(errs, netns.DeleteNamed(name))
	}
	if err == nil {
		if err := netlink.LinkDel(link); err != nil && !errors.Is(err, unix.ENODEV) {
			errs = append(errs, fmt.Errorf("deleting the interface %s: %w", id, err))
		}
	}
	return errors.Join(errs...)
}

func isNotFound(err error) bool {
	_, ok := errors.AsType[netlink.LinkNotFoundError](err)
	return ok
}
