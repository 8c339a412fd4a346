package faults

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/test/proxysite"
)

// chosen are the ranges of addresses that are to have node ports.
var chosen = []string{"192.0.2.0/24", "2001:db8::/64", "198.18.0.0/15", "198.51.100.0/24", "2001:db8:9::/64"}

func TestWhateverBecomesOfAddressesTheTableFollowsAndConnectionsAtOthersGoOn(t *testing.T) {
	w := newWorld(t)
	w.command.Config.NodePortAddresses = chosen
	w.start()
	svc := w.put(w.service("web"), w.Local[0], w.Remote[0])
	w.settle()
	flows := w.open(w.both(svc))
	for _, tc := range []struct {
		name   string
		change func(*world)
	}{
		{"addresses come and go", comeAndGo},
		{"more change at once than the kernel keeps for who listens", overflow},
		{"addresses for privacy follow each other", privacy},
		{"an interface comes, with addresses", func(w *world) {
			w.Node.Connect("uplink", w.Neighbour.Namespace, "uplink")
			w.Node.Address("uplink", "198.51.100.7/24", "2001:db8:9::7/64")
		}},
		{"it gets another name", func(w *world) { w.Node.Rename("uplink", "uplink2") }},
		{"it flaps", func(w *world) {
			for range 20 {
				w.Node.Flap("uplink2")
			}
		}},
		{"its addresses are put back", func(w *world) { w.Node.Address("uplink2", "2001:db8:9::7/64") }},
		{"it goes", func(w *world) { w.Node.RemoveInterface("uplink2") }},
	} {
		tc.change(w)
		w.wantNodePortIPs(tc.name)
		flows.goOn()
	}
	w.wantServed(svc, w.Local[0], w.Remote[0])
	flows.wantOne()
	w.wantAsFresh()
}

func comeAndGo(w *world) {
	w.Helper()
	for i := range 20 {
		w.Node.Address(proxysite.NodeInterface, fmt.Sprintf("198.18.1.%d/32", i))
	}
	for i := range 10 {
		w.Node.RemoveAddress(proxysite.NodeInterface, fmt.Sprintf("198.18.1.%d/32", 2*i))
	}
	w.wantNodePortIPs("some of the addresses that have come are left")
	for i := range 10 {
		w.Node.RemoveAddress(proxysite.NodeInterface, fmt.Sprintf("198.18.1.%d/32", 2*i+1))
	}
}

// overflow stops the node-proxy while many addresses come and most go.
func overflow(w *world) {
	w.Helper()
	address := func(i int) string { return fmt.Sprintf("198.18.%d.%d/32", 100+i/250, i%250) }
	w.must(unix.Kill(w.proxy.Pid(), unix.SIGSTOP))
	const many = 500
	for i := range many {
		w.Node.Address(proxysite.NodeInterface, address(i))
	}
	for i := range many - 5 {
		w.Node.RemoveAddress(proxysite.NodeInterface, address(i))
	}
	if w.unheard() == 0 {
		w.Error("the kernel has kept all changes: this tests nothing")
	}
	w.must(unix.Kill(w.proxy.Pid(), unix.SIGCONT))
	w.wantNodePortIPs("some of many addresses are left")
	for i := many - 5; i < many; i++ {
		w.Node.RemoveAddress(proxysite.NodeInterface, address(i))
	}
}

// privacy gives the node an address of its IPv6 network after the other, each before the last one goes.
func privacy(w *world) {
	w.Helper()
	address := func(i int) string { return fmt.Sprintf("2001:db8::aaaa:%x/64", i) }
	w.Node.Address(proxysite.NodeInterface, address(0))
	for i := range 30 {
		w.Node.Address(proxysite.NodeInterface, address(i+1))
		w.Node.RemoveAddress(proxysite.NodeInterface, address(i))
	}
}

// wantNodePortIPs waits until the table has the addresses that the node has in the chosen ranges, and no others.
func (w *world) wantNodePortIPs(when string) {
	w.Helper()
	want := map[nft.Key]bool{}
	for _, ip := range w.Node.Addresses() {
		if slices.ContainsFunc(chosen, func(text string) bool { return netip.MustParsePrefix(text).Contains(ip) }) {
			want[nft.NodePortAddress(ip).Key] = true
		}
	}
	w.until("after "+when+" the table has the node's addresses", func() bool {
		n := 0
		for _, e := range w.held().Elements() {
			if strings.HasPrefix(e.Key.Set(), "nodeport-ips") {
				if n++; !want[e.Key] {
					return false
				}
			}
		}
		return n == len(want)
	})
}

// unheard is how many messages of the kernel's were lost to who listens to changes of links and addresses on the node.
func (w *world) unheard() (lost int) {
	w.Helper()
	w.must(w.Node.Do(func() error {
		file, err := os.Open("/proc/thread-self/net/netlink")
		if err != nil {
			return err
		}
		defer file.Close()
		for lines := bufio.NewScanner(file); lines.Scan(); {
			fields := strings.Fields(lines.Text()) // sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode
			var drops int
			if len(fields) > 8 && fields[1] == fmt.Sprint(unix.NETLINK_ROUTE) {
				_, _ = fmt.Sscan(fields[8], &drops)
				lost += drops
			}
		}
		return nil
	}))
	return lost
}
