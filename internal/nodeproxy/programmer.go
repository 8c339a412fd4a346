package nodeproxy

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/internal/nodeproxy/metrics"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
)

// kernel is the node's table; *nft.Kernel is one.
type kernel interface {
	Read() (nft.Table, error)
	Affinities() ([]nft.List, error)
	Install(rules nft.Rules, changes ...nft.Change) error
	Apply(changes ...nft.Change) error
}

// programmer plans Services and has the kernel do what is planned. One goroutine may use it.
type programmer struct {
	kernel  kernel
	planner *route.Planner
	rules   nft.Rules // as the kernel has them

	// begun: all Services there are have been planned once.
	begun bool
	// doubt: what the kernel holds is not known, since a change failed.
	doubt bool
	// pending are changes that are planned and not done.
	pending []nft.Change
	// elements are how many the kernel has once all that is planned is done.
	elements int
	// flows are those to look at once the changes are done, the latest of each frontend. Who has looked clears them.
	flows map[route.Frontend]route.Flow
}

// newProgrammer takes over what the kernel holds. It changes nothing yet.
func newProgrammer(k kernel) (*programmer, error) {
	present, err := k.Read()
	if err != nil {
		return nil, fmt.Errorf("read what the kernel holds: %w", err)
	}
	remembered, err := k.Affinities()
	if err != nil {
		return nil, fmt.Errorf("read the clients that the kernel remembers: %w", err)
	}
	return &programmer{
		kernel:   k,
		elements: len(present),
		planner:  route.NewPlanner(present, slices.Values(remembered)),
		flows:    map[route.Frontend]route.Flow{},
	}, nil
}

// set plans a Service. On an error what was planned for it before stays.
func (p *programmer) set(name types.NamespacedName, plan route.Plan) error {
	change, err := p.planner.Set(name, plan)
	if err == nil {
		p.note(change)
	}
	return err
}

func (p *programmer) note(c route.Change) {
	p.elements += len(c.Add) - len(c.Delete)
	if !c.Change.Empty() {
		p.pending = append(p.pending, c.Change)
	}
	for _, f := range c.Flows {
		p.flows[f.Frontend] = f
	}
}

// whole says whether the next commit compares the whole table, and why.
func (p *programmer) whole() (metrics.Reason, bool) {
	if p.doubt {
		return metrics.BatchFailed, true
	}
	return metrics.Start, !p.begun
}

// commit has the kernel do all that is planned, at once. The first commit gives up what the kernel had before that
// nothing planned accounts for. After an error the kernel is in doubt, and the next commit reads it back first.
func (p *programmer) commit(rules nft.Rules, network route.Network) error {
	p.note(p.planner.SetNetwork(network))
	if !p.begun {
		p.note(p.planner.Prune())
	}
	var err error
	switch {
	case p.doubt:
		err = p.repair(rules)
	case !p.begun || rules != p.rules:
		err = p.kernel.Install(rules, p.pending...)
	case len(p.pending) > 0:
		err = p.kernel.Apply(p.pending...)
	}
	p.begun, p.doubt, p.pending, p.rules = true, err != nil, nil, rules
	return err
}

// repair makes the kernel's table what it should be, whatever it is.
func (p *programmer) repair(rules nft.Rules) error {
	present, err := p.kernel.Read()
	if err != nil {
		return err
	}
	return p.kernel.Install(rules, nft.Diff(present, p.planner.Table()))
}
