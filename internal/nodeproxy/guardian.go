package nodeproxy

import (
	"context"
	"errors"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
	"github.com/portolan-dev/portolan/internal/nodeproxy/clash"
	"github.com/portolan-dev/portolan/internal/nodeproxy/guard"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/node"
	"github.com/portolan-dev/portolan/internal/nodeproxy/track"
)

// guardian keeps who may reach the node ports of this node, whichever proxy serves them.
//
// Until NodePortAccess and pools have been read, what the kernel has from before stays as it is: to begin with half of it
// would open what was closed. Services are served meanwhile. Of pods it is the same with what only they tell, which numbers
// are hostPorts; who may reach Services does not wait for that.
type guardian struct {
	access *track.Kind[*v1alpha1.NodePortAccess]
	pools  *track.Kind[*v1alpha1.NodePortPool]
	pods   *track.Kind[*corev1.Pod] // of this node
	within v1alpha1.PortRange       // no other hostPorts matter
	rules  *readings                // of access and pools
	ofPods *readings                // of pods
	closed nft.PortRange            // see Options.Closed

	inForce chan struct{} // closed once the kernel has what is planned
	enforce func()        // closes that

	// What follows is the loop's own.
	planner *guard.Planner // nil until what the kernel holds has been read
	begun   bool           // the kernel is to hold what is planned, and no longer what it held at the start
	// counted: hostPorts are those of pods, and no longer what the kernel counted as used at the start. It did close then
	// what is to be closed, where wasClosed.
	counted, wasClosed bool
	versions           access.Versions
	known              map[types.NamespacedName]*v1alpha1.NodePortAccess
	ceilings           int // how many pools have an access
	// narrowed are the ports where connections are to be looked at, once the kernel has all that is planned; true: for the
	// second time.
	narrowed map[nft.Port]bool
}

// errNotRead is where there is no answer yet.
var errNotRead = errors.New("the API server has not answered yet")

func newGuardian(o Options, wake func()) *guardian {
	g := &guardian{
		access:   track.NewKind(track.TrimAccess, track.SameAccess, wake),
		pools:    track.NewKind(track.TrimPool, track.SamePool, wake),
		pods:     track.NewKind(track.TrimPod, track.SamePod, wake),
		within:   o.Range,
		rules:    newReadings(wake),
		ofPods:   newReadings(wake),
		closed:   o.Closed,
		inForce:  make(chan struct{}),
		known:    map[types.NamespacedName]*v1alpha1.NodePortAccess{},
		narrowed: map[nft.Port]bool{},
	}
	g.enforce = sync.OnceFunc(func() { close(g.inForce) })
	return g
}

// isRead says whether all has been read of which that is the sign.
func isRead(sign <-chan struct{}) bool {
	select {
	case <-sign:
		return true
	default:
		return false
	}
}

// await returns when all has been read, or ctx ends.
func (g *guardian) await(ctx context.Context) {
	for _, read := range []<-chan struct{}{g.access.Read(), g.pools.Read(), g.pods.Read()} {
		select {
		case <-read:
		case <-ctx.Done():
			return
		}
	}
}

// find takes what is the guard's out of what the kernel held at the start. It did close then what is to be closed, where
// wasClosed.
func (g *guardian) find(present nft.Table, wasClosed bool) {
	g.planner, g.wasClosed = guard.NewPlanner(present), wasClosed
}

// plan plans what has changed, of what it goes by and of Services.
func (g *guardian) plan(view node.View, changes []track.Change, all func() []track.Change) (planned []nft.Change) {
	if !g.begun && (!isRead(g.access.Read()) || !isRead(g.pools.Read())) {
		return nil
	}
	note := func(c guard.Change) {
		if !c.Change.Empty() {
			planned = append(planned, c.Change)
		}
		for _, port := range c.Narrowed {
			g.narrowed[port] = false
		}
	}
	note(g.planner.SetNode(guard.Node{Labels: view.Labels, Addresses: view.Addresses}))
	if changed := g.pools.Take(); len(changed) > 0 {
		for name, pool := range changed {
			note(g.planner.SetPool(name.Name, pool))
		}
		g.ceilings = ceilings(g.pools.All())
	}
	for name, object := range g.access.Take() {
		g.see(name, object)
		note(g.planner.SetAccess(name, object))
	}
	if !g.begun {
		changes = all()
	}
	for _, c := range changes {
		note(g.planner.SetService(c.Name, c.Service))
	}
	note(g.planHostPorts())
	if !g.begun {
		note(g.planner.Prune())
		g.begun = true
	}
	return planned
}

// planHostPorts plans for the hostPorts of pods.
func (g *guardian) planHostPorts() guard.Change {
	changed := g.pods.Take()
	switch {
	case isRead(g.pods.Read()) && (!g.counted || len(changed) > 0):
		g.counted = true
		return g.planner.SetHostPorts(portsIn(g.within, g.hostPorts()))
	case !g.begun:
		return g.planner.KeepHostPorts()
	}
	return guard.Change{}
}

// podsUnread is why what pods tell stays as it was; nil: it does not.
func (g *guardian) podsUnread() error {
	if err := g.ofPods.failure(); err != nil || g.counted {
		return err
	}
	return errNotRead
}

// see takes note of a change, for the node to say which it knows.
func (g *guardian) see(name types.NamespacedName, object *v1alpha1.NodePortAccess) {
	switch {
	case object != nil:
		g.versions.See(object)
		g.known[name] = object
	case g.known[name] != nil:
		g.versions.Forget(g.known[name])
		delete(g.known, name)
	}
}

// closes are the numbers that are closed while nobody has them. As long as hostPorts are not known those of before are, and
// no others; as long as new Services are not planned for, none.
func (g *guardian) closes() nft.PortRange {
	if g.begun && (g.counted || g.wasClosed) {
		return g.closed
	}
	return nft.PortRange{}
}

// lookAgain has the connections to ports looked at for the second time, or, where false, for the first one once more.
func (g *guardian) lookAgain(ports map[nft.Port]bool) {
	for port, second := range ports {
		if _, anew := g.narrowed[port]; !anew {
			g.narrowed[port] = second
		}
	}
}

// ceilings are how many pools say who may reach their numbers.
func ceilings(pools []*v1alpha1.NodePortPool) (n int) {
	for _, pool := range pools {
		if pool.Spec.Access != nil {
			n++
		}
	}
	return n
}

// hostPorts are those of the node's pods.
func (g *guardian) hostPorts() []clash.HostPort {
	var all []clash.HostPort
	for _, pod := range g.pods.All() {
		all = append(all, clash.HostPorts(pod)...)
	}
	return all
}

// portsIn are the ports of these that are in a range.
func portsIn(r v1alpha1.PortRange, all []clash.HostPort) []nft.Port {
	var ports []nft.Port
	for _, h := range all {
		if port, ok := nft.PortOf(h.Protocol, h.Number); ok && r.From <= h.Number && h.Number <= r.To {
			ports = append(ports, port)
		}
	}
	return ports
}
