package nodeproxy

import (
	"fmt"
	"iter"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/internal/nodeproxy/metrics"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/route"
)

// kernel is the node's table; *nft.Kernel is one, *nft.Fake another.
type kernel interface {
	Claim() error
	Read() (nft.Table, error)
	Affinities() ([]nft.List, error)
	Closes(ports nft.PortRange) (bool, error)
	Install(rules nft.Rules, changes ...nft.Change) error
	Apply(changes ...nft.Change) error
	Owned() bool
	Touched() (bool, error)
}

// programmer plans Services and has the kernel do what is planned. One goroutine may use it.
type programmer struct {
	kernel  kernel
	planner *route.Planner
	guard   *guardian
	rules   nft.Rules // as the kernel has them

	// begun: all Services there are have been planned once.
	begun bool
	// doubt is why it is not known what the kernel holds; empty: it is.
	doubt metrics.Reason
	// pending are changes that are planned and not done.
	pending []nft.Change
	// elements are how many the kernel has once all that is planned is done.
	elements int
	// flows are those to look at once the changes are done, the latest of each frontend. Who has looked clears them.
	flows map[route.Frontend]route.Flow
}

// newProgrammer takes over what the kernel holds. It changes nothing yet, but that nobody else can from now on, where the
// kernel can do that.
func newProgrammer(k kernel, g *guardian) (*programmer, error) {
	if err := k.Claim(); err != nil {
		return nil, err
	}
	present, err := k.Read()
	if err != nil {
		return nil, fmt.Errorf("read what the kernel holds: %w", err)
	}
	remembered, err := k.Affinities()
	if err != nil {
		return nil, fmt.Errorf("read the clients that the kernel remembers: %w", err)
	}
	closes, err := k.Closes(g.closed)
	if err != nil {
		return nil, fmt.Errorf("read which numbers are closed: %w", err)
	}
	elements := len(present)
	g.find(present, closes)
	return &programmer{
		kernel:   k,
		guard:    g,
		elements: elements,
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
	p.notePlanned(c.Change)
	for _, f := range c.Flows {
		p.flows[f.Frontend] = f
	}
}

func (p *programmer) notePlanned(c nft.Change) {
	p.elements += len(c.Add) - len(c.Delete)
	if !c.Empty() {
		p.pending = append(p.pending, c)
	}
}

// lookAgain has the flows of frontends looked at once more, as they are to be now.
func (p *programmer) lookAgain(fronts iter.Seq[route.Frontend]) {
	for f := range fronts {
		p.flows[f] = p.planner.Flow(f)
	}
}

// suspect has the next commit compare the whole table with the kernel's, where somebody else may have changed that.
func (p *programmer) suspect() {
	if !p.begun || p.doubt != "" || p.kernel.Owned() {
		return
	}
	if touched, err := p.kernel.Touched(); touched || err != nil { // if it cannot be asked, reading it will say why
		p.doubt = metrics.Foreign
	}
}

// outcome is what came of a commit.
type outcome struct {
	// asked: the kernel was, for there was something to do, or to find out.
	asked bool
	// whole is why the whole table was compared; empty: it was not.
	whole metrics.Reason
	// mended are the elements that were not as they should have been, if the whole table was compared for doubt.
	mended int
}

// commit has the kernel do all that is planned, at once. The first commit gives up what the kernel had before that
// nothing planned accounts for. After an error the kernel is in doubt, and the next commit reads it back first.
func (p *programmer) commit(rules nft.Rules, network route.Network) (o outcome, err error) {
	p.note(p.planner.SetNetwork(network))
	if !p.begun {
		p.note(p.planner.Prune())
	}
	o.asked = true
	switch {
	case p.doubt != "":
		o.whole = p.doubt
		o.mended, err = p.repair(rules)
	case !p.begun:
		o.whole = metrics.Start
		err = p.kernel.Install(rules, p.pending...)
	case rules != p.rules:
		err = p.kernel.Install(rules, p.pending...)
	case len(p.pending) > 0:
		err = p.kernel.Apply(p.pending...)
	default:
		o.asked = false
	}
	p.begun, p.doubt, p.pending, p.rules = true, "", nil, rules
	if err != nil {
		p.doubt = metrics.BatchFailed
	}
	return o, err
}

// repair makes the kernel's table what it should be, whatever it is, and says how many elements were not as they should
// have been but for what is pending.
func (p *programmer) repair(rules nft.Rules) (mended int, err error) {
	present, err := p.kernel.Read()
	if err != nil {
		return 0, err
	}
	wanted := p.planner.Table()
	maps.Copy(wanted, p.guard.planner.Table())
	change := nft.Diff(present, wanted)
	for _, c := range p.pending {
		present.Apply(c)
	}
	amiss := nft.Diff(present, wanted)
	return len(amiss.Delete) + len(amiss.Add), p.kernel.Install(rules, change)
}
