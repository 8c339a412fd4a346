package allocator

import (
	"context"
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
)

// attempt is one request on its way to its number.
type attempt struct {
	*Ledger
	claim    *Claim
	claimant Claimant
	request  Request
	pools    []*rules.Pool
}

// errBehind says that the store has another claim of the number than the view.
var errBehind = errors.New("the view is behind")

// run claims number; where somebody else was faster, and the number was picked, it goes on to the next.
func (a attempt) run(ctx context.Context, number int32) (int32, error) {
	for {
		err := a.take(ctx, number)
		a.land(a.claimant, number)
		var taken *TakenError
		if !errors.As(err, &taken) || a.request.NodePort != 0 {
			return number, err
		}
		a.claim.conflict()
		next, err := a.choose(a.claimant, []Request{a.request}, a.pools, false)
		if err != nil {
			return 0, err
		}
		a.claim.makeRoom(ctx, next.givenUp)
		number = next.numbers[0]
	}
}

// giveUp deletes holds to make room, and returns how many went. One that says something else by now stays: then there is
// less room than was thought, which shows when a claim is made, or counted.
func (l *Ledger) giveUp(ctx context.Context, holds []*v1alpha1.NodePortAllocation) (gone int, err error) {
	for _, hold := range holds {
		switch failure := l.discard(ctx, hold); {
		case failure == nil:
			gone++
		case !apierrors.IsNotFound(failure) && !apierrors.IsConflict(failure):
			err = errors.Join(err, failure)
		}
	}
	return gone, err
}

// take claims one number, first by what the view knows, then by what is there.
func (a attempt) take(ctx context.Context, number int32) error {
	known := a.known(number)
	var err error
	if known != nil && settled(known, a.claimant, a.request, a.clock.Now()) {
		known, err = a.present(ctx, number, known) // it may have been withdrawn, and nothing would be written
	}
	for err == nil {
		if err = a.takeOver(ctx, number, known); !errors.Is(err, errBehind) {
			return err
		}
		known, err = a.present(ctx, number, known)
	}
	return err
}

// present is the claim that the store has, nil for none; the view learns of it.
func (a attempt) present(ctx context.Context, number int32, known *v1alpha1.NodePortAllocation) (*v1alpha1.NodePortAllocation, error) {
	found, err := a.store.Get(ctx, number)
	switch {
	case apierrors.IsNotFound(err):
		if known != nil {
			a.forget(known)
		}
		return nil, nil
	case err != nil:
		return nil, err
	}
	a.learn(found)
	return found, nil
}

func (a attempt) holder(number int32, claim *v1alpha1.NodePortAllocation) rules.Holder {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.holderLocked(number, claim)
}

func (a attempt) known(number int32) *v1alpha1.NodePortAllocation {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.claims[number]
}

// takeOver claims a number that has no claim (known is nil), this Service's own, or, if it is explicit, one held in
// the namespace. Another's is a *TakenError.
func (a attempt) takeOver(ctx context.Context, number int32, known *v1alpha1.NodePortAllocation) error {
	wanted := &v1alpha1.NodePortAllocation{}
	wanted.Name = NameOf(number)
	if known != nil {
		now := a.clock.Now()
		if settled(known, a.claimant, a.request, now) {
			return nil
		}
		if holder := a.holder(number, known); !a.mayTakeFrom(holder) && (!holdIgnored || known.Spec.ServiceUID != "") {
			r := a.request.Request
			r.NodePort = number
			return &TakenError{Request: r, Holder: holder}
		}
		wanted = known.DeepCopy()
		switch {
		case OwnerOf(known) != a.claimant.Service: // the hold was for another one
			wanted.Spec.HoldUntil = nil
		case a.claimant.Reservation != "":
			wanted.Spec.ReservationName, wanted.Spec.HoldUntil = a.claimant.Reservation, nil
			return a.write(ctx, known, wanted)
		case StateOf(known, now) == Bound: // its Service has gone or left it, and the controllers have not seen it yet
			Release(&wanted.Spec, now, a.holdFor(number))
		}
	}
	a.fill(&wanted.Spec, number)
	return a.write(ctx, known, wanted)
}

// mayTakeFrom: an explicit number is worth another Service's hold in the namespace, one that was picked is not. What
// one reservation keeps is not another's.
func (a attempt) mayTakeFrom(holder rules.Holder) bool {
	if holder.Service == a.claimant.Service {
		return a.claimant.Reservation == "" || holder.Reservation == ""
	}
	return a.request.NodePort != 0 && holder.Held() && holder.Service.Namespace == a.claimant.Service.Namespace
}

// fill writes the facts of this request into a claim. Until when it was held for the Service stays: it is held again
// if nothing comes of the request.
func (a attempt) fill(spec *v1alpha1.NodePortAllocationSpec, number int32) {
	now := metav1.NewMicroTime(a.clock.Now().Truncate(time.Microsecond))
	if now.Equal(spec.ClaimTime) { // the API server does not write what is there already
		now = metav1.NewMicroTime(now.Add(time.Microsecond))
	}
	spec.ServiceRef = v1alpha1.ServiceReference{Namespace: a.claimant.Service.Namespace, Name: a.claimant.Service.Name}
	spec.ServiceUID = ""
	if a.claimant.Reservation != "" {
		spec.ReservationName = a.claimant.Reservation
	}
	spec.Role = v1alpha1.Role(a.request.Role)
	spec.Origin = a.request.Origin
	spec.Ports = AllocatedPorts(a.request.Ports)
	spec.ClaimTime = &now
	if pool := a.poolOf(number); pool != nil {
		spec.PoolName = pool.Name
	}
}

// write makes the claim (before is nil) or changes it. Where the answer is lost it reads back what was done: a
// second number would leak the first.
func (a attempt) write(ctx context.Context, before, wanted *v1alpha1.NodePortAllocation) error {
	w := write{before: before, after: wanted.DeepCopy()}
	var err error
	if before == nil && claimSkipped {
		return nil
	}
	if before == nil {
		w.vote = a.await(wanted)
		err = a.store.Create(ctx, w.after)
	} else {
		err = a.store.Update(ctx, w.after)
	}
	if err = a.outcome(ctx, &w, wanted, err); err != nil {
		a.withdraw(w.vote)
		return err
	}
	a.learn(w.after)
	a.claim.mu.Lock()
	defer a.claim.mu.Unlock()
	a.claim.writes = append(a.claim.writes, w)
	return nil
}

// outcome is nil where a write was done, whatever the answer.
func (a attempt) outcome(ctx context.Context, w *write, wanted *v1alpha1.NodePortAllocation, err error) error {
	switch {
	case err == nil:
		return nil
	case w.before == nil && apierrors.IsAlreadyExists(err), w.before != nil && (apierrors.IsConflict(err) || apierrors.IsNotFound(err)):
		return errBehind
	case isRefusal(err):
		return err
	}
	if found := a.readBack(ctx, wanted); found != nil {
		w.after, err = found, nil
	}
	return err
}

// isRefusal says whether the API server has answered that it wrote nothing.
func isRefusal(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) ||
		apierrors.IsBadRequest(err) || apierrors.IsTooManyRequests(err) || apierrors.IsNotFound(err)
}

// readBack is the claim as wanted, if the store has it; also when ctx is done.
func (a attempt) readBack(ctx context.Context, wanted *v1alpha1.NodePortAllocation) *v1alpha1.NodePortAllocation {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revertTimeout)
	defer cancel()
	number, _ := NumberOf(wanted)
	found, err := a.store.Get(ctx, number)
	same := err == nil && OwnerOf(found) == OwnerOf(wanted) && found.Spec.ClaimTime.Equal(wanted.Spec.ClaimTime) &&
		found.Spec.ReservationName == wanted.Spec.ReservationName
	if !same {
		return nil
	}
	return found
}

func (l *Ledger) poolOf(number int32) *rules.Pool {
	if chart := l.Chart(); chart != nil {
		return chart.PoolOf(number)
	}
	return nil
}

func (l *Ledger) holdFor(number int32) time.Duration {
	if pool := l.poolOf(number); pool != nil {
		return pool.Hold()
	}
	return rules.DefaultHold
}
