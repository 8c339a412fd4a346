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
}

type actionKind uint8

const (
	_ actionKind = iota
	refuseKind
	discardKind
	balanceKind
	stickKind
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
	case unknownKind:
		return fmt.Sprintf("unknown-%d", a.endpoints)
	}
	return "nothing"
}

const (
	pickPrefix  = "pick-"
	stickPrefix = "stick-"
)

// parseAction is String's reverse, for the chains that the table may have.
func parseAction(chain string) (Action, bool) {
	for _, a := range []Action{Refuse(), Discard()} {
		if chain == a.String() {
			return a, true
		}
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
