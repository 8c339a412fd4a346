package allocator

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
)

// How much a namespace may have of a pool. Every claim counts, whatever its state. Holds are best effort: a namespace
// that is at its limit gives up its own oldest first, and of a full pool the namespace that holds most gives up its
// oldest. A promise is a reservation.

// QuotaError is returned where a namespace would have more numbers of a pool than it may.
type QuotaError struct {
	// Pool is the pool whose limit it is.
	Pool *rules.Pool
	// Limit is how many the namespace may have: in all, or (Unbound) of those that no Service of it carries.
	Limit   int
	Unbound bool
	// Used is how many it has, Asked how many more are asked for.
	Used, Asked int
}

func (e *QuotaError) Error() string {
	return fmt.Sprintf("pool %q: %d of %d node ports are used, %d more are asked for", e.Pool.Name, e.Used, e.Limit, e.Asked)
}

// tally is what a namespace has of a pool.
type tally struct {
	all     int // numbers claimed, and being claimed
	unbound int // those of them that no Service carries
	holds   []*v1alpha1.NodePortAllocation
}

// tallyOf counts what a namespace has of a pool. The holds are in the order in which they end: the oldest first.
func (l *Ledger) tallyOf(namespace string, pool *rules.Pool) tally {
	now := l.clock.Now()
	var t tally
	for n := range l.claimedIn[namespace] {
		if !pool.Numbers.Contains(n) {
			continue
		}
		t.all++
		claim := l.claims[n]
		if claim.Spec.ServiceUID == "" && !l.carriers[n][OwnerOf(claim)] {
			t.unbound++
		}
		if l.spare(n, claim, now) {
			t.holds = append(t.holds, claim)
		}
	}
	for n := range l.underwayIn[namespace] {
		if l.claims[n] == nil && pool.Numbers.Contains(n) {
			t.all++
			if len(l.carriers[n]) == 0 {
				t.unbound++
			}
		}
	}
	slices.SortFunc(t.holds, oldestFirst)
	return t
}

// spare says whether a claim is a hold that nobody comes for. One that a Service has come for since, and that is held
// again because that was long ago, may be in use by now: the controllers will know.
func (l *Ledger) spare(n int32, claim *v1alpha1.NodePortAllocation, now time.Time) bool {
	return StateOf(claim, now) == Held && claim.Spec.ClaimTime == nil && l.underway[n] == 0 && len(l.carriers[n]) == 0
}

func oldestFirst(a, b *v1alpha1.NodePortAllocation) int {
	return a.Spec.HoldUntil.Compare(b.Spec.HoldUntil.Time)
}

// makeRoom sees that the namespace may have so many more numbers of a pool, by giving up its oldest holds if need be.
func (ch *chooser) makeRoom(pool *rules.Pool, more int) *QuotaError {
	limit, unbound := pool.Allowance()
	if limit < 0 {
		return nil
	}
	t := ch.tallyOf(ch.claimant.Service.Namespace, pool)
	used, asked := t.all, ch.newIn(pool)
	if unbound {
		used = t.unbound
		if ch.claimant.Reservation == "" { // a Service of many ports may come when nothing else is unbound
			limit = max(limit, asked)
		}
	}
	before := used - ch.chosenIn(pool)
	for _, hold := range ch.givenUp {
		if n, _ := NumberOf(hold); pool.Numbers.Contains(n) && hold.Spec.ServiceRef.Namespace == ch.claimant.Service.Namespace {
			used--
		}
	}
	for ; used+more > limit; used-- {
		i := slices.IndexFunc(t.holds, ch.mayGiveUp)
		if i < 0 {
			return &QuotaError{Pool: pool, Limit: limit, Unbound: unbound, Used: before, Asked: asked}
		}
		ch.givenUp = append(ch.givenUp, t.holds[i])
	}
	return nil
}

// mayGiveUp leaves out holds that are being given up already, and those that the Service itself comes for.
func (ch *chooser) mayGiveUp(hold *v1alpha1.NodePortAllocation) bool {
	n, _ := NumberOf(hold)
	return !slices.Contains(ch.givenUp, hold) && !slices.Contains(ch.numbers, n)
}

// newIn is how many numbers of a pool the requests add to what the namespace has, if those to be picked are of it.
func (ch *chooser) newIn(pool *rules.Pool) int {
	count := ch.chosenIn(pool)
	for _, n := range ch.numbers {
		if n == 0 {
			count++
		}
	}
	return count
}

// chosenIn is how many of the numbers chosen so far are new ones of a pool.
func (ch *chooser) chosenIn(pool *rules.Pool) int {
	count := 0
	for _, n := range ch.numbers {
		if n != 0 && ch.claims[n] == nil && pool.Numbers.Contains(n) {
			count++
		}
	}
	return count
}

// holdOfWhoHoldsMost is the oldest hold, in a pool, of the namespace that holds most there; nil where there is none. One
// whose number could not be picked is left alone.
func (ch *chooser) holdOfWhoHoldsMost(pool *rules.Pool) *v1alpha1.NodePortAllocation {
	now := ch.clock.Now()
	holds := map[string][]*v1alpha1.NodePortAllocation{}
	for n, claim := range ch.claims {
		if pool.Numbers.Contains(n) && ch.spare(n, claim, now) && ch.mayGiveUp(claim) && !ch.clashes.has(n) {
			in := claim.Spec.ServiceRef.Namespace
			holds[in] = append(holds[in], claim)
		}
	}
	var most []*v1alpha1.NodePortAllocation
	for _, in := range holds {
		slices.SortFunc(in, oldestFirst)
		if len(in) > len(most) || len(in) == len(most) && oldestFirst(in[0], most[0]) < 0 {
			most = in
		}
	}
	if most == nil {
		return nil
	}
	return most[0]
}

// Hold writes a claim that has become a hold, and gives up the oldest holds of its namespace beyond what it may have. It
// returns how many went.
func (l *Ledger) Hold(ctx context.Context, a *v1alpha1.NodePortAllocation) (givenUp int, err error) {
	l.holding.Lock()
	defer l.holding.Unlock()
	if err := l.store.Update(ctx, a); err != nil {
		return 0, err
	}
	l.learn(a)
	return l.giveUp(ctx, l.surplus(a))
}

// surplus are the holds, the oldest first, that the namespace of a hold has beyond what it may have of the pool.
func (l *Ledger) surplus(a *v1alpha1.NodePortAllocation) []*v1alpha1.NodePortAllocation {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, _ := NumberOf(a)
	pool := l.chart.PoolOf(n)
	if pool == nil {
		return nil
	}
	limit, unbound := pool.Allowance()
	if limit < 0 || !unbound {
		return nil
	}
	t := l.tallyOf(a.Spec.ServiceRef.Namespace, pool)
	return t.holds[:max(0, min(len(t.holds), t.unbound-limit))]
}

// Used implements rules.Ledger.
func (l *Ledger) Used(namespace string, pool *rules.Pool) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.tallyOf(namespace, pool).all
}
