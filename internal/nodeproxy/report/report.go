// Package report tells the cluster what a node serves: it keeps the NodePortNodeState of this node.
//
// Five thousand nodes must not hurt the API server. So a change is written at a random moment within a while, for it may
// concern all nodes; a node writes at most once in Interval, and nothing where nothing has changed.
package report

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// Interval is the least time between two writes of a node.
const Interval = time.Minute

// State is what there is to report.
type State struct {
	// NodeUID is that of the Node, with which the report goes.
	NodeUID types.UID
	// Status has conditions without times.
	Status v1alpha1.NodePortNodeStateStatus
}

// Options are those of a Reporter.
type Options struct {
	Node string
	// State is what there is to report now; false while there is nothing to say. It may be called at any time.
	State func() (State, bool)
	// Client has the kind NodePortNodeState.
	Client client.Client
	// Spread is within which time after a change it is written.
	Spread time.Duration
	Clock  clock.Clock
	Log    logr.Logger
}

// Reporter keeps a node's NodePortNodeState.
type Reporter struct {
	Options
	changed chan struct{} // holds one when there may be something new
	// present is the object as it was last seen.
	present v1alpha1.NodePortNodeState
}

// New makes a Reporter. It does nothing until Run.
func New(o Options) *Reporter { return &Reporter{Options: o, changed: make(chan struct{}, 1)} }

// Changed says that there may be something new to report. It may be called from anywhere, and never waits.
func (r *Reporter) Changed() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// Run reports until ctx ends.
func (r *Reporter) Run(ctx context.Context) {
	var last time.Time
	for {
		select {
		case <-r.changed:
		case <-ctx.Done():
			return
		}
		now := r.Clock.Now()
		moment := now.Add(rand.N(max(r.Spread, 1)))
		if earliest := last.Add(Interval); earliest.After(moment) {
			moment = earliest
		}
		select {
		case <-r.Clock.After(moment.Sub(now)):
		case <-ctx.Done():
			return
		}
		last = r.Clock.Now()
		if err := r.report(ctx); err != nil && ctx.Err() == nil {
			r.Log.Info("Not reported, it is tried again", "reason", err.Error())
			r.Changed()
		}
	}
}

// report writes what there is to report, if the cluster does not know it yet.
func (r *Reporter) report(ctx context.Context) error {
	state, ok := r.State()
	if !ok {
		return nil
	}
	if r.present.UID == "" {
		if err := r.adopt(ctx, state); err != nil {
			return err
		}
	}
	wanted := r.present.DeepCopy()
	wanted.Status = r.timed(state.Status)
	if equality.Semantic.DeepEqual(wanted.Status, r.present.Status) {
		return nil
	}
	if err := r.Client.Status().Update(ctx, wanted); err != nil {
		r.present = v1alpha1.NodePortNodeState{} // another's hand, or gone: look again
		return fmt.Errorf("write NodePortNodeState %s: %w", r.Node, err)
	}
	r.present = *wanted
	return nil
}

// adopt finds the node's object, or makes it. One of an earlier Node of the name is replaced: it is to go with that.
func (r *Reporter) adopt(ctx context.Context, state State) error {
	err := r.Client.Get(ctx, client.ObjectKey{Name: r.Node}, &r.present)
	switch {
	case meta.IsNoMatchError(err):
		return fmt.Errorf("the cluster has no kind NodePortNodeState: install config/crd: %w", err)
	case apierrors.IsNotFound(err):
		return r.create(ctx, state)
	case err != nil:
		r.present = v1alpha1.NodePortNodeState{}
		return fmt.Errorf("read NodePortNodeState %s: %w", r.Node, err)
	}
	owner := ownerOf(r.Node, state.NodeUID)
	if equality.Semantic.DeepEqual(r.present.OwnerReferences, owner) {
		return nil
	}
	r.present.OwnerReferences = owner
	if err := r.Client.Update(ctx, &r.present); err != nil {
		r.present = v1alpha1.NodePortNodeState{}
		return fmt.Errorf("give NodePortNodeState %s to its Node: %w", r.Node, err)
	}
	return nil
}

func (r *Reporter) create(ctx context.Context, state State) error {
	r.present = v1alpha1.NodePortNodeState{ObjectMeta: metav1.ObjectMeta{Name: r.Node, OwnerReferences: ownerOf(r.Node, state.NodeUID)}}
	if err := r.Client.Create(ctx, &r.present); err != nil {
		r.present = v1alpha1.NodePortNodeState{}
		return fmt.Errorf("create NodePortNodeState %s: %w", r.Node, err)
	}
	return nil
}

func ownerOf(node string, uid types.UID) []metav1.OwnerReference {
	return []metav1.OwnerReference{{APIVersion: "v1", Kind: "Node", Name: node, UID: uid}}
}

// timed gives conditions the times of when they became what they are.
func (r *Reporter) timed(status v1alpha1.NodePortNodeStateStatus) v1alpha1.NodePortNodeStateStatus {
	conditions := r.present.DeepCopy().Status.Conditions
	for _, c := range status.Conditions {
		c.LastTransitionTime = metav1.NewTime(r.Clock.Now().Truncate(time.Second))
		meta.SetStatusCondition(&conditions, c)
	}
	status.Conditions = conditions
	return status
}
