package nft

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// programmable is what Kernel and Fake have in common.
type programmable interface {
	Claim() error
	Read() (Table, error)
	Affinities() ([]List, error)
	Closes(ports PortRange) (bool, error)
	Uses() (map[Port]uint64, error)
	Install(rules Rules, changes ...Change) error
	Apply(changes ...Change) error
	Owned() bool
	Touched() (bool, error)
}

func TestAFakeIsAsStrictAsAKernel(t *testing.T) {
	one, two := ClusterIP(netip.MustParseAddr("10.96.0.1")), ClusterIP(netip.MustParseAddr("10.96.0.2"))
	add := func(e Element) Change { return Change{Add: []Element{e}} }
	remove := func(e Element) Change { return Change{Delete: []Element{e}} }
	apply := func(changes ...Change) func(programmable) error {
		return func(k programmable) error { return k.Apply(changes...) }
	}
	read := func(k programmable) error { _, err := k.Read(); return err }
	install := func(k programmable) error { return k.Install(Rules{}, add(one)) }
	steps := []struct {
		name string
		do   func(programmable) error
		want error
	}{
		{"install unread", install, ErrDoubt},
		{"claim what is not there", programmable.Claim, nil},
		{"read", read, nil},
		{"install", install, nil},
		{"add another", apply(add(two)), nil},
		{"add it again", apply(add(two)), unix.EEXIST},
		{"apply without reading", apply(remove(two)), ErrDoubt},
		{"claim", programmable.Claim, nil},
		{"read again", read, nil},
		{"delete and add at once", apply(Change{Delete: []Element{two}, Add: []Element{two}}), nil},
		{"add and delete, one after the other", apply(remove(two), add(two), remove(two)), nil},
		{"delete what is gone", apply(remove(two), remove(one)), unix.ENOENT},
		{"read for the last time", read, nil},
	}
	kernel, fake := openKernel(t, testnet.New(t)), &Fake{}
	for _, s := range steps {
		for name, k := range map[string]programmable{"kernel": kernel, "fake": fake} {
			if err := s.do(k); !errors.Is(err, s.want) {
				t.Errorf("%s: %s: %v, want %v", name, s.name, err, s.want)
			}
		}
	}
	if held := mustRead(t, kernel); !maps.Equal(held, fake.Table()) || len(held) != 1 {
		t.Errorf("the kernel holds\n%sthe fake\n%s", held, fake.Table())
	}
}

func TestATableTellsWhichPortsItCloses(t *testing.T) {
	other := PortRange{closedPorts.First, closedPorts.Last + 1}
	for name, k := range map[string]programmable{"kernel": openKernel(t, testnet.New(t)), "fake": &Fake{}} {
		want := func(when string, closed PortRange, want bool) {
			t.Helper()
			if got, err := k.Closes(closed); got != want || err != nil {
				t.Errorf("%s, %s: that it closes %v is %t, error %v", name, when, closed, got, err)
			}
		}
		mustRead(t, k)
		want("without a table", closedPorts, false)
		for _, rules := range []Rules{{}, {Closed: closedPorts}, {Closed: closedPorts, GuardOnly: true}, {Closed: other}} {
			if err := k.Install(rules); err != nil {
				t.Fatal(err)
			}
			for _, ports := range []PortRange{closedPorts, other} {
				want(fmt.Sprintf("with %+v", rules), ports, ports == rules.Closed)
			}
			mustRead(t, k)
		}
	}
}

func TestATableIsOwnedOnceItIsInstalledUnlessItWasSomebodyElses(t *testing.T) {
	for _, tc := range []struct {
		name  string
		flags []uint32 // of a table that is there already
		want  bool
	}{
		{"none", nil, true},
		{"one of a process that has gone", []uint32{tableOwner | tablePersist}, true},
		{"one that nobody ever owned", []uint32{0}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := testnet.New(t)
			for _, flags := range tc.flags {
				before := openKernel(t, n)
				if err := before.addTable(flags); err != nil {
					t.Fatal(err)
				}
				before.Close()
			}
			k := openKernel(t, n)
			if k.Owned() {
				t.Error("owned before it is installed")
			}
			mustRead(t, k)
			if err := k.Install(Rules{}); err != nil {
				t.Fatal(err)
			}
			flags, _, err := k.flags()
			if err != nil {
				t.Fatal(err)
			}
			if tc.want && flags&tablePersist == 0 {
				t.Skip("needs Linux 6.9: tables that have an owner and outlive it")
			}
			if got := k.Owned(); got != tc.want {
				t.Errorf("owned: %v", got)
			}
		})
	}
}

func TestWhoeverElseCommitsIsNoticedAndItIsNotItself(t *testing.T) {
	one, two := ClusterIP(netip.MustParseAddr("10.96.0.1")), ClusterIP(netip.MustParseAddr("10.96.0.2"))
	add := func(e Element) Change { return Change{Add: []Element{e}} }
	for name, flags := range map[string][]uint32{"no table": nil, "an owned one": {tableOwner | tablePersist}, "one that nobody owns": {0}, "one that sleeps": {unix.NFT_TABLE_F_DORMANT}} {
		t.Run(name, func(t *testing.T) {
			n := testnet.New(t)
			for _, flags := range flags {
				before := openKernel(t, n)
				if err := before.addTable(flags); errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EINVAL) {
					t.Skip("needs Linux 6.9: tables that have an owner and outlive it")
				} else if err != nil {
					t.Fatal(err)
				}
				before.Close()
			}
			k, others := openKernel(t, n), openIn(t, n)
			for _, step := range []struct {
				name string
				do   func() error
				want bool
			}{
				{"before it is read", func() error { return nil }, true},
				{"it is claimed", k.Claim, true},
				{"it is read", func() error { _, err := k.Read(); return err }, false},
				{"it is installed", func() error { return k.Install(Rules{}, add(one)) }, false},
				{"it is changed", func() error { return k.Apply(add(two), Change{Delete: []Element{one}}) }, false},
				{"nothing is changed", func() error { return k.Apply() }, false},
				{"a change is undone", func() error { return k.Apply(add(one), Change{Delete: []Element{one}}) }, false},
				{"it is installed again", func() error { return k.Install(Rules{}) }, false},
				{"with other rules", func() error { return k.Install(Rules{IPv4: MasqueradeAll}) }, false},
				{"somebody makes a table", func() error { b := newBatch("other"); b.addTable(0); return others.commit(b) }, true},
				{"it is changed meanwhile", func() error { return k.Apply(add(one)) }, true},
				{"it is read again", func() error { _, err := k.Read(); return err }, false},
				{"a change is refused", func() error { _ = k.Apply(add(one)); return nil }, true},
			} {
				if err := step.do(); err != nil {
					t.Fatalf("%s: %v", step.name, err)
				}
				if got, err := k.Touched(); err != nil || got != step.want {
					t.Fatalf("%s: touched: %t, error %v", step.name, got, err)
				}
			}
		})
	}
}
