package nodeproxy

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
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
		a.log.Info("NodePortAccess, pools or pods cannot be read yet: what only they tell of who may reach node ports stays as it was")
	}
}

// guard plans who may reach node ports.
func (a *Agent) guard(changes []track.Change) {
	for _, c := range a.guardian.plan(a.view, changes, a.tracker.Everything) {
		a.programmer.notePlanned(c)
	}
}

// gate is who may go on with connections to a port now.
func (a *Agent) gate(port nft.Port) gate {
	return gate{Sight: a.guardian.planner.Sight(port), addresses: a.view.Addresses}
}

// guards is what the node reports of its guard, once the kernel has all that is planned.
func (a *Agent) guards() *Guards {
	g := &Guards{Closed: a.guardian.closes(), PodsUnread: a.guardian.podsUnread(), Unread: a.guardian.rules.failure()}
	if a.guardian.begun {
		g.Version = a.guardian.versions.Latest()
		g.Policies, g.Ceilings = len(a.guardian.known), a.guardian.ceilings
		a.guardian.enforce()
	}
	return g
}

// Guards is what a node-proxy enforces, whoever serves node ports.
type Guards struct {
	// Version is the resourceVersion of the latest change of a NodePortAccess that is in force; empty: they or pools could
	// not be read yet, and what was in force before is.
	Version string
	// Unread is why NodePortAccess or pools cannot be read now, so that what is in force stays; nil: they can.
	Unread error
	// Policies are how many NodePortAccess objects there are, and Ceilings how many pools that say who may reach theirs.
	Policies, Ceilings int
	// Closed are the numbers that are closed while nobody has them; zero: none.
	Closed nft.PortRange
	// PodsUnread is why the node's pods cannot be read now, so that what they tell stays; nil: they can.
	PodsUnread error
}

// known says whether NodePortAccess and pools have been read: what they said is in force.
func (g *Guards) known() bool { return g != nil && g.Version != "" }

// current says whether the kernel has what NodePortAccess and pools say now.
func (g *Guards) current() bool { return g.known() && g.Unread == nil }

// stale says that it is not current.
func (g *Guards) stale() string {
	text := "Who may reach node ports stays as it was: NodePortAccess or pools cannot be read."
	if g.Unread != nil {
		text += fmt.Sprintf(" %v", g.Unread)
	}
	return text
}

// podsStale says that what pods tell is not current.
func (g *Guards) podsStale() string {
	return fmt.Sprintf("The node's pods cannot be read: which hostPorts there are, and whether other numbers are closed, stays as it was. %v", g.PodsUnread)
}

// condition says whether the guard goes by what the API server says now.
func (g *Guards) condition() metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.NodeStateGuardCurrent, Status: metav1.ConditionFalse}
	switch {
	case !g.current():
		c.Reason, c.Message = v1alpha1.NodeStateReasonAccessUnread, g.stale()
	case g.PodsUnread != nil:
		c.Reason, c.Message = v1alpha1.NodeStateReasonPodsUnread, g.podsStale()
	default:
		c.Status, c.Reason, c.Message = metav1.ConditionTrue, v1alpha1.NodeStateReasonInSync, "The guard goes by what the API server says."
	}
	return c
}
