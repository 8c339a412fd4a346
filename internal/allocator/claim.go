package allocator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
	"github.com/portolan-dev/portolan/internal/serviceports"
)

// revertTimeout bounds the undoing of a claim, which goes on when its request has been given up.
const revertTimeout = 5 * time.Second

var (
	// ErrExhausted is returned where no number is free in the pools asked.
	ErrExhausted = errors.New("no node port is free")
	// ErrNotReady is returned before the present claims and Services are in the view.
	ErrNotReady = errors.New("the ledger has not been replayed yet")
)

// TakenError is returned where another Service has an explicit number.
type TakenError struct {
	Request serviceports.Request
	Holder  rules.Holder
}

func (e *TakenError) Error() string {
	return fmt.Sprintf("node port %d is taken by Service %s", e.Request.NodePort, e.Holder.Service)
}

// Claimant is the Service that numbers are claimed for.
type Claimant struct {
	Service types.NamespacedName
	// UID is that of the live Service; empty on create.
	UID types.UID
	// Uses are the numbers that the Service carries now or will: none of them is picked for another request.
	Uses []int32
}

// Request is a number to claim, or (NodePort 0) to pick and claim.
type Request struct {
	serviceports.Request
	Origin v1alpha1.Origin
}

// Claim is a set of numbers that a Service has been given together.
type Claim struct {
	// Requests are those asked for, with their numbers.
	Requests []serviceports.Request

	ledger *Ledger
	mu     sync.Mutex // guards writes
	writes []write
}

// write is a change of the store that can be undone.
type write struct{ before, after *v1alpha1.NodePortAllocation }

// Claim gives each request its number, or fails with none claimed: with ErrExhausted, a *TakenError, ErrNotReady
// or an error of the store. Numbers are picked from pools in order. The caller ends it with Commit or Revert.
func (l *Ledger) Claim(ctx context.Context, c Claimant, requests []Request, pools []*rules.Pool) (*Claim, error) {
	claim := &Claim{ledger: l, Requests: make([]serviceports.Request, len(requests))}
	plan, err := l.choose(c, requests, pools, true)
	if err != nil {
		return nil, err
	}
	errs := make([]error, len(requests))
	var wg sync.WaitGroup
	for i, number := range plan {
		wg.Go(func() {
			a := attempt{Ledger: l, claim: claim, claimant: c, request: requests[i], pools: pools}
			claim.Requests[i] = requests[i].Request
			claim.Requests[i].NodePort, errs[i] = a.run(ctx, number)
		})
	}
	written := make(chan struct{})
	go func() { wg.Wait(); close(written) }()
	select {
	case <-written:
	case <-ctx.Done(): // answer in time; what is still being written is undone when its outcome is known
		go func() { <-written; claim.Revert(ctx) }()
		return nil, ctx.Err()
	}
	if err := errors.Join(errs...); err != nil {
		claim.Revert(ctx)
		return nil, err
	}
	return claim, nil
}

// Preview answers as Claim would, and claims nothing. Without reuse it leaves aside the numbers that are claimed
// for this very Service.
func (l *Ledger) Preview(c Claimant, requests []Request, pools []*rules.Pool, reuse bool) ([]serviceports.Request, error) {
	numbers, err := l.choose(c, requests, pools, reuse)
	if err != nil {
		return nil, err
	}
	answer := make([]serviceports.Request, len(requests))
	for i, n := range numbers {
		answer[i] = requests[i].Request
		answer[i].NodePort = n
		l.land(n)
	}
	return answer, nil
}

// Commit keeps the numbers. Revert after it does nothing.
func (c *Claim) Commit() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.writes = nil
}

// Revert undoes what the claim wrote, also when ctx is done. What cannot be undone stays as a pending claim and
// lapses after ClaimGrace.
func (c *Claim) Revert(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), revertTimeout)
	defer cancel()
	for _, w := range c.writes {
		c.ledger.undo(ctx, w)
	}
	c.writes = nil
}

func (l *Ledger) undo(ctx context.Context, w write) {
	if w.before == nil {
		if err := l.store.Delete(ctx, w.after); err == nil {
			l.forget(w.after)
		}
		return
	}
	restored := w.after.DeepCopy()
	restored.Spec = w.before.Spec
	if err := l.store.Update(ctx, restored); err == nil {
		l.learn(restored)
	}
}

// Unclaimed are the requests, with their numbers, that no claim of this Service is pending or bound for.
func (l *Ledger) Unclaimed(c Claimant, requests []Request) []Request {
	now := l.clock.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(requests), func(r Request) bool {
		claim := l.claims[r.NodePort]
		return claim != nil && l.settled(claim, c, StateOf(claim, now))
	})
}

// settled says whether a claim is this Service's already, by an earlier call of the same request or of one before.
func (l *Ledger) settled(claim *v1alpha1.NodePortAllocation, c Claimant, state State) bool {
	return OwnerOf(claim) == c.Service && (state == Pending || state == Bound && claim.Spec.ServiceUID == c.UID)
}

// Withdraw gives up this Service's pending claims, but for the numbers in keep: an earlier request made them
// that has come to nothing. What was held before is held again.
func (l *Ledger) Withdraw(ctx context.Context, service types.NamespacedName, keep []int32) {
	now := l.clock.Now()
	for _, a := range l.claimsOf(service) {
		n, _ := NumberOf(a)
		if StateOf(a, now) != Pending || slices.Contains(keep, n) {
			continue
		}
		w := write{after: a}
		if a.Spec.HoldUntil != nil {
			w.before = a.DeepCopy()
			w.before.Spec.ClaimTime = nil
		}
		l.undo(ctx, w)
	}
}

func (l *Ledger) claimsOf(service types.NamespacedName) []*v1alpha1.NodePortAllocation {
	l.mu.Lock()
	defer l.mu.Unlock()
	var claims []*v1alpha1.NodePortAllocation
	for n := range l.claimedBy[service] {
		claims = append(claims, l.claims[n])
	}
	return claims
}

// choose settles a number for each request and marks it as under way; the caller lands each. Requests without
// one get, with reuse, the number that an earlier life or attempt of the Service left, else a free one.
func (l *Ledger) choose(c Claimant, requests []Request, pools []*rules.Pool, reuse bool) ([]int32, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.chart == nil {
		return nil, ErrNotReady
	}
	numbers := make([]int32, len(requests))
	for i, r := range requests {
		n := r.NodePort
		if n == 0 && reuse {
			n = l.left(c, r, pools, numbers)
		}
		if n == 0 {
			n = l.pick(c, r, pools)
		}
		if n == 0 {
			for _, chosen := range numbers[:i] {
				l.landLocked(chosen)
			}
			return nil, ErrExhausted
		}
		numbers[i] = n
		l.takeOff(n)
	}
	return numbers, nil
}

// takeOff marks a claim of the number as being written, land takes the mark away.
func (l *Ledger) takeOff(n int32) {
	l.underway[n]++
	l.refresh(n)
}

func (l *Ledger) land(n int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.landLocked(n)
}

func (l *Ledger) landLocked(n int32) {
	if l.underway[n]--; l.underway[n] == 0 {
		delete(l.underway, n)
	}
	l.refresh(n)
}

// pick picks a free number of the first pool that has one; 0 where none has.
func (l *Ledger) pick(c Claimant, r Request, pools []*rules.Pool) int32 {
	wish := rules.Wish{Service: c.Service, Request: r.Request}
	for _, asked := range pools {
		// The chart may have been redrawn since the pools were chosen.
		pool := l.chart.Pool(asked.Name)
		if pool == nil {
			continue
		}
		if n, ok := rules.Pick(pool, l.free[pool.Name], wish, l.random); ok {
			return n
		}
	}
	return 0
}

// left is a number that is claimed for this Service but not used by it: its last life's, or an earlier attempt's.
// It is the one of the entry's name, else of its protocol and port; 0 where there is none.
func (l *Ledger) left(c Claimant, r Request, pools []*rules.Pool, chosen []int32) int32 {
	var byPort int32
	for _, n := range slices.Sorted(keys(l.claimedBy[c.Service])) {
		claim := l.claims[n]
		switch {
		case c.UID != "" && claim.Spec.ServiceUID == c.UID, // the live Service has it
			slices.Contains(c.Uses, n), slices.Contains(chosen, n),
			!l.offers(pools, n), string(claim.Spec.Role) != string(r.Role):
			continue
		case r.Role == serviceports.HealthCheck, sharesName(claim.Spec.Ports, r.Ports):
			return n
		case sharesPort(claim.Spec.Ports, r.Ports):
			byPort = n
		}
	}
	return byPort
}

func keys(set map[int32]bool) func(func(int32) bool) {
	return func(yield func(int32) bool) {
		for n := range set {
			if !yield(n) {
				return
			}
		}
	}
}

// offers says whether a number is in one of the pools.
func (l *Ledger) offers(pools []*rules.Pool, n int32) bool {
	owner := l.chart.PoolOf(n)
	return owner != nil && slices.ContainsFunc(pools, func(p *rules.Pool) bool { return p.Name == owner.Name })
}

func sharesName(claimed []v1alpha1.AllocatedPort, asked []serviceports.Port) bool {
	return slices.ContainsFunc(claimed, func(a v1alpha1.AllocatedPort) bool {
		return slices.ContainsFunc(asked, func(b serviceports.Port) bool { return a.Name == b.Name })
	})
}

func sharesPort(claimed []v1alpha1.AllocatedPort, asked []serviceports.Port) bool {
	return slices.ContainsFunc(claimed, func(a v1alpha1.AllocatedPort) bool {
		return slices.ContainsFunc(asked, func(b serviceports.Port) bool { return a.Port == b.Port && a.Protocol == b.Protocol })
	})
}

// attempt is one request on its way to its number.
type attempt struct {
	*Ledger
	claim    *Claim
	claimant Claimant
	request  Request
	pools    []*rules.Pool
}

// run claims number; where somebody else was faster, and the number was picked, it goes on to the next.
func (a attempt) run(ctx context.Context, number int32) (int32, error) {
	for {
		err := a.take(ctx, number)
		a.land(number)
		var taken *TakenError
		if err == nil || !errors.As(err, &taken) || a.request.NodePort != 0 {
			return number, err
		}
		next, err := a.choose(a.claimant, []Request{a.request}, a.pools, false)
		if err != nil {
			return 0, err
		}
		number = next[0]
	}
}

// take claims one number.
func (a attempt) take(ctx context.Context, number int32) error {
	known := a.known(number)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		var err error
		if known == nil {
			err = a.create(ctx, number)
		} else {
			err = a.takeOver(ctx, known)
		}
		if !apierrors.IsAlreadyExists(err) && !apierrors.IsConflict(err) && !apierrors.IsNotFound(err) {
			return err
		}
		// The view was behind: go by what is there now.
		known, err = a.store.Get(ctx, number)
		switch {
		case apierrors.IsNotFound(err):
			known = nil
		case err != nil:
			return err
		default:
			a.learn(known)
		}
	}
}

func (a attempt) known(number int32) *v1alpha1.NodePortAllocation {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.claims[number]
}

// create claims a number that nobody has.
func (a attempt) create(ctx context.Context, number int32) error {
	wanted := &v1alpha1.NodePortAllocation{}
	wanted.Name = NameOf(number)
	a.fill(&wanted.Spec, number)
	created := wanted.DeepCopy()
	err := a.store.Create(ctx, created)
	if err != nil && !apierrors.IsAlreadyExists(err) && !isRefusal(err) {
		created, err = a.readBack(ctx, wanted, err)
	}
	if err != nil {
		return err
	}
	a.wrote(nil, created)
	return nil
}

// isRefusal says whether the API server has answered that it wrote nothing.
func isRefusal(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) ||
		apierrors.IsBadRequest(err) || apierrors.IsTooManyRequests(err) || apierrors.IsNotFound(err)
}

// readBack looks whether a create whose answer was lost was committed: a second number would leak it.
func (a attempt) readBack(ctx context.Context, wanted *v1alpha1.NodePortAllocation, lost error) (*v1alpha1.NodePortAllocation, error) {
	detached, cancel := context.WithTimeout(context.WithoutCancel(ctx), revertTimeout)
	defer cancel()
	number, _ := NumberOf(wanted)
	found, err := a.store.Get(detached, number)
	if err != nil || OwnerOf(found) != OwnerOf(wanted) || !found.Spec.ClaimTime.Equal(wanted.Spec.ClaimTime) {
		return nil, lost
	}
	if ctx.Err() != nil {
		a.wrote(nil, found) // to be reverted
		return nil, lost
	}
	return found, nil
}

// takeOver claims a number that has a claim: this Service's own, or one held in its namespace. Another's is a
// *TakenError.
func (a attempt) takeOver(ctx context.Context, known *v1alpha1.NodePortAllocation) error {
	state := StateOf(known, a.clock.Now())
	own := OwnerOf(known) == a.claimant.Service
	switch {
	case a.settled(known, a.claimant, state):
		return nil
	case !own && (state == Bound || state == Pending || known.Spec.ServiceRef.Namespace != a.claimant.Service.Namespace):
		return a.takenBy(known, state)
	}
	number, _ := NumberOf(known)
	updated := known.DeepCopy()
	if state == Bound { // its Service has gone, and the controllers have not seen it yet
		Release(&updated.Spec, a.clock.Now(), a.holdFor(number))
	}
	a.fill(&updated.Spec, number)
	if err := a.store.Update(ctx, updated); err != nil {
		return err
	}
	a.wrote(known, updated)
	return nil
}

func (a attempt) takenBy(known *v1alpha1.NodePortAllocation, state State) *TakenError {
	holder := rules.Holder{Service: OwnerOf(known)}
	if state == Held {
		holder.HeldUntil = known.Spec.HoldUntil.Time
	}
	r := a.request.Request
	r.NodePort, _ = NumberOf(known)
	return &TakenError{Request: r, Holder: holder}
}

// fill writes the facts of this request into a claim.
func (a attempt) fill(spec *v1alpha1.NodePortAllocationSpec, number int32) {
	now := metav1.NewMicroTime(a.clock.Now().Truncate(time.Microsecond))
	spec.ServiceRef = v1alpha1.ServiceReference{Namespace: a.claimant.Service.Namespace, Name: a.claimant.Service.Name}
	spec.ServiceUID = ""
	spec.Role = v1alpha1.Role(a.request.Role)
	spec.Origin = a.request.Origin
	spec.Ports = AllocatedPorts(a.request.Ports)
	spec.ClaimTime = &now
	if pool := a.poolOf(number); pool != nil {
		spec.PoolName = pool.Name
	}
}

// wrote notes a change of the store, for the view and for Revert.
func (a attempt) wrote(before, after *v1alpha1.NodePortAllocation) {
	a.learn(after)
	a.claim.mu.Lock()
	defer a.claim.mu.Unlock()
	a.claim.writes = append(a.claim.writes, write{before, after})
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

// Release turns a claim into a hold for the Service that had it; with hold 0 it lapses at once.
func Release(spec *v1alpha1.NodePortAllocationSpec, now time.Time, hold time.Duration) {
	until := metav1.NewTime(now.Add(hold))
	spec.ServiceUID, spec.ClaimTime, spec.HoldUntil = "", nil, &until
}

// AllocatedPorts are entries of a Service as the ledger notes them.
func AllocatedPorts(ports []serviceports.Port) []v1alpha1.AllocatedPort {
	allocated := make([]v1alpha1.AllocatedPort, len(ports))
	for i, p := range ports {
		allocated[i] = v1alpha1.AllocatedPort{Name: p.Name, Port: p.Port, Protocol: corev1.Protocol(p.Protocol)}
	}
	return allocated
}
