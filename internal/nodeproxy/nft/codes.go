package nft

import (
	"cmp"
	"maps"
	"slices"
)

// code is the number of an action, in the upper 12 bits of a word.
//
//	0            no action: a word without a code is the number of an endpoint, or of an ACL
//	1, 2         refuse, discard
//	3, 4         pass, deny
//	16-1039      balance over 1 to 1,024 endpoints
//	1040-3583    balance over more, and stick: given out as needed
//	3584-4094    limit: given out as needed
//	4095         again: see chains.go
//
// Codes that are fixed stay those of another version of this package too. Those that are given out can be read in the
// table: its map "picks" has the chain of each.
type code uint16

const (
	noCode      code = 0
	refuseCode  code = 1
	discardCode code = 2
	passCode    code = 3
	denyCode    code = 4
	balanceCode code = 16
	freeCode    code = balanceCode + fixedBalance
	lastFree    code = limitCode - 1
	limitCode   code = 3584
	lastLimit   code = 4094
	againCode   code = 4095

	// fixedBalance is up to how many endpoints the code is fixed; readyBalance, up to how many the chain is there from
	// the start: a new one costs a walk through all endpoints.
	fixedBalance = 1024
	readyBalance = 64
)

func (c code) word(l List) uint32 { return uint32(c)<<listBits | uint32(l) }

func splitWord(word uint32) (code, List) { return code(word >> listBits), List(word & listMask) }

// fixedCode is the code of an action that always has the same.
func fixedCode(a Action) (code, bool) {
	switch {
	case a == Refuse():
		return refuseCode, true
	case a == Discard():
		return discardCode, true
	case a == Pass():
		return passCode, true
	case a == Deny():
		return denyCode, true
	case a.kind == balanceKind && a.endpoints <= fixedBalance:
		return balanceCode + code(a.endpoints) - 1, true
	}
	return noCode, false
}

// freeCodes are those that the action may be given. Those of limits are their own, so that nobody who asks for many takes
// them from Services.
func freeCodes(a Action) (first, last code) {
	if a.kind == limitKind {
		return limitCode, lastLimit
	}
	return freeCode, lastFree
}

// permanent says whether the action has its chain from the start, and for good.
func (a Action) permanent() bool {
	switch a.kind {
	case refuseKind, discardKind, passKind, denyKind:
		return true
	}
	return a.kind == balanceKind && a.endpoints <= readyBalance
}

// codes are the actions that the table has chains for, and how many words use each; and the lengths of prefixes that it
// has sets for.
type codes struct {
	action map[code]Action
	// code has each of them too, and actions that had to do with the chain of another: see standIn.
	code    map[Action]code
	uses    map[Action]int
	lengths lengths
}

func newCodes() *codes {
	return &codes{action: map[code]Action{}, code: map[Action]code{}, uses: map[Action]int{}, lengths: lengths{}}
}

func (c *codes) clone() *codes {
	return &codes{action: maps.Clone(c.action), code: maps.Clone(c.code), uses: maps.Clone(c.uses), lengths: maps.Clone(c.lengths)}
}

// learn takes a code from the table. It is false for one that the action must not have.
func (c *codes) learn(n code, a Action) bool {
	first, last := freeCodes(a)
	if fixed, ok := fixedCode(a); ok && fixed != n || !ok && (a == Action{} || n < first || n > last) {
		return false
	}
	_, taken := c.action[n]
	if _, known := c.code[a]; taken || known {
		return false
	}
	c.action[n], c.code[a] = a, n
	return true
}

// lack says whether one of the elements has an action without a code, or a prefix without a set.
func (c *codes) lack(elements []Element) bool {
	return slices.ContainsFunc(elements, func(e Element) bool {
		w, ok := e.Word()
		return ok && c.code[w.Action] == noCode || c.lengths.lack(e.Key.set)
	})
}

// use counts the words of elements that are there n times more.
func (c *codes) use(elements []Element, n int) {
	for i := range elements {
		if w, ok := elements[i].Word(); ok {
			c.uses[w.Action] += n
		}
		c.lengths.use(elements[i].Key.set, n)
	}
}

// add gives an action a code. It is false where all are given out.
func (c *codes) add(a Action) bool {
	if a.kind == unknownKind {
		return false
	}
	n, ok := fixedCode(a)
	first, last := freeCodes(a)
	for next := first; !ok && next <= last; next++ {
		_, taken := c.action[next]
		n, ok = next, !taken
	}
	if ok {
		c.action[n], c.code[a] = a, n
	}
	return ok
}

// useAll counts the words that steps have added and deleted.
func (c *codes) useAll(steps []step) {
	for _, s := range steps {
		c.use(s.change.Add, 1)
		c.use(s.change.Delete, -1)
	}
}

// keep takes back the codes of all other actions, whoever uses them.
func (c *codes) keep(wanted func(Action) bool) {
	maps.DeleteFunc(c.action, func(_ code, a Action) bool { return !wanted(a) })
	maps.DeleteFunc(c.code, func(a Action, _ code) bool { return !wanted(a) })
}

// drop takes back the codes that no word uses, and returns them.
func (c *codes) drop() map[code]Action {
	used := map[code]bool{}
	for a, n := range c.code {
		if c.uses[a] > 0 {
			used[n] = true
		} else if c.action[n] != a {
			delete(c.code, a)
		}
	}
	dropped := map[code]Action{}
	for n, a := range c.action {
		if !used[n] && !a.permanent() {
			delete(c.action, n)
			delete(c.code, a)
			dropped[n] = a
		}
	}
	return dropped
}

// standIn gives an action the code of the one that comes closest: so that whoever has thousands of Services with
// timeouts of their own harms the others' in nothing, and his own in the timeout or the spread. It is false where there
// is none of the kind.
func (c *codes) standIn(a Action) bool {
	var closest Action
	for _, other := range c.action {
		if other.kind == a.kind && (closest == Action{} || closer(a, other, closest)) {
			closest = other
		}
	}
	if (closest == Action{}) {
		return false
	}
	c.code[a] = c.code[closest]
	return true
}

// closer says whether b does better in place of a than c. With too few endpoints some are left out; with too many the
// first is taken for those that are not there, which is worse.
func closer(a, b, c Action) bool {
	if fits := b.endpoints <= a.endpoints; fits != (c.endpoints <= a.endpoints) {
		return fits
	}
	distance := func(x, y uint32) uint32 { return max(x, y) - min(x, y) }
	return cmp.Or(
		cmp.Compare(distance(uint32(a.endpoints), uint32(b.endpoints)), distance(uint32(a.endpoints), uint32(c.endpoints))),
		cmp.Compare(distance(a.seconds, b.seconds), distance(a.seconds, c.seconds)),
		cmp.Compare(distance(a.perSecond, b.perSecond), distance(a.perSecond, c.perSecond)),
		cmp.Compare(distance(a.burst, b.burst), distance(a.burst, c.burst)),
		compareActions(b, c),
	) < 0
}

func compareActions(a, b Action) int {
	return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.endpoints, b.endpoints), cmp.Compare(a.seconds, b.seconds),
		cmp.Compare(a.perSecond, b.perSecond), cmp.Compare(a.burst, b.burst))
}
