package node

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// cable is a namespace with an interface called eth0.
func cable(t *testing.T) *testnet.Namespace {
	n := testnet.New(t)
	n.Connect("eth0", testnet.New(t), "eth0")
	return n
}

func TestTheHostsAddressesAreThoseOfTheNamespace(t *testing.T) {
	n := cable(t)
	n.Address("eth0", "192.0.2.1/24", "2001:db8::1/64")
	n.Address("lo", "192.0.2.1/32", "198.51.100.1/32")
	var got []netip.Addr
	if err := n.Do(func() (err error) {
		got, err = host{}.addresses()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	got = slices.DeleteFunc(got, netip.Addr.IsLinkLocalUnicast)
	if want := ips("127.0.0.1", "192.0.2.1", "198.51.100.1", "::1", "2001:db8::1"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAddressesOfServicesAreNoneOfTheHosts(t *testing.T) {
	n := cable(t)
	n.Address("eth0", "192.0.2.1/24")
	n.Connect(servicesInterface, testnet.New(t), "eth0")
	n.Address(servicesInterface, "10.96.0.10/32", "fd00:96::10/128")
	var got []netip.Addr
	if err := n.Do(func() (err error) {
		got, err = host{}.addresses()
		return err
	}); err != nil {
		t.Fatal(err)
	}
	got = slices.DeleteFunc(got, netip.Addr.IsLinkLocalUnicast)
	if want := ips("127.0.0.1", "192.0.2.1", "::1"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAddressesThatComeAndGoAreTold(t *testing.T) {
	n := cable(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var changes <-chan struct{}
	if err := n.Do(func() (err error) {
		changes, err = host{}.changes(ctx)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	n.Address("eth0", "192.0.2.1/24")
	receive(t, changes, true)
	cancel()
	receive(t, changes, false)
}

// receive waits until there is something in the channel, or until it is closed.
func receive(t *testing.T, changes <-chan struct{}, open bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for {
		select {
		case _, is := <-changes:
			if is == open {
				return
			}
			if !is {
				t.Fatal("closed")
			}
		case <-deadline:
			t.Fatal("not within 30 s")
		}
	}
}

// More changes than the socket has room for come while nobody takes them.
func TestChangesThatWereMissedEndTheFollowing(t *testing.T) {
	n := cable(t)
	updates := make(chan netlink.AddrUpdate)
	errs := make(chan error, 1)
	done := make(chan struct{})
	defer close(done)
	if err := n.Do(func() error {
		return netlink.AddrSubscribeWithOptions(updates, done, netlink.AddrSubscribeOptions{
			ReceiveBufferSize: 1,
			ErrorCallback:     func(err error) { errs <- err },
		})
	}); err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		n.Address("eth0", fmt.Sprintf("192.0.2.%d/24", i+1))
	}
	told := 0
	for range updates { // until netlink gives up
		told++
	}
	if told >= 100 {
		t.Fatalf("all of %d changes were told", told)
	}
	t.Logf("%d of 100 were told, then: %v", told, <-errs)
}
