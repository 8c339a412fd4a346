package route

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/testnet"
)

// node is a planner whose changes a kernel carries out.
type node struct {
	*rapid.T
	namespace *testnet.Namespace
	kernel    *nft.Kernel
	planner   *Planner
	plans     map[string]Plan
	network   Network
}

// start is what a process does first: it takes over what the kernel holds, and plans all there is. It returns what it
// has the kernel do.
func (n *node) start() []nft.Change {
	n.must(n.namespace.Do(func() (err error) {
		n.kernel, err = nft.Open()
		return err
	}))
	present, err := n.kernel.Read()
	n.must(err)
	remembered, err := n.kernel.Affinities()
	n.must(err)
	n.planner = NewPlanner(present, slices.Values(remembered))
	changes := []nft.Change{n.planner.SetNetwork(n.network).Change}
	for _, name := range slices.Sorted(maps.Keys(n.plans)) {
		changes = append(changes, n.set(name, n.plans[name]))
	}
	changes = append(changes, n.planner.Prune().Change)
	n.must(n.kernel.Install(nft.Rules{}, changes...))
	n.wantHeld()
	return changes
}

func (n *node) stop() { n.must(n.kernel.Close()) }

func (n *node) set(name string, plan Plan) nft.Change {
	c, err := n.planner.Set(named(name), plan)
	n.must(err)
	return c.Change
}

// burst changes Services and now and then the network, and the kernel at once or step by step.
func (n *node) burst() {
	var changes []nft.Change
	for range rapid.IntRange(1, 5).Draw(n.T, "burst") {
		if rapid.IntRange(0, 5).Draw(n.T, "network") == 0 {
			n.network = anyNetwork(n.T)
			changes = append(changes, n.planner.SetNetwork(n.network).Change)
			continue
		}
		name := someNames.Draw(n.T, "name")
		n.plans[name] = anyPlan(n.T, name, thisNode)
		changes = append(changes, n.set(name, n.plans[name]))
	}
	if rapid.Bool().Draw(n.T, "at once") {
		n.must(n.kernel.Apply(changes...))
	} else {
		for _, c := range changes {
			n.must(n.kernel.Apply(c))
		}
	}
	n.wantHeld()
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

func anyNetwork(t *rapid.T) Network {
	ranges := rapid.SliceOfN(rapid.SampledFrom(prefixes("10.96.0.0/16", "10.96.0.0/24", "10.244.1.0/24", "0.0.0.0/0", "fd00:96::/112", "fd00::/8")), 0, 3)
	return Network{
		NodePortIPs:   rapid.SliceOfN(rapid.SampledFrom(ips("192.168.0.1", "192.168.0.2", "fd00:192:168::1")), 0, 2).Draw(t, "node port IPs"),
		ServiceCIDRs:  ranges.Draw(t, "service CIDRs"),
		Pods:          ranges.Draw(t, "pods"),
		PodInterfaces: rapid.SliceOfN(rapid.SampledFrom([]string{"veth*", "cni0", "eth1"}), 0, 2).Draw(t, "interfaces"),
	}
}

func TestTheKernelHoldsWhatIsPlanned(t *testing.T) {
	namespace := testnet.New(t)
	rapid.Check(t, func(t *rapid.T) {
		n := &node{T: t, namespace: namespace, plans: map[string]Plan{}}
		n.start()
		defer n.stop()
		defer func() { n.must(n.kernel.Remove()) }()
		for range rapid.IntRange(1, 4).Draw(t, "steps") {
			n.burst()
			switch rapid.IntRange(0, 2).Draw(t, "restart") {
			case 1:
				n.restart()
			case 2:
				n.changeMeanwhile()
			}
		}
	})
}

// restart is one after which nothing has changed.
func (n *node) restart() {
	unchanged := len(n.planner.Conflicts()) == 0 // else who is planned first may take over the list of another
	n.stop()
	for _, c := range n.start() {
		if unchanged && !c.Empty() {
			n.Fatalf("a restart deletes %v and adds %v", c.Delete, c.Add)
		}
	}
}

// changeMeanwhile is a restart after which some have.
func (n *node) changeMeanwhile() {
	n.stop()
	for _, name := range slices.Sorted(maps.Keys(n.plans)) {
		if rapid.Bool().Draw(n.T, "changed") {
			n.plans[name] = anyPlan(n.T, name, thisNode)
		}
	}
	if rapid.Bool().Draw(n.T, "network changed") {
		n.network = anyNetwork(n.T)
	}
	n.start()
}
