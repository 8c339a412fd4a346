// Package report tells the cluster what a node serves: it keeps the NodePortNodeState of this node.
//
// Five thousand nodes must not hurt the API server. So a change is written at a random moment within a while, for it may
// concern all nodes; a node writes at most once in Interval, and nothing where nothing has changed. When the kernel last took
// a change differs all the time on a busy cluster; for that alone it writes at most once in SyncInterval, and for the use
// of numbers alone at most once in ActivityInterval. Where nothing was written for a while it looks whether the object is
// still there and as it was: one GET, and no watch on each node.
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

const (
	// Interval is the least time between two writes of a node.
	Interval = time.Minute
	// SyncInterval is that where nothing differs but when the kernel last took a change.
	SyncInterval = 10 * time.Minute
	// ActivityInterval is that where nothing differs but which numbers have been used, and when the kernel last took a
	// change. Nobody waits for that: so every other Interval is left for what somebody waits for.
	ActivityInterval = 2 * Interval
	// LookInterval is how long it relies on the object's being as it was last seen, and at most a tenth longer. A node that
	// writes every SyncInterval need not look.
	LookInterval = SyncInterval + Interval
)

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
	// Activity is what there is to report of the use of numbers, given what the cluster knows of it, and that where there
	// is nothing new; nil where nothing is counted. It may be called at any time.
	Activity func(known *v1alpha1.Activity) *v1alpha1.Activity
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

	// What follows is Run's own.
	present v1alpha1.NodePortNodeState // the object as it was last seen
	asked   time.Time                  // when the API server was
	wrote   time.Time                  // when the status was last written, or first read
	used    time.Time                  // when the use of numbers was; zero: never
	due     time.Time                  // when to report of its own accord; zero: never
	look    time.Time                  // when to read the object again; zero: never
	said    string                     // the failure that was last logged
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
	for r.await(ctx) && r.pause(ctx) {
		err := r.report(ctx)
		if ctx.Err() == nil {
			r.conclude(err)
		}
	}
}

// await waits until there may be something to report; false, if ctx ends.
func (r *Reporter) await(ctx context.Context) bool {
	var due <-chan time.Time
	if next := earlier(r.due, r.look); !next.IsZero() {
		timer := r.Clock.NewTimer(next.Sub(r.Clock.Now()))
		defer timer.Stop()
		due = timer.C()
	}
	select {
	case <-r.changed:
	case <-due:
	case <-ctx.Done():
		return false
	}
	return true
}

// earlier is the earlier of two times, of which either may be zero: never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// pause waits for the moment to report; false, if ctx ends.
func (r *Reporter) pause(ctx context.Context) bool {
	now := r.Clock.Now()
	moment := now.Add(rand.N(max(r.Spread, 1))) //nolint:gosec // it spreads reports, nobody gains by guessing
	if earliest := r.asked.Add(Interval); earliest.After(moment) {
		moment = earliest
	}
	timer := r.Clock.NewTimer(moment.Sub(now))
	defer timer.Stop()
	select {
	case <-timer.C():
		return true
	case <-ctx.Done():
		return false
	}
}

// conclude has it tried again where it failed. A failure that lasts is logged once.
func (r *Reporter) conclude(err error) {
	if err == nil {
		r.said = ""
		return
	}
	r.Changed()
	if text := err.Error(); text != r.said {
		r.said = text
		r.Log.Info("Not reported, it is tried again", "reason", text)
	}
}

// report writes what there is to report, if the cluster does not know it yet.
func (r *Reporter) report(ctx context.Context) error {
	r.due = time.Time{}
	state, ok := r.State()
	if !ok {
		r.look = time.Time{} // it is looked at when there is something to say
		return nil
	}
	if err := r.belong(ctx, state.NodeUID); err != nil {
		return err
	}
	wanted := r.present.DeepCopy()
	wanted.Status = r.timed(state.Status)
	if r.Activity != nil {
		wanted.Status.Activity = r.Activity(r.present.Status.Activity)
	}
	if equality.Semantic.DeepEqual(wanted.Status, r.present.Status) {
		return nil
	}
	if due := r.putOff(&wanted.Status); r.Clock.Now().Before(due) {
		r.due = due
		return nil
	}
	return r.write(ctx, wanted)
}

func (r *Reporter) write(ctx context.Context, wanted *v1alpha1.NodePortNodeState) error {
	use := !equality.Semantic.DeepEqual(wanted.Status.Activity, r.present.Status.Activity)
	r.asked = r.Clock.Now()
	if err := r.Client.Status().Update(ctx, wanted); err != nil {
		r.present = v1alpha1.NodePortNodeState{} // another's hand, or gone: look again
		return fmt.Errorf("write NodePortNodeState %s: %w", r.Node, err)
	}
	r.present, r.wrote = *wanted, r.asked
	if use {
		r.used = r.asked
	}
	r.seen()
	return nil
}

// putOff is until when a status that differs from the present one may wait; zero where it may not.
func (r *Reporter) putOff(wanted *v1alpha1.NodePortNodeStateStatus) time.Time {
	present, rest, until := &r.present.Status, *wanted, time.Time{}
	if a, b := wanted.LastSync, present.LastSync; a != nil && b != nil && !equality.Semantic.DeepEqual(a, b) {
		rest.LastSync, until = b, r.wrote.Add(SyncInterval)
	}
	if a, b := wanted.Activity, present.Activity; a != nil && b != nil && !equality.Semantic.DeepEqual(a, b) {
		rest.Activity, until = b, earlier(until, r.used.Add(ActivityInterval))
	}
	if !equality.Semantic.DeepEqual(rest, *present) {
		return time.Time{}
	}
	return until
}

// seen says that the object is as the API server has it.
func (r *Reporter) seen() { r.look = r.Clock.Now().Add(LookInterval + rand.N(LookInterval/10)) } //nolint:gosec // it spreads reports, nobody gains by guessing

// belong sees to it that the object is there, and goes with this Node: that of an earlier Node of the name is taken over.
func (r *Reporter) belong(ctx context.Context, node types.UID) error {
	owner := ownerOf(r.Node, node)
	now := r.Clock.Now()
	if r.present.UID != "" && equality.Semantic.DeepEqual(r.present.OwnerReferences, owner) && now.Before(r.look) {
		return nil
	}
	r.asked = now
	if r.wrote.IsZero() {
		r.wrote = now
	}
	if err := r.adopt(ctx, owner); err != nil {
		r.present = v1alpha1.NodePortNodeState{}
		return err
	}
	r.seen()
	return nil
}

// adopt finds the node's object, or makes it.
func (r *Reporter) adopt(ctx context.Context, owner []metav1.OwnerReference) error {
	r.present = v1alpha1.NodePortNodeState{}
	err := r.Client.Get(ctx, client.ObjectKey{Name: r.Node}, &r.present)
	switch {
	case apierrors.IsNotFound(err):
		return r.create(ctx, owner)
	case err != nil:
		return fmt.Errorf("read NodePortNodeState %s: %w", r.Node, err)
	case equality.Semantic.DeepEqual(r.present.OwnerReferences, owner):
		return nil
	}
	r.present.OwnerReferences = owner
	if err := r.Client.Update(ctx, &r.present); err != nil {
		return fmt.Errorf("give NodePortNodeState %s to its Node: %w", r.Node, err)
	}
	return nil
}

// create makes the object. Where not even the kind is there, the answer is the same as for an object.
func (r *Reporter) create(ctx context.Context, owner []metav1.OwnerReference) error {
	r.present = v1alpha1.NodePortNodeState{ObjectMeta: metav1.ObjectMeta{Name: r.Node, OwnerReferences: owner}}
	err := r.Client.Create(ctx, &r.present)
	switch {
	case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
		return fmt.Errorf("the cluster has no kind NodePortNodeState: install config/crd: %w", err)
	case err != nil:
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
