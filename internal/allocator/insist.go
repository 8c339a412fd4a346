package allocator

import (
	"context"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// The controllers write the status of a claim at any time, most of all a moment after the claim itself: then it is not
// the version any more that we know, and still the same claim. To leave it alone for that would leave a number claimed
// that is over a limit, and that nothing gives back: a reserved one does not lapse.

// insist calls write with a claim for as long as only its status is in the way. Where the claim itself is not the one
// that is known any more it returns the Conflict; the view learns of it, so as not to come for the same claim again.
func (l *Ledger) insist(ctx context.Context, known *v1alpha1.NodePortAllocation, write func(*v1alpha1.NodePortAllocation) error) error {
	number, _ := NumberOf(known)
	for present := known; ; {
		conflict := write(present)
		if !apierrors.IsConflict(conflict) {
			return conflict
		}
		var err error
		if present, err = l.store.Get(ctx, number); err != nil {
			return err
		}
		l.learn(present)
		if present.UID != known.UID || !equality.Semantic.DeepEqual(present.Spec, known.Spec) {
			return conflict
		}
	}
}

// discard deletes a claim, whatever its status. The view forgets it once it has gone.
func (l *Ledger) discard(ctx context.Context, a *v1alpha1.NodePortAllocation) error {
	err := l.insist(ctx, a, func(present *v1alpha1.NodePortAllocation) error { return l.store.Delete(ctx, present) })
	if err == nil || apierrors.IsNotFound(err) {
		l.forget(a)
	}
	return err
}
