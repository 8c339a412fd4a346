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

// addresses are those of all interfaces, sorted, each once.
func (host) addresses() ([]netip.Addr, error) {
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
			if ip, ok := netip.AddrFromSlice(a.IP); ok {
				ips = append(ips, ip.Unmap())
			}
		}
		slices.SortFunc(ips, netip.Addr.Compare)
		return slices.Compact(ips), nil
	}
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
