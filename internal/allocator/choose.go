package allocator

import (
	"slices"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/rules"
)

// choice is how requests are to be met: a number for each, which is marked as under way until it lands, and the holds
// that have to be given up first.
type choice struct {
	numbers []int32
	givenUp []*v1alpha1.NodePortAllocation
}

// choose settles a number for each request and marks it as under way; the caller lands each. Requests without
// one get, with reuse, the number that an earlier life or attempt of the Service left, else a free one.
func (l *Ledger) choose(c Claimant, requests []Request, pools []*rules.Pool, reuse bool) (choice, error) {
	if !l.Ready() {
		return choice{}, ErrNotReady
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, n := range c.Uses {
		l.takeOff(c, n)
		defer l.landLocked(c, n)
	}
	var left []int32
	if reuse {
		left = l.left(c, pools)
	}
	if fresh := slices.DeleteFunc(slices.Clone(left), l.refused); len(fresh) < len(left) {
		chosen, err := l.meet(c, requests, pools, fresh)
		if err == nil && len(chosen.givenUp) == 0 {
			return chosen, nil
		}
		l.landAll(c, chosen.numbers)
	}
	return l.meet(c, requests, pools, left)
}

// meet settles a number for each request, of those left if it can be, and marks it as under way.
func (l *Ledger) meet(c Claimant, requests []Request, pools []*rules.Pool, left []int32) (choice, error) {
	ch := &chooser{Ledger: l, claimant: c, requests: requests, pools: pools}
	for _, r := range requests {
		ch.numbers = append(ch.numbers, r.NodePort)
	}
	l.reuse(requests, left, ch.numbers)
	for _, n := range ch.numbers {
		l.takeOff(c, n)
	}
	if err := ch.run(); err != nil {
		l.landAll(c, ch.numbers)
		return choice{}, err
	}
	return ch.choice, nil
}

// takeOff marks a claim of the number as being written, land takes the mark away. For 0 they do nothing.
func (l *Ledger) takeOff(c Claimant, n int32) {
	if n == 0 {
		return
	}
	l.underway[n]++
	in := l.underwayIn[c.Service.Namespace]
	if in == nil {
		in = map[int32]int{}
		l.underwayIn[c.Service.Namespace] = in
	}
	in[n]++
	l.refresh(n)
}

func (l *Ledger) land(c Claimant, n int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.landLocked(c, n)
}

func (l *Ledger) landAll(c Claimant, numbers []int32) {
	for _, n := range numbers {
		l.landLocked(c, n)
	}
}

func (l *Ledger) landLocked(c Claimant, n int32) {
	if n == 0 {
		return
	}
	if l.underway[n]--; l.underway[n] == 0 {
		delete(l.underway, n)
	}
	in := l.underwayIn[c.Service.Namespace]
	if in[n]--; in[n] == 0 {
		delete(in, n)
	}
	if len(in) == 0 {
		delete(l.underwayIn, c.Service.Namespace)
	}
	l.refresh(n)
}

// chooser settles the numbers of one Service. The ledger is locked meanwhile.
type chooser struct {
	*Ledger
	choice
	claimant Claimant
	requests []Request
	pools    []*rules.Pool
	// over is the first pool's limit that was in the way of a number to be picked.
	over *QuotaError
}

// run makes room for the numbers that are there, and picks the others.
func (ch *chooser) run() error {
	for _, n := range ch.numbers {
		if n == 0 || ch.claims[n] != nil { // one that is claimed is counted already, or is another Service's
			continue
		}
		if pool := ch.chart.PoolOf(n); pool != nil {
			if over := ch.makeRoom(pool, 0); over != nil {
				return over
			}
		}
	}
	for i, r := range ch.requests {
		if ch.numbers[i] != 0 {
			continue
		}
		if ch.numbers[i] = ch.pick(r); ch.numbers[i] == 0 {
			if ch.over != nil {
				return ch.over
			}
			return ErrExhausted
		}
		ch.takeOff(ch.claimant, ch.numbers[i])
	}
	return nil
}

// pick picks a number of the first pool that has one for the namespace, else one that is only held; 0 where there is
// none.
func (ch *chooser) pick(r Request) int32 {
	for _, fromHolds := range []bool{false, true} {
		for _, asked := range ch.pools {
			// The chart may have been redrawn since the pools were chosen.
			pool := ch.chart.Pool(asked.Name)
			if pool == nil {
				continue
			}
			if n := ch.pickFrom(pool, r, fromHolds); n != 0 {
				return n
			}
		}
	}
	return 0
}

func (ch *chooser) pickFrom(pool *rules.Pool, r Request, fromHolds bool) int32 {
	before := len(ch.givenUp)
	if over := ch.makeRoom(pool, 1); over != nil {
		if ch.over == nil {
			ch.over = over
		}
		ch.givenUp = ch.givenUp[:before]
		return 0
	}
	wish := rules.Wish{Service: ch.claimant.Service, Request: r.Request}
	if n, ok := rules.Pick(pool, ch.free[pool.Name], wish, ch.random); ok {
		return n
	}
	if n := ch.numberGivenUp(pool); n != 0 {
		return n
	}
	if fromHolds {
		if victim := ch.holdOfWhoHoldsMost(pool); victim != nil {
			ch.givenUp = append(ch.givenUp, victim)
			return ch.numberGivenUp(pool)
		}
	}
	ch.givenUp = ch.givenUp[:before]
	return 0
}

// numberGivenUp is a number of the pool whose hold is about to be given up and that is not chosen yet, nor in use by
// something else on a node; 0 for none.
func (ch *chooser) numberGivenUp(pool *rules.Pool) int32 {
	for _, hold := range ch.givenUp {
		if n, _ := NumberOf(hold); pool.Numbers.Contains(n) && !slices.Contains(ch.numbers, n) && !ch.clashes.has(n) {
			return n
		}
	}
	return 0
}
