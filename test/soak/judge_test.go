package soak

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"
)

// violation is a promise that was broken.
type violation struct {
	kind     string
	number   int32 // 0: of none
	revision int64 // 0: of none
	text     string
}

// The promises. Each but withheld, unbound and leaked is held at every revision of etcd.
const (
	// twice: two live Services carry a number.
	twice = "one number, two Services"
	// unclaimed: the webhooks have confirmed a number, and as its Service is written the claim is not its own.
	unclaimed = "a number without its claim"
	// misled: the claim of a number that a live Service carries, and had claimed, becomes another's, or goes.
	misled = "a live Service's claim is taken from it"
	// broken: what was reserved, or held for a namespace, is given to others.
	broken = "a number that was kept is given to another"
	// early: a manager hands out a number that a Service carried before the manager was started.
	early = "a number is handed out before it is known who has it"
	// exceeded: a namespace has been given more numbers than it may have.
	exceeded = "a limit is exceeded"
	// moved: a live Service's numbers are changed, or it is deleted, by nobody of its clients.
	moved = "a live Service is changed by none of its clients"
	// rewritten: a client has named a number, and its Service is written without it.
	rewritten = "a number that a client named is another one"
	// disordered: what clients were told of a number is in no order that one owner after the other explains.
	disordered = "what clients saw is not linearizable"
	// unbound: in the end a live Service's number has no claim that is bound to it.
	unbound = "a live Service's number is not bound in the ledger"
	// withheld: in the end a number has no claim, and a manager gives it to nobody.
	withheld = "a number is lost"
	// leaked: in the end there is a claim that nobody has, and that should have gone.
	leaked = "a number is leaked"
)

// What the judge counts of numbers that Services come to carry.
const (
	givenByUs     = "numbers that the webhooks confirmed"
	givenNatively = "numbers of Kubernetes' own choice or confirmed by no webhook"
)

// judge replays a history, revision by revision. It holds Portolan to what it promises: what the API server did while no
// webhook answered it (failurePolicy Ignore) is Kubernetes' own, to be adopted and reported.
type judge struct {
	ground
	history
	operations map[string]*operation
	answers    map[string][]*admission // by operation
	handouts   map[int64][]handout     // by revision
	deleted    map[types.UID]*operation
	lives      map[types.NamespacedName][]*change // of a Service of this name

	live     map[types.NamespacedName]*service
	claims   map[int32]*claim
	carriers map[int32]map[types.NamespacedName]carried
	departed map[int32]departure // the last claim of a number that has none
	native   map[int32]bool      // reserved numbers that Kubernetes has given to others, once
	shared   map[int32]bool      // numbers that Kubernetes has given to two Services: see carry

	found  []violation
	counts map[string]int // of what was seen
}

// carried is since when a Service carries a number, and whether Portolan has confirmed it: see promised.
type carried struct {
	since    int64
	promised bool
}

func newJudge(g ground, h history) *judge {
	j := &judge{ground: g, history: h, operations: map[string]*operation{}, answers: map[string][]*admission{}, handouts: map[int64][]handout{},
		live: map[types.NamespacedName]*service{}, claims: map[int32]*claim{}, native: map[int32]bool{}, shared: map[int32]bool{}, departed: map[int32]departure{}, counts: map[string]int{},
		carriers: map[int32]map[types.NamespacedName]carried{}, lives: map[types.NamespacedName][]*change{}}
	for i := range h.operations {
		j.operations[h.operations[i].id] = &h.operations[i]
	}
	for i := range h.admissions {
		a := &h.admissions[i]
		j.answers[a.operation] = append(j.answers[a.operation], a)
	}
	for _, h := range h.handouts {
		j.handouts[h.revision] = append(j.handouts[h.revision], h)
	}
	j.deleted = deletions(h.operations)
	for i := range h.changes {
		if s := h.changes[i].service; s != nil {
			j.lives[s.name] = append(j.lives[s.name], &h.changes[i])
		}
	}
	return j
}

// replay judges what etcd had at each revision.
func (j *judge) replay() []violation {
	for i := range j.changes {
		c := &j.changes[i]
		switch {
		case c.service != nil:
			j.serviceChanged(c)
		case c.claim != nil:
			j.claimChanged(c)
		}
	}
	return j.found
}

func (j *judge) broke(kind string, number int32, c *change, format string, args ...any) {
	j.found = append(j.found, violation{kind, number, c.revision, fmt.Sprintf(format, args...)})
}

// serviceChanged takes in a Service as it is now.
func (j *judge) serviceChanged(c *change) {
	before, now := j.live[c.service.name], c.service
	if _, ours := j.poolOf(now.name.Namespace); !ours {
		return // of the cluster's own
	}
	if c.gone {
		now = &service{name: now.name}
	}
	had := numbersOf(before)
	j.mayChange(c, before, now)
	j.wantNamed(c, before, now)
	for _, n := range had {
		if !slices.Contains(now.numbers, n) {
			delete(j.carriers[n], now.name)
		}
	}
	for _, n := range now.numbers {
		if !slices.Contains(had, n) || before.uid != now.uid {
			j.carry(c, n)
		}
	}
	if j.live[now.name] = now; c.gone {
		delete(j.live, now.name)
	}
	j.holdLimits(c)
}

func numbersOf(s *service) []int32 {
	if s == nil {
		return nil
	}
	return s.numbers
}

// mayChange wants an operation of a client for what has become of a live Service.
func (j *judge) mayChange(c *change, before, now *service) {
	switch {
	case before == nil || slices.Equal(before.numbers, now.numbers):
	case c.gone:
		if j.deleted[before.uid] == nil {
			j.broke(moved, 0, c, "%s (%s) has gone", before.name, before.uid)
		}
	case before.by == now.by || j.operations[now.by] == nil:
		j.broke(moved, 0, c, "%s had %v and has %v", before.name, before.numbers, now.numbers)
	}
}

// wantNamed wants a Service that an operation has written to have the numbers that it named.
func (j *judge) wantNamed(c *change, before, now *service) {
	o := j.operations[now.by]
	if o == nil || before != nil && before.uid == now.uid && before.by == now.by {
		return
	}
	for _, n := range o.asked {
		if !slices.Contains(now.numbers, n) {
			j.broke(rewritten, n, c, "%s was to have %v and has %v", now.name, o.asked, now.numbers)
		}
	}
}

// carry takes in that a Service carries a number from now on. What another one carries, too, Kubernetes gives by itself where
// an update that it refused has freed it in its allocator; where a webhook answers, that is not done.
func (j *judge) carry(c *change, n int32) {
	now := c.service
	if j.carriers[n] == nil {
		j.carriers[n] = map[types.NamespacedName]carried{}
	}
	promised := j.promised(now, n)
	for other := range j.carriers[n] {
		switch {
		case other == now.name:
		case promised:
			j.broke(twice, n, c, "%s carries it, and %s too", other, now.name)
		case !j.shared[n]:
			j.shared[n] = true
			j.counts["numbers that Kubernetes gave to two Services, confirmed by no webhook"]++
		}
	}
	j.carriers[n][now.name] = carried{c.revision, promised}
	keeper, reserved := j.reserved[n]
	forOther := reserved && keeper != now.name
	if !promised {
		j.counts[givenNatively]++
		j.native[n] = j.native[n] || forOther
		return
	}
	j.counts[givenByUs]++
	if forOther && !j.native[n] {
		j.broke(broken, n, c, "it is reserved for %s, and %s carries it", keeper, now.name)
	}
	j.wantClaimed(c, n)
}

// wantClaimed wants a number that is written now to be claimed for its Service.
func (j *judge) wantClaimed(c *change, n int32) {
	name, claim, last := c.service.name, j.claims[n], j.departed[n]
	switch {
	case claim == nil && last.before != nil && last.before.owner() == name && j.withdrawn(last, c.service.by):
	case claim == nil:
		j.broke(unclaimed, n, c, "%s carries it, and nobody has claimed it", name)
	case claim.owner() != name:
		j.broke(unclaimed, n, c, "%s carries it, and it is claimed for %s", name, claim.owner())
	}
}

// promised says whether the webhooks have let an operation through with this number, and knew it: the user named it, or it
// was filled in. What Kubernetes has picked instead they claim if they can, and so they do of a Service that seems to exist.
func (j *judge) promised(s *service, n int32) bool {
	o := j.operations[s.by]
	if o == nil {
		return false
	}
	known, confirmed := slices.Contains(o.asked, n), false
	for _, a := range j.answers[s.by] {
		if !a.answered || !a.allowed || !slices.Contains(a.numbers, n) {
			continue
		}
		if !a.validates {
			known = true
		} else if !j.existed(s, a) {
			confirmed = true
		}
	}
	return known && confirmed
}

// existed says whether there may have been another Service of this name when it was validated: its creation was to be
// answered with AlreadyExists, so nothing is claimed.
func (j *judge) existed(s *service, a *admission) bool {
	seen := false
	for _, c := range j.lives[s.name] {
		if c.gone && seen && c.at >= a.call {
			return true
		}
		if c.service.uid == s.uid {
			return false
		}
		seen = !c.gone
	}
	return false
}

// holdLimits wants no namespace to have been given more than its quota. What Kubernetes has given it does not count.
func (j *judge) holdLimits(c *change) {
	namespace := c.service.name.Namespace
	p, ok := j.poolOf(namespace)
	if !ok || p.quota == 0 {
		return
	}
	var given []int32
	for n, by := range j.carriers {
		for name, since := range by {
			if name.Namespace == namespace && since.promised && p.has(n) {
				given = append(given, n)
			}
		}
	}
	if slices.Sort(given); len(given) > int(p.quota) && j.carriersSince(c.revision) {
		j.broke(exceeded, 0, c, "namespace %s has %v, and may have %d", namespace, given, p.quota)
	}
}

// carriersSince says whether some Service carries a number since just this revision.
func (j *judge) carriersSince(revision int64) bool {
	for _, by := range j.carriers {
		for _, c := range by {
			if c.since == revision {
				return true
			}
		}
	}
	return false
}
