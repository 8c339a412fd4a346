package nft

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// List is the number of a list of endpoints, from 1 to MaxList, each with a slot from 0 on. Where clients stick, each
// endpoint has a number of its own from the same range, and one slot.
type List uint32

// MaxList is the highest number of a list: it has 20 bits.
const MaxList List = 1<<listBits - 1

// MaxEndpoints is how many endpoints a list may have.
const MaxEndpoints = math.MaxUint16

const (
	listBits = 20
	listMask = uint32(MaxList)
	codeMask = ^listMask
)

// Word is what the table has for a frontend: what to do, and with which list. Between the lookups of one packet it
// travels as 32 bits, the action's code in the upper 12. It is comparable.
type Word struct {
	Action Action
	// List is 0 where the action takes none.
	List List
}

// String is as in "pick-3 of list 7".
func (w Word) String() string {
	if w.List == 0 {
		return w.Action.String()
	}
	return fmt.Sprintf("%s of list %d", w.Action, w.List)
}

// Action is what is done with a packet whose frontend is known. Each has a chain in the table. It is comparable; the
// zero value is no action.
type Action struct {
	kind      actionKind
	endpoints uint16 // of balance and stick; of unknown its code
	seconds   uint32 // of stick
	// perSecond and burst are those of limit.
	perSecond, burst uint32
}

type actionKind uint8

const (
	_ actionKind = iota
	refuseKind
	discardKind
	balanceKind
	stickKind
	passKind
	denyKind
	limitKind
	unknownKind
)

// Refuse tells the client that nobody listens: for a frontend without any endpoint.
func Refuse() Action { return Action{kind: refuseKind} }

// Discard says nothing: for a frontend whose endpoints are all on other nodes, where the policy is Local.
func Discard() Action { return Action{kind: discardKind} }

// Balance sends each flow to any of n endpoints, slots 0 to n-1 of the list. It panics unless 1 <= n <= MaxEndpoints.
func Balance(n int) Action {
	if n < 1 || n > MaxEndpoints {
		panic(fmt.Sprintf("nft: a list of %d endpoints", n))
	}
	return Action{kind: balanceKind, endpoints: uint16(n)}
}

// Stick does as Balance, and then for all flows of the same client to the same frontend as for its first, until there
// was none for the time given; that is cut to whole seconds, at least one. Its list has numbers of endpoints, see
// StickySlot.
func Stick(n int, timeout time.Duration) Action {
	a := Balance(n)
	a.kind = stickKind
	a.seconds = uint32(max(1, min(timeout/time.Second, math.MaxUint32)))
	return a
}

// Pass lets a source through the guard: to what any proxy does with the node port.
func Pass() Action { return Action{kind: passKind} }

// Deny keeps a source out: over TCP it learns so at once, by a reset; else it learns nothing.
func Deny() Action { return Action{kind: denyKind} }

// Limit lets each address through that opens so many new flows a second at most, to each port, once burst are used up; of
// the others it drops the first packet, which over TCP is sent again. It panics unless both are 1 to MaxRate.
func Limit(perSecond, burst uint32) Action {
	if perSecond < 1 || perSecond > MaxRate || burst < 1 || burst > MaxRate {
		panic(fmt.Sprintf("nft: a limit of %d a second, %d at once", perSecond, burst))
	}
	return Action{kind: limitKind, perSecond: perSecond, burst: burst}
}

// MaxRate is the highest limit.
const MaxRate = 1_000_000

// unknown is an action that only a table has that others have written to: its code means nothing.
func unknown(c code) Action { return Action{kind: unknownKind, endpoints: uint16(c)} }

// Endpoints is how many endpoints the action's list has; 0 where it takes none.
func (a Action) Endpoints() int {
	if a.kind == balanceKind || a.kind == stickKind {
		return int(a.endpoints)
	}
	return 0
}

// Timeout is how long clients stick; 0 where they do not.
func (a Action) Timeout() time.Duration { return time.Duration(a.seconds) * time.Second }

// String is the name of the action's chain.
func (a Action) String() string {
	switch a.kind {
	case refuseKind:
		return "refuse"
	case discardKind:
		return "discard"
	case balanceKind:
		return fmt.Sprintf("%s%d", pickPrefix, a.endpoints)
	case stickKind:
		return fmt.Sprintf("%s%d-%d", stickPrefix, a.endpoints, a.seconds)
	case passKind:
		return "pass"
	case denyKind:
		return "deny"
	case limitKind:
		return fmt.Sprintf("%s%d-%d", ratePrefix, a.perSecond, a.burst)
	case unknownKind:
		return fmt.Sprintf("unknown-%d", a.endpoints)
	}
	return "nothing"
}

const (
	pickPrefix  = "pick-"
	stickPrefix = "stick-"
	ratePrefix  = "rate-"
)

// parseAction is String's reverse, for the chains that the table may have.
func parseAction(chain string) (Action, bool) {
	for _, a := range []Action{Refuse(), Discard(), Pass(), Deny()} {
		if chain == a.String() {
			return a, true
		}
	}
	if limit, ok := strings.CutPrefix(chain, ratePrefix); ok {
		return parseLimit(limit)
	}
	kind, rest := balanceKind, strings.TrimPrefix(chain, pickPrefix)
	count, seconds := rest, ""
	if sticky, ok := strings.CutPrefix(chain, stickPrefix); ok {
		kind = stickKind
		count, seconds, _ = strings.Cut(sticky, "-")
	}
	n, err := strconv.ParseUint(count, 10, 16)
	if err != nil {
		return Action{}, false
	}
	a := Action{kind: kind, endpoints: uint16(n)}
	if kind == stickKind {
		s, err := strconv.ParseUint(seconds, 10, 32)
		if err != nil {
			return Action{}, false
		}
		a.seconds = uint32(s)
	}
	return a, n > 0 && a.String() == chain
}

// parseLimit reads what comes after ratePrefix.
func parseLimit(text string) (Action, bool) {
	rate, burst, _ := strings.Cut(text, "-")
	r, err := strconv.ParseUint(rate, 10, 32)
	if err != nil {
		return Action{}, false
	}
	b, err := strconv.ParseUint(burst, 10, 32)
	if err != nil || r < 1 || r > MaxRate || b < 1 || b > MaxRate {
		return Action{}, false
	}
	a := Limit(uint32(r), uint32(b))
	return a, a.String() == ratePrefix+text
}
