package nodeproxy

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/access"
	"github.com/portolan-dev/portolan/internal/nodeproxy/conntrack"
	"github.com/portolan-dev/portolan/internal/nodeproxy/guard"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
	"github.com/portolan-dev/portolan/internal/nodeproxy/node"
	"github.com/portolan-dev/portolan/internal/nodeproxy/track"
)

// guardian keeps who may reach the node ports of this node, whichever proxy serves them.
//
// Until all that it goes by has been read, what the kernel has from before stays as it is: to begin with half of it would
// open what was closed. Services are served meanwhile.
type guardian struct {
	access *track.Kind[*v1alpha1.NodePortAccess]
	pools  *track.Kind[*v1alpha1.NodePortPool]
	pods   *track.Kind[*corev1.Pod] // of this node

	// What follows is the loop's own.
	planner  *guard.Planner // nil until what the kernel holds has been read
	found    nft.Table      // what the kernel held of the guard at the start; nil once begun
	versions access.Versions
	known    map[types.NamespacedName]*v1alpha1.NodePortAccess
	ceilings int // how many pools have an access
	// narrowed are the ports where flows are to be looked at, once the kernel has all that is planned.
	narrowed map[nft.Port]narrowing
}

// narrowing is when flows are to be looked at. A packet that met the table just before the change may make an entry just
// after the first look, so there is a second.
type narrowing struct {
	due    time.Time
	second bool
}

func newGuardian(wake func()) *guardian {
	return &guardian{
		access:   track.NewKind(track.TrimAccess, track.SameAccess, wake),
		pools:    track.NewKind(track.TrimPool, track.SamePool, wake),
		pods:     track.NewKind(track.TrimPod, track.SamePod, wake),
		known:    map[types.NamespacedName]*v1alpha1.NodePortAccess{},
		narrowed: map[nft.Port]narrowing{},
	}
}

// reads are closed once what it goes by has been read.
func (g *guardian) reads() []<-chan struct{} {
	return []<-chan struct{}{g.access.Read(), g.pools.Read(), g.pods.Read()}
}

// read says whether all that it goes by has been read.
func (g *guardian) read() bool {
	return !slices.ContainsFunc(g.reads(), func(read <-chan struct{}) bool {
		select {
		case <-read:
			return false
		default:
			return true
		}
	})
}

// await returns when all has been read, or ctx ends.
func (g *guardian) await(ctx context.Context) {
	for _, read := range g.reads() {
		select {
		case <-read:
		case <-ctx.Done():
			return
		}
	}
}

// find takes what is the guard's out of what the kernel held at the start.
func (g *guardian) find(present nft.Table) {
	g.found = nft.Table{}
	for k, v := range present {
		if k.OfGuard() {
			g.found[k] = v
		}
	}
	g.planner = guard.NewPlanner(present)
}

// begun says whether the kernel is to hold what is planned, and no longer what it held at the start.
func (g *guardian) begun() bool { return g.found == nil }

// plan plans what has changed, of what it goes by and of Services.
func (g *guardian) plan(view node.View, changes []track.Change, all func() []track.Change) (planned []nft.Change) {
	if !g.begun() && !g.read() {
		return nil
	}
	note := func(c guard.Change) {
		if !c.Change.Empty() {
			planned = append(planned, c.Change)
		}
		for _, port := range c.Narrowed {
			g.narrowed[port] = narrowing{}
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
	if len(g.pods.Take()) > 0 {
		note(g.planner.SetHostPorts(hostPorts(g.pods.All())))
	}
	if !g.begun() {
		changes = all()
	}
	for _, c := range changes {
		note(g.planner.SetService(c.Name, c.Service))
	}
	if !g.begun() {
		note(g.planner.Prune())
		g.found = nil
		// A node-proxy that ends between a change and the look at flows that follows leaves that to the next one.
		for port := range g.planner.Guarded() {
			g.narrowed[port] = narrowing{}
		}
	}
	return planned
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

// table is what the kernel is to hold of the guard.
func (g *guardian) table() nft.Table {
	if !g.begun() {
		return g.found
	}
	return g.planner.Table()
}

// dueAt are the ports where flows are to be looked at now.
func (g *guardian) dueAt(now time.Time) map[nft.Port]bool {
	ports := map[nft.Port]bool{}
	for port, n := range g.narrowed {
		if !n.due.After(now) {
			ports[port] = true
		}
	}
	return ports
}

// looked notes that the flows of ports have been looked at, and whether any is to be looked at once more, and when.
func (g *guardian) looked(ports map[nft.Port]bool, again time.Time, failed bool) (due bool) {
	for port := range ports {
		n := g.narrowed[port]
		if n.second && !failed {
			delete(g.narrowed, port)
			continue
		}
		g.narrowed[port] = narrowing{due: again, second: !failed}
		due = true
	}
	return due
}

// cuts says whether a connection is one that the guard would not let in any more. What the node itself sends it does not
// see, and what is on its way to another node is that one's.
func (g *guardian) cuts(c conntrack.Connection, ports map[nft.Port]bool, addresses []netip.Addr) bool {
	port := nft.Port{Protocol: nft.Protocol(c.Protocol), Number: c.To.Port()}
	return ports[port] && slices.Contains(addresses, c.To.Addr()) && !slices.Contains(addresses, c.Source) &&
		!g.planner.Admits(port, c.Source, c.To.Addr())
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

var podProtocols = map[corev1.Protocol]nft.Protocol{corev1.ProtocolTCP: nft.TCP, corev1.ProtocolUDP: nft.UDP, corev1.ProtocolSCTP: nft.SCTP, "": nft.TCP}

// hostPorts are those of pods that have not ended.
func hostPorts(pods []*corev1.Pod) []nft.Port {
	ports := map[nft.Port]bool{}
	for _, pod := range pods {
		if pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed {
			continue
		}
		for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
			for _, p := range c.Ports {
				ports[nft.Port{Protocol: podProtocols[p.Protocol], Number: uint16(p.HostPort)}] = true
			}
		}
	}
	return slices.Collect(maps.Keys(ports))
}
