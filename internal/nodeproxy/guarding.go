package nodeproxy

import (
	"context"

	"github.com/portolan-dev/portolan/internal/nodeproxy/conntrack"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/track"
)

// awaitGuardian waits a while for what the guard goes by, so that one batch has all. Services do not wait for longer.
func (a *Agent) awaitGuardian(ctx context.Context) {
	read := make(chan struct{})
	go func() {
		defer close(read)
		a.guardian.await(ctx)
		a.tracker.Wake()
	}()
	enough := a.clock.NewTimer(nodeWait)
	defer enough.Stop()
	select {
	case <-read:
	case <-enough.C():
		a.log.Info("NodePortAccess, pools or pods cannot be read yet: who may reach node ports stays as it is")
	}
}

// guard plans who may reach node ports.
func (a *Agent) guard(changes []track.Change) {
	for _, c := range a.guardian.plan(a.view, changes, a.tracker.Everything) {
		a.programmer.notePlanned(c)
	}
}

// cut ends the connections of those who are no longer let in. The kernel has all that is planned.
func (a *Agent) cut() {
	ports := a.guardian.dueAt(a.clock.Now())
	if len(ports) == 0 {
		return
	}
	addresses := a.view.Addresses
	n, err := a.sweeper.table.Cut(func(c conntrack.Connection) bool { return a.guardian.cuts(c, ports, addresses) })
	if err != nil {
		a.log.Error(err, "Connections of those who may no longer reach a node port may go on, it is tried again")
	} else if n.Total() > 0 {
		a.log.Info("Cut connections of those who may no longer reach a node port", "connections", n.Total())
	}
	if a.guardian.looked(ports, a.clock.Now().Add(secondLook), err != nil) {
		a.clock.AfterFunc(secondLook, a.tracker.Wake)
	}
}

// guards is what the node reports of its guard.
func (a *Agent) guards() *Guards {
	if !a.guardian.begun() {
		return nil
	}
	return &Guards{
		Version:  a.guardian.versions.Latest(),
		Policies: len(a.guardian.known),
		Ceilings: a.guardian.ceilings,
		Closed:   a.options.Closed,
	}
}

// Guards is what a node-proxy enforces, whoever serves node ports.
type Guards struct {
	// Version is the resourceVersion of the latest change of a NodePortAccess that is in force.
	Version string
	// Policies are how many NodePortAccess objects there are, and Ceilings how many pools that say who may reach theirs.
	Policies, Ceilings int
	// Closed are the numbers that are closed while nobody has them; zero: none.
	Closed nft.PortRange
}
