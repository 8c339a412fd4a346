package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vishvananda/netlink"
)

// host is where addresses are read: the network namespace of the thread that asks.
type host struct{}

// servicesInterface is where kube-proxy in its ipvs mode puts the addresses of all Services, for the kernel to take what
// comes there. None of them is the node's: kube-proxy has no node ports there either.
const servicesInterface = "kube-ipvs0"

// addresses are those of all interfaces but servicesInterface, sorted, each once.
func (host) addresses() ([]netip.Addr, error) {
	of, err := indexOf(servicesInterface)
	if err != nil {
		return nil, err
	}
	for {
		list, err := netlink.AddrList(nil, netlink.FAMILY_ALL)
		if errors.Is(err, netlink.ErrDumpInterrupted) {
			continue // they changed meanwhile, and part of them may be missing
		}
		if err != nil {
			return nil, fmt.Errorf("list the host's addresses: %w", err)
		}
		ips := make([]netip.Addr, 0, len(list))
		for _, a := range list {
			if ip, ok := netip.AddrFromSlice(a.IP); ok && a.LinkIndex != of {
				ips = append(ips, ip.Unmap())
			}
		}
		slices.SortFunc(ips, netip.Addr.Compare)
		return slices.Compact(ips), nil
	}
}

// indexOf is the index of an interface; 0, which none has, where there is none of the name.
func indexOf(name string) (int, error) {
	link, err := netlink.LinkByName(name)
	switch {
	case errors.As(err, new(netlink.LinkNotFoundError)):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("look up interface %s: %w", name, err)
	}
	return link.Attrs().Index, nil
}

// changes has something whenever an address may have come or gone from now on, until ctx ends. It is closed when some
// changes were missed: more came at once than the kernel keeps for who listens.
func (host) changes(ctx context.Context) (<-chan struct{}, error) {
	ctx, cancel := context.WithCancel(ctx)
	updates := make(chan netlink.AddrUpdate)
	if err := netlink.AddrSubscribe(updates, ctx.Done()); err != nil {
		cancel()
		return nil, fmt.Errorf("follow the host's addresses: %w", err)
	}
	changes := make(chan struct{}, 1)
	go func() {
		defer cancel() // closes the socket
		defer close(changes)
		for range updates { // netlink closes it after any error
			poke(changes)
		}
	}()
	return changes, nil
}

// poke leaves one in a channel that holds one.
func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
