package controllers

import (
	"context"
	"errors"
	"sync"
	"unique"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/allocator"
	"github.com/portolan-dev/portolan/internal/fleet"
	"github.com/portolan-dev/portolan/internal/metrics"
)

// +kubebuilder:rbac:groups=portolan.dev,resources=nodeportnodestates,verbs=list;watch

// nodes keep what the nodes report, which numbers they have and which have been used, and have the numbers looked at that
// a report changes, each at its turn. Any number of goroutines may use it.
type nodes struct {
	client.Reader // cached
	clock         clock.PassiveClock
	pace          *turns[int32] // of numbers whose coverage has changed
	walks         gathering     // of all numbers

	mu       sync.Mutex // guards all below
	coverage *fleet.Coverage
	use      *fleet.Use
}

func newNodes(cached client.Reader, clock clock.PassiveClock) *nodes {
	return &nodes{Reader: cached, clock: clock, pace: newTurns[int32](), walks: gathering{after: settle}, coverage: fleet.NewCoverage(), use: fleet.NewUse()}
}

// of is the coverage of a number whose Service, nil for none, is svc.
func (n *nodes) of(number int32, svc *corev1.Service) fleet.Covered {
	if svc == nil {
		return fleet.Covered{}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.coverage.Of(number, svc)
}

// used is what is known of the use of a number.
func (n *nodes) used(number int32) fleet.Used {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.use.Of(number, n.clock.Now())
}

// watch is the handler of NodePortNodeStates.
func (n *nodes) watch() handler.EventHandler {
	return handler.Funcs{
		CreateFunc: func(ctx context.Context, e event.CreateEvent, q queue) { n.enqueue(ctx, n.seen(ctx, e.Object), q) },
		UpdateFunc: func(ctx context.Context, e event.UpdateEvent, q queue) { n.enqueue(ctx, n.seen(ctx, e.ObjectNew), q) },
		DeleteFunc: func(ctx context.Context, e event.DeleteEvent, q queue) { n.enqueue(ctx, n.gone(e.Object), q) },
	}
}

func (n *nodes) seen(ctx context.Context, o client.Object) fleet.Changes {
	state, ok := o.(*v1alpha1.NodePortNodeState)
	if !ok {
		return fleet.Changes{}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	covered, err := n.coverage.Put(state)
	observeNodes(n.coverage.Modes())
	used, useErr := n.use.Put(state, n.clock.Now())
	if err := errors.Join(err, useErr); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Read the numbers of a node", "node", state.Name)
	}
	return covered.And(used)
}

func (n *nodes) gone(o client.Object) fleet.Changes {
	n.mu.Lock()
	defer n.mu.Unlock()
	changed := n.coverage.Drop(o.GetName()).And(n.use.Drop(o.GetName()))
	observeNodes(n.coverage.Modes())
	return changed
}

func observeNodes(modes map[v1alpha1.ProxyMode]int) {
	for _, mode := range []v1alpha1.ProxyMode{v1alpha1.ProxyModeLabelled, v1alpha1.ProxyModeAll, v1alpha1.ProxyModeNone} {
		metrics.Nodes.WithLabelValues(string(mode)).Set(float64(modes[mode]))
	}
}

// enqueue has numbers looked at, after all that cannot wait. All of them are asked for once for many nodes: thousands come
// at the start.
func (n *nodes) enqueue(ctx context.Context, changed fleet.Changes, q queue) {
	if changed.All {
		n.walks.ask(func() { n.lookAt(n.allNumbers(ctx), q) })
		return
	}
	n.lookAt(changed.Numbers, q)
}

func (n *nodes) lookAt(numbers []int32, q queue) {
	for _, number := range numbers {
		if wait, news := n.pace.ask(number, n.clock.Now(), rollUp); news {
			item := request{NamespacedName: client.ObjectKey{Name: allocator.NameOf(number)}}
			addLast(q, wait, item)
		}
	}
}

func (n *nodes) allNumbers(ctx context.Context) []int32 {
	claims := &v1alpha1.NodePortAllocationList{}
	if err := n.List(ctx, claims, client.UnsafeDisableDeepCopy); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "List allocations")
		return nil
	}
	var numbers []int32
	for i := range claims.Items {
		if number, ok := allocator.NumberOf(&claims.Items[i]); ok {
			numbers = append(numbers, number)
		}
	}
	return numbers
}

// TrimNodeState is how a NodePortNodeState is cached: which Services the node serves, which numbers it has, which clash
// there, without the names of who uses them, and which have been used, and its guard. Nodes that have the same numbers share
// one text. It implements cache.TransformFunc.
func TrimNodeState(o any) (any, error) {
	state, ok := o.(*v1alpha1.NodePortNodeState)
	if !ok {
		return o, nil
	}
	state.ObjectMeta = metav1.ObjectMeta{Name: state.Name, UID: state.UID, ResourceVersion: state.ResourceVersion}
	state.Status = v1alpha1.NodePortNodeStateStatus{
		Mode:              state.Status.Mode,
		ServiceProxyName:  state.Status.ServiceProxyName,
		NodePorts:         unique.Make(state.Status.NodePorts).Value(),
		ClashingNodePorts: unique.Make(state.Status.ClashingNodePorts).Value(),
		Clashes:           trimClashes(state.Status.Clashes),
		Guard:             state.Status.Guard,
		Activity:          state.Status.Activity,
	}
	return state, nil
}

// trimClashes leaves out who it is, and what is no reason not to hand a number out.
func trimClashes(clashes []v1alpha1.Clash) []v1alpha1.Clash {
	var kept []v1alpha1.Clash
	for _, c := range clashes {
		if c.Kind != v1alpha1.ClashEphemeral {
			kept = append(kept, v1alpha1.Clash{NodePort: c.NodePort, Protocol: c.Protocol, Kind: c.Kind})
		}
	}
	return kept
}
