package nft

import (
	"maps"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// history draws a table, and what becomes of it one change after another.
func history(t *rapid.T, first Table) (changes []Change, last Table) {
	last = first
	for range rapid.IntRange(0, 5).Draw(t, "changes") {
		next := smallTable().Draw(t, "table")
		changes = append(changes, Diff(last, next))
		last = next
	}
	return changes, last
}

func TestMergedChangesAreTheDifferenceThatTheyMake(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := smallTable().Draw(t, "first")
		changes, last := history(t, first)
		got, want := merge(changes), Diff(first, last)
		if !maps.Equal(NewTable(got.Delete...), NewTable(want.Delete...)) || !maps.Equal(NewTable(got.Add...), NewTable(want.Add...)) {
			t.Fatalf("got  %v\nwant %v", got, want)
		}
		if len(got.Delete) != len(want.Delete) || len(got.Add) != len(want.Add) {
			t.Fatalf("%d deletions and %d additions, want %d and %d", len(got.Delete), len(got.Add), len(want.Delete), len(want.Add))
		}
	})
}

func TestTheKernelTakesAnyHistoryAtOnce(t *testing.T) {
	k := openKernel(t, testnet.New(t))
	mustRead(t, k)
	mustInstall(t, k)
	rapid.Check(t, func(r *rapid.T) {
		changes, last := history(r, mustRead(t, k))
		if err := k.Apply(changes...); err != nil {
			mustRead(t, k)
			r.Fatalf("%v: %v", changes, err)
		}
		if c := Diff(mustRead(t, k), last); len(changes) > 0 && !c.Empty() {
			r.Fatalf("the kernel has %v too much and lacks %v", c.Delete, c.Add)
		}
	})
}

func TestWhatIsDoneInPartsMayTouchTheSameKeysToo(t *testing.T) {
	k := withoutLargeBuffers(t)
	mustInstall(t, k)
	const count = 1000
	elements, want := services(count), Table{}
	var changes []Change
	for i := range uint32(count) {
		changes = append(changes, Change{Add: elements[4*i : 4*i+4]})
	}
	for i := range uint32(count) {
		changes = append(changes, oneMore(i), oneLess(i), oneMore(i))
	}
	if err := k.Apply(changes...); err != nil {
		t.Fatal(err)
	}
	for _, c := range changes {
		want.Apply(c)
	}
	if c := Diff(mustRead(t, k), want); !c.Empty() {
		t.Errorf("%d elements too much, %d too little", len(c.Delete), len(c.Add))
	}
}

func TestAnActionThatGoesBeforeItIsThereNeedsNoChain(t *testing.T) {
	k := openKernel(t, testnet.New(t))
	mustRead(t, k)
	mustInstall(t, k)
	before := countObjects(t, k.socket, chainObjects)
	element := ServiceFrontend(netip.MustParseAddr("10.96.0.1"), TCP, 80, Word{Stick(9, time.Hour), 1})
	if err := k.Apply(Change{Add: []Element{element}}, Change{Delete: []Element{element}}); err != nil {
		t.Fatal(err)
	}
	if after := countObjects(t, k.socket, chainObjects); after != before {
		t.Errorf("%d chains, before %d", after, before)
	}
}

// mustInstall makes the table without elements.
func mustInstall(t *testing.T, k *Kernel) {
	t.Helper()
	if err := k.Install(Rules{}); err != nil {
		t.Fatal(err)
	}
}
