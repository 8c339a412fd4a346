package nodeproxy

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// guarded is a table with something of everything that the guard has.
func guarded() nft.Change {
	return nft.Change{Add: []nft.Element{
		nft.Use(nft.TCP, 30080),
		nft.Guarded(nft.IPv4, nft.TCP, 30080, 1),
		nft.GuardedAt(nft.TCP, 30080, "eth0", netip.MustParseAddr("192.0.2.1"), 1),
		nft.Grant(1, netip.MustParsePrefix("203.0.113.0/24"), nft.Limit(10, 5)),
	}}
}

// install has a kernel hold the guard, and nothing else.
func install(k *nft.Kernel) error {
	if err := k.Claim(); err != nil {
		return err
	}
	if _, err := k.Read(); err != nil {
		return err
	}
	rules := nft.Rules{GuardOnly: true, Closed: nft.PortRange{First: 30000, Last: 32767}}
	if err := k.Install(rules, guarded()); err != nil {
		return fmt.Errorf("install the guard: %w", err)
	}
	return nil
}

func TestUseIsReadByAnotherSocketThanTheOneThatOwnsTheTable(t *testing.T) {
	err := testnet.New(t).Do(func() error {
		owner, err := nft.Open()
		if err != nil {
			return err
		}
		defer owner.Close()
		reader, err := nft.Open()
		if err != nil {
			return err
		}
		defer reader.Close()
		if err := install(owner); err != nil {
			return err
		}
		counts, err := reader.Uses()
		if _, counted := counts[webPort]; !counted || len(counts) != 1 {
			t.Errorf("it reads %v", counts)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestCleanupLeavesNothingOfTheGuard(t *testing.T) {
	err := testnet.New(t).Do(func() error {
		k, err := nft.Open()
		if err != nil {
			return err
		}
		if err := install(k); err != nil {
			return err
		}
		if err := k.Close(); err != nil {
			return err
		}
		var said strings.Builder
		if err := Cleanup(&said); err != nil {
			return err
		}
		again, err := nft.Open()
		if err != nil {
			return err
		}
		defer again.Close()
		left, err := again.Read()
		if len(left) > 0 {
			t.Errorf("there is left:\n%s", left)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
