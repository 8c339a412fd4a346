package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/bitmap"
)

// nodeStates are the NodePortNodeStates of nodes that are simulated: written as node-proxy writes them, one PUT and no GET.
type nodeStates struct {
	admin   client.Client
	numbers v1alpha1.PortRange
	states  []v1alpha1.NodePortNodeState
}

const stateWriters = 32

func newNodeStates(admin client.Client, nodes int, numbers v1alpha1.PortRange) *nodeStates {
	return &nodeStates{admin: admin, numbers: numbers, states: make([]v1alpha1.NodePortNodeState, nodes)}
}

// create makes a state for each node, of which one has seen so many numbers used.
func (n *nodeStates) create(ctx context.Context, used int) error {
	began := time.Now()
	_, err := load(ctx, stateWriters, len(n.states), func(ctx context.Context, i int) error {
		state := &n.states[i]
		state.Name = fmt.Sprintf("node-%d", i)
		if err := n.admin.Create(ctx, state); err != nil {
			return err
		}
		state.Status = n.status(began)
		return n.admin.Status().Update(ctx, state)
	})
	if err != nil {
		return err
	}
	first := &n.states[0]
	first.Status.Activity = n.usedNow(first.Status.Activity, used)
	return n.admin.Status().Update(ctx, first)
}

// status is that of a node that serves all numbers, and has counted since a time.
func (n *nodeStates) status(since time.Time) v1alpha1.NodePortNodeStateStatus {
	at := metav1.NewTime(since)
	condition := func(kind, reason, message string) metav1.Condition {
		return metav1.Condition{Type: kind, Status: metav1.ConditionTrue, Reason: reason, Message: message, LastTransitionTime: at}
	}
	return v1alpha1.NodePortNodeStateStatus{
		Mode: v1alpha1.ProxyModeAll, ServiceProxyName: "portolan", ProxyVersion: "v0.0.0", Addresses: []string{"192.0.2.1", "2001:db8::1"},
		Services: 2768, Ports: 2768, NodePorts: fmt.Sprintf("%d-%d", n.numbers.From, n.numbers.To), LastSync: &v1alpha1.LastSync{Time: at}, EphemeralRange: "34000-60999",
		Activity: &v1alpha1.Activity{Since: at, From: at, To: at},
		Conditions: []metav1.Condition{
			condition(v1alpha1.NodeStateReady, v1alpha1.NodeStateReasonServing, "Node ports are served."),
			condition(v1alpha1.NodeStateProgrammed, v1alpha1.NodeStateReasonInSync, "The kernel has what the API server says."),
			condition(v1alpha1.NodeStateGuardCurrent, v1alpha1.NodeStateReasonInSync, "The guard goes by what the API server says."),
			condition(v1alpha1.NodeStateNoClashes, v1alpha1.NodeStateReasonClear, "Nothing else uses a node port."),
		},
	}
}

// write has all nodes write their states, each in its turn, for so long or until ctx ends. It fails where they cannot keep up.
func (n *nodeStates) write(ctx context.Context, l useLoad, during time.Duration) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, during)
	defer cancel()
	gap := l.every / time.Duration(len(n.states))
	began := time.Now()
	took := make([]time.Duration, int(during/gap)) // 0: not written
	_, err := load(ctx, stateWriters, len(took), func(ctx context.Context, i int) error {
		if err := pause(ctx, time.Until(began.Add(time.Duration(i)*gap))); err != nil {
			return err
		}
		state := &n.states[(i*7919)%len(n.states)] // a prime: neighbours are not written one after the other
		state.Status.Activity = n.usedNow(state.Status.Activity, l.numbers)
		asked := time.Now()
		err := n.admin.Status().Update(ctx, state, client.FieldOwner("node-proxy"))
		if err == nil {
			took[i] = time.Since(asked)
		}
		return err
	})
	if err != nil && ctx.Err() == nil { // else it is the last few that were not made
		return sample{}, err
	}
	<-ctx.Done()
	elapsed := time.Since(began)
	made := slices.DeleteFunc(took, func(d time.Duration) bool { return d == 0 })
	slices.Sort(made)
	if due := int(min(during, elapsed) / gap); len(made) < due*9/10 {
		return sample{}, fmt.Errorf("%d of %d writes were made in time", len(made), due)
	}
	return sample{latencies: made, elapsed: elapsed}, nil
}

// usedNow is a report of so many numbers, any but always the same.
func (n *nodeStates) usedNow(before *v1alpha1.Activity, used int) *v1alpha1.Activity {
	random := rand.New(rand.NewPCG(1, uint64(used)))
	set := bitmap.New(n.numbers.From, n.numbers.To)
	size := n.numbers.To - n.numbers.From + 1
	for taken := 0; taken < min(used, int(size)); {
		if set.Take(n.numbers.From + random.Int32N(size)) {
			taken++
		}
	}
	return &v1alpha1.Activity{Since: before.Since, From: before.To, To: metav1.NewTime(time.Now().Truncate(time.Second)), NodePorts: set.Text()}
}
