package allocator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	testingclock "k8s.io/utils/clock/testing"
	"pgregory.net/rapid"

	"github.com/portolan-dev/portolan/api/v1alpha1"
)

// cluster is a model of an API server with its own allocator, of replicas of the manager whose watches lag, and of
// the controllers. Its actions come in any order; request by request they do what the webhooks do.
type cluster struct {
	t        *rapid.T
	store    *FakeStore
	clock    *testingclock.FakePassiveClock
	replicas []*replica
	services map[types.NamespacedName]*service // those that are stored
	native   map[int32]types.NamespacedName    // what the API server's own allocator has given out
	partings map[int32]parting                 // who left a number last
	decided  []func()                          // what the controllers are about to write
	requests []*request                        // on their way through admission
	lose     atomic.Int32                      // so many answers of the store get lost
	uids     int
}

type service struct {
	uid     types.UID
	version string
	numbers []int32
	claimed []int32 // those of the numbers that were claimed for it at admission: from then on they are its own
}

// parting is a Service's last version that carried a number.
type parting struct {
	service types.NamespacedName
	version string
}

// request is the creation of a Service, or the addition of a port to it, between its two webhooks.
type request struct {
	name     types.NamespacedName
	claimant Claimant
	numbers  []int32
	explicit int32    // that of the numbers which the user has set
	live     *service // nil: it is created
	version  string   // that is changed
}

// replica is a ledger, and the events that its watches have yet to deliver.
type replica struct {
	*Ledger
	claims, services []func()
	listed           map[string]*v1alpha1.NodePortAllocation // what the watch has delivered
}

// queue makes a replica a watcher that lags.
type queue struct{ *replica }

func (q queue) AllocationSeen(a *v1alpha1.NodePortAllocation) {
	q.claims = append(q.claims, func() { q.listed[a.Name] = a; q.Ledger.AllocationSeen(a) })
}

func (q queue) AllocationGone(a *v1alpha1.NodePortAllocation) {
	q.claims = append(q.claims, func() { delete(q.listed, a.Name); q.Ledger.AllocationGone(a) })
}

const firstNumber, lastNumber = 30000, 30007

func newCluster(t *rapid.T) *cluster {
	c := &cluster{
		t: t, store: &FakeStore{}, clock: testingclock.NewFakePassiveClock(start),
		services: map[types.NamespacedName]*service{}, native: map[int32]types.NamespacedName{}, partings: map[int32]parting{},
	}
	seed := rapid.Uint64().Draw(t, "seed")
	for i := range 3 {
		r := &replica{Ledger: New(c.store, c.clock), listed: map[string]*v1alpha1.NodePortAllocation{}}
		r.random = rand.New(rand.NewPCG(seed, uint64(i))).Uint32 // the ledger's lock guards it
		r.hope = 0
		r.SetClusterRange(v1alpha1.PortRange{From: firstNumber, To: lastNumber})
		c.replicas = append(c.replicas, r)
		c.store.Watchers = append(c.store.Watchers, queue{r})
	}
	c.store.After = func(verb, _ string) error {
		if verb != "get" && c.lose.Add(-1) >= 0 {
			return apierrors.NewInternalError(errors.New("connection reset"))
		}
		return nil
	}
	return c
}

func (c *cluster) anyReplica() *replica { return rapid.SampledFrom(c.replicas).Draw(c.t, "replica") }

func (c *cluster) anyName() types.NamespacedName {
	return named(rapid.SampledFrom([]string{"shop/web", "shop/api", "bank/core", "bank/desk"}).Draw(c.t, "Service"))
}

func (c *cluster) anyService() types.NamespacedName {
	if len(c.services) == 0 {
		c.t.Skip("no Service")
	}
	return rapid.SampledFrom(slices.SortedFunc(maps.Keys(c.services), func(a, b types.NamespacedName) int {
		return slices.Compare([]byte(a.String()), []byte(b.String()))
	})).Draw(c.t, "live Service")
}

// claim is a claim by a replica. Whatever the views know, what it gives is this Service's in the store.
func (c *cluster) claim(r *replica, who Claimant, requests []Request) *Claim {
	claim, err := r.Claim(context.Background(), who, requests, r.Chart().Pools())
	if err != nil {
		return nil
	}
	for _, got := range claim.Requests {
		if a := c.store.List()[NameOf(got.NodePort)]; a == nil || OwnerOf(a) != who.Service {
			c.t.Fatalf("%s was given %d, which is %v in the store", who.Service, got.NodePort, a)
		}
	}
	return claim
}

// mutate is the first webhook: it claims numbers that are to be chosen. exists is its live look.
func (c *cluster) mutate() {
	name := c.anyName()
	if slices.ContainsFunc(c.requests, func(r *request) bool { return r.name == name }) {
		c.t.Skip("one request a Service at a time")
	}
	q := &request{name: name, claimant: Claimant{Service: name}}
	port := 80
	if live := c.services[name]; live != nil {
		q.live, q.version = live, live.version
		q.claimant.UID, q.claimant.Uses, q.numbers = live.uid, slices.Clone(live.numbers), slices.Clone(live.numbers)
		port += len(live.numbers)
	}
	var open []Request
	for i := range rapid.IntRange(0, 2).Draw(c.t, "to choose") {
		open = append(open, ask(fmt.Sprintf("p%d:%d", port+i, port+i))...)
	}
	if explicit := rapid.Int32Range(firstNumber-4, lastNumber).Draw(c.t, "explicit"); explicit >= firstNumber && !slices.Contains(q.numbers, explicit) {
		q.numbers = append(q.numbers, explicit)
		q.claimant.Uses = append(q.claimant.Uses, explicit)
		q.explicit = explicit
	}
	if len(open) > 0 {
		claim := c.claim(c.anyReplica(), q.claimant, open)
		if claim == nil {
			return // refused
		}
		if rapid.IntRange(0, 5).Draw(c.t, "given up") == 0 {
			claim.Revert(context.Background())
			return
		}
		claim.Commit()
		q.numbers = append(q.numbers, numbersOf(claim.Requests)...)
	}
	if len(q.numbers) > 0 {
		c.requests = append(c.requests, q)
	}
}

// admit is the rest of a request's way: the API server's own allocator, the second webhook, and the storage. Each
// may refuse; then nothing is undone but the native allocation.
func (c *cluster) admit() {
	if len(c.requests) == 0 {
		c.t.Skip("no request")
	}
	at := rapid.IntRange(0, len(c.requests)-1).Draw(c.t, "request")
	q := c.requests[at]
	c.requests = slices.Delete(c.requests, at, at+1)
	live := c.services[q.name]
	if q.live != live || live != nil && q.version != live.version {
		return // it has come, gone or changed in the meantime
	}
	for _, n := range q.numbers {
		if owner, ok := c.native[n]; ok && owner != q.name {
			return // provided port is already allocated
		}
	}
	if rapid.IntRange(0, 5).Draw(c.t, "refused by another webhook") == 0 {
		return
	}
	r := c.anyReplica()
	q.claimant.Uses = slices.Clone(q.numbers)
	r.Withdraw(context.Background(), r.Abandoned(q.name, q.claimant.Uses))
	added, claimed := q.added()
	if open := r.Unclaimed(q.claimant, added); len(open) > 0 {
		claim := c.claim(r, q.claimant, open)
		if claim == nil {
			return
		}
		claim.Commit()
	}
	if rapid.Bool().Draw(c.t, "the controllers write before it is stored") {
		c.writeSome()
	}
	c.put(q.name, q.numbers, claimed)
}

// added are the requests for numbers that are new, as the second webhook sees them; claimed are all numbers that the Service
// has claims of once they are met.
func (q *request) added() (added []Request, claimed []int32) {
	var had service
	if q.live != nil {
		had = *q.live
	}
	claimed = slices.Clone(had.claimed)
	for i, n := range q.numbers {
		if slices.Contains(had.numbers, n) {
			continue
		}
		r := ask(fmt.Sprintf("p%d:%d=%d", 80+i, 80+i, n))
		if n == q.explicit {
			r = explicitly(r...)
		}
		added, claimed = append(added, r...), append(claimed, n)
	}
	return added, claimed
}

// bypass stores a Service with a number of Kubernetes' own choice, while no webhook answers.
func (c *cluster) bypass() {
	name, n := c.anyName(), rapid.Int32Range(firstNumber, lastNumber).Draw(c.t, "native pick")
	if _, used := c.native[n]; used || c.services[name] != nil {
		c.t.Skip("the API server refuses it")
	}
	c.put(name, []int32{n}, nil)
}

func (c *cluster) put(name types.NamespacedName, numbers, claimed []int32) {
	live := c.services[name]
	if live == nil {
		c.uids++
		live = &service{uid: types.UID(fmt.Sprint("service-", c.uids))}
		c.services[name] = live
	}
	live.numbers, live.claimed, live.version = numbers, claimed, c.store.next()
	for _, n := range numbers {
		c.native[n] = name
	}
	svc := serviceOn(name.String(), numbers...)
	for _, r := range c.replicas {
		r.services = append(r.services, func() { r.ServiceSeen(svc) })
	}
}

func (c *cluster) remove() {
	name := c.anyService()
	for _, n := range c.services[name].numbers {
		c.part(name, n)
	}
	delete(c.services, name)
	for _, r := range c.replicas {
		r.services = append(r.services, func() { r.ServiceGone(name) })
	}
}

// leave is a change by which a Service gives a number back.
func (c *cluster) leave() {
	name := c.anyService()
	live := c.services[name]
	if len(live.numbers) == 0 {
		c.t.Skip("it has none")
	}
	n := rapid.SampledFrom(live.numbers).Draw(c.t, "number")
	c.part(name, n)
	without := func(numbers []int32) []int32 {
		return slices.DeleteFunc(slices.Clone(numbers), func(other int32) bool { return other == n })
	}
	c.put(name, without(live.numbers), without(live.claimed))
}

func (c *cluster) part(name types.NamespacedName, n int32) {
	delete(c.native, n)
	c.partings[n] = parting{name, c.services[name].version}
}

// control does what the controllers do about a number.
func (c *cluster) control(n int32) {
	if write := c.decide(n); write != nil {
		write()
	}
}

// decideSome has the controllers decide about a number; what they write takes its time, and names the version of the
// claim that they saw.
func (c *cluster) decideSome() {
	if write := c.decide(rapid.Int32Range(firstNumber, lastNumber).Draw(c.t, "number")); write != nil {
		c.decided = append(c.decided, write)
	}
}

func (c *cluster) writeSome() {
	for range rapid.IntRange(0, len(c.decided)).Draw(c.t, "writes") {
		c.decided[0]()
		c.decided = c.decided[1:]
	}
}

// decide is what the controllers write about a number, by what is really there; nil for nothing.
func (c *cluster) decide(n int32) func() {
	a, now, ctx := c.store.List()[NameOf(n)], c.clock.Now(), context.Background()
	owner, used := c.native[n]
	if a == nil && !used {
		return nil
	}
	create := a == nil
	if create {
		a = &v1alpha1.NodePortAllocation{}
		a.Name, a.Spec.Origin = NameOf(n), v1alpha1.OriginAdopted
	}
	state := StateOf(a, now)
	pending := !create && state == Pending && !c.fulfilled(n, a)
	switch {
	case used && (!pending || OwnerOf(a) == owner):
		a.Spec.ServiceRef = v1alpha1.ServiceReference{Namespace: owner.Namespace, Name: owner.Name}
		a.Spec.ServiceUID, a.Spec.ClaimTime, a.Spec.HoldUntil = c.services[owner].uid, nil, nil
		if create {
			return func() { _ = c.store.Create(ctx, a) }
		}
	case state == Bound, state == Pending && !pending:
		Release(&a.Spec, now, 5*time.Minute)
	case state == Lapsed:
		return func() { _ = c.store.Delete(ctx, a) }
	default:
		return nil
	}
	return func() { _ = c.store.Update(ctx, a) }
}

// fulfilled says whether the Service of a claim came after it, and has gone.
func (c *cluster) fulfilled(n int32, a *v1alpha1.NodePortAllocation) bool {
	last, ok := c.partings[n]
	return ok && last.service == OwnerOf(a) && newer(last.version, a.ResourceVersion)
}

// deliver lets a replica's watches catch up by some events.
func (r *replica) deliver(claims, services int) {
	for _, event := range r.claims[:claims] {
		event()
	}
	for _, event := range r.services[:services] {
		event()
	}
	r.claims, r.services = r.claims[claims:], r.services[services:]
}

// relist is what a replica's watch of claims does after it was broken: what happened meanwhile it never hears of.
func (c *cluster) relist(r *replica) {
	r.claims = nil
	present := c.store.List()
	for _, name := range slices.Sorted(maps.Keys(present)) {
		queue{r}.AllocationSeen(present[name])
	}
	for _, name := range slices.Sorted(maps.Keys(r.listed)) {
		if present[name] == nil {
			queue{r}.AllocationGone(r.listed[name]) // DeletedFinalStateUnknown
		}
	}
	r.deliver(len(r.claims), 0)
}

// check is what holds at every moment.
func (c *cluster) check(*rapid.T) {
	claims := c.store.List()
	for name, live := range c.services {
		for _, n := range live.numbers {
			if c.native[n] != name {
				c.t.Fatalf("%d of %s is %s's natively", n, name, c.native[n])
			}
			a := claims[NameOf(n)]
			if slices.Contains(live.claimed, n) && (a == nil || OwnerOf(a) != name || released(a)) {
				c.t.Fatalf("%s lives on %d, but the claim is %v", name, n, a)
			}
		}
	}
	for _, r := range c.replicas {
		for n := int32(firstNumber); n <= lastNumber; n++ {
			want := r.Ledger.claims[n] != nil || len(r.carriers[n]) > 0
			if got := r.free[""].Taken(n); got != want || len(r.underway) > 0 {
				c.t.Fatalf("%d: taken is %v, claim %v, carriers %v, underway %v", n, got, r.Ledger.claims[n], r.carriers[n], r.underway)
			}
		}
	}
}

// released says whether a claim has been turned into a hold. One that has lasted to its end is none.
func released(a *v1alpha1.NodePortAllocation) bool {
	return a.Spec.ServiceUID == "" && a.Spec.ClaimTime == nil
}

// settle lets all that is under way come to its end, and the graces and holds pass.
func (c *cluster) settle() {
	c.lose.Store(0)
	c.decided = nil
	for range 3 { // a pending claim, its hold, its end
		c.clock.SetTime(c.clock.Now().Add(time.Hour))
		for n := int32(firstNumber); n <= lastNumber; n++ {
			c.control(n)
		}
	}
	// Any later event tells a view that the watch has passed by what it believes in.
	later := &v1alpha1.NodePortAllocation{}
	later.Name = NameOf(lastNumber + 1)
	if err := errors.Join(c.store.Create(context.Background(), later), c.store.Delete(context.Background(), later)); err != nil {
		c.t.Fatal(err)
	}
	for _, r := range c.replicas {
		r.deliver(len(r.claims), len(r.services))
	}
}

// checkSettled is what holds at last: the ledger has the numbers of the live Services and no others, and every view
// is the same.
func (c *cluster) checkSettled() {
	claims := c.store.List()
	for n := int32(firstNumber); n <= lastNumber; n++ {
		owner, used := c.native[n]
		if a := claims[NameOf(n)]; used != (a != nil) || used && (OwnerOf(a) != owner || a.Spec.ServiceUID != c.services[owner].uid) {
			c.t.Fatalf("%d is %q's, the claim is %v", n, owner, a)
		}
		for i, r := range c.replicas {
			seen := r.Ledger.claims[n]
			if (seen != nil) != used || used && seen.ResourceVersion != claims[NameOf(n)].ResourceVersion || r.free[""].Taken(n) != used {
				c.t.Fatalf("replica %d believes of %d: %v, taken %v; in use is %v", i, n, seen, r.free[""].Taken(n), used)
			}
		}
	}
}

func TestWhateverHappensANumberHasOneHolderAndNoneIsLeaked(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCluster(t)
		act := func(do func()) func(*rapid.T) { return func(*rapid.T) { do() } }
		t.Repeat(map[string]func(*rapid.T){
			"mutate":  act(c.mutate),
			"admit":   act(c.admit),
			"admit ":  act(c.admit), // twice as often
			"bypass":  act(c.bypass),
			"remove":  act(c.remove),
			"leave":   act(c.leave),
			"decide":  act(c.decideSome),
			"write":   act(c.writeSome),
			"control": func(t *rapid.T) { c.control(rapid.Int32Range(firstNumber, lastNumber).Draw(t, "number")) },
			"wait": func(t *rapid.T) {
				c.wait(rapid.SampledFrom([]time.Duration{time.Second, ClaimGrace / 2, ClaimGrace, 5 * time.Minute}).Draw(t, "time"))
			},
			"lose":     func(t *rapid.T) { c.lose.Store(rapid.Int32Range(0, 2).Draw(t, "answers")) },
			"relist":   act(func() { c.relist(c.anyReplica()) }),
			"deliver":  act(c.deliverSome),
			"deliver ": act(c.deliverSome),
			"":         c.check,
		})
		c.settle()
		c.checkSettled()
	})
}

// wait lets time pass; requests do not live so long.
func (c *cluster) wait(d time.Duration) {
	if d > 10*time.Second {
		c.requests = nil
	}
	c.clock.SetTime(c.clock.Now().Add(d))
}

func (c *cluster) deliverSome() {
	r := c.anyReplica()
	r.deliver(rapid.IntRange(0, len(r.claims)).Draw(c.t, "claims"), rapid.IntRange(0, len(r.services)).Draw(c.t, "Services"))
}
