package guard

import (
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// node is a world whose changes a kernel carries out.
type node struct {
	*world
	*objects
	namespace *testnet.Namespace
	kernel    *nft.Kernel
}

// start is what a process does first: it takes over what the kernel holds, and plans all there is. It returns what it has
// the kernel do.
func (n *node) start() []nft.Change {
	n.must(n.namespace.Do(func() (err error) {
		n.kernel, err = nft.Open()
		return err
	}))
	present, err := n.kernel.Read()
	n.must(err)
	n.table, n.planner = maps.Clone(present), NewPlanner(present)
	var changes []nft.Change
	for _, c := range n.startOver(n.world) {
		changes = append(changes, c.Change)
	}
	n.must(n.kernel.Install(nft.Rules{GuardOnly: true}, changes...))
	n.wantHeld()
	return changes
}

// wantHeld wants the kernel to hold what is planned.
func (n *node) wantHeld() {
	n.Helper()
	held, err := n.kernel.Read()
	n.must(err)
	if c := nft.Diff(held, n.planner.Table()); !c.Empty() {
		n.Fatalf("the kernel has %v too much and lacks %v", c.Delete, c.Add)
	}
}

func (n *node) must(err error) {
	n.Helper()
	if err != nil {
		n.Fatal(err)
	}
}

// restart is one after which nothing has changed, unless two Services have one number.
func (n *node) restart() {
	n.must(n.kernel.Close())
	unchanged := !n.contested()
	for _, c := range n.start() {
		if unchanged && !c.Empty() {
			n.Fatalf("a restart deletes %v and adds %v", c.Delete, c.Add)
		}
	}
}

func TestTheKernelHoldsWhatIsPlanned(t *testing.T) {
	namespace := testnet.New(t)
	rapid.Check(t, func(t *rapid.T) {
		n := &node{world: &world{TB: t}, objects: newObjects(), namespace: namespace}
		n.start()
		defer func() { n.must(n.kernel.Close()) }()
		defer func() { n.must(n.kernel.Remove()) }()
		for range rapid.IntRange(1, 8).Draw(t, "steps") {
			n.must(n.kernel.Apply(n.step(t, n.world).Change))
			n.wantHeld()
			if rapid.IntRange(0, 3).Draw(t, "restart") == 0 {
				n.restart()
			}
		}
	})
}
