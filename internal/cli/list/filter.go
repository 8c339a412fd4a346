package list

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/cli/picture"
)

// filter is which numbers are listed.
type filter struct {
	namespace string // empty: all
	pool      string // empty: all
	states    []picture.State
	idle      time.Duration // 0: whether or not they are used
}

// lists says whether a number is listed. Without states those are that somebody has.
func (f filter) lists(n picture.Number, now time.Time) bool {
	switch {
	case len(f.states) > 0 && !slices.Contains(f.states, n.State):
		return false
	case len(f.states) == 0 && n.State == picture.Clashing:
		return false
	case f.pool != "" && n.PoolName() != f.pool:
		return false
	case f.namespace != "" && !concerns(n, f.namespace):
		return false
	}
	if f.idle == 0 {
		return true
	}
	since, known := n.UnusedSince()
	return known && now.Sub(since) >= f.idle
}

func concerns(n picture.Number, namespace string) bool {
	owner, owned := n.Owner()
	if !owned || owner.Namespace == namespace { // nobody's; or of a usage of the only namespace that could be read
		return true
	}
	for _, svc := range n.Carriers {
		if svc.Namespace == namespace {
			return true
		}
	}
	return false
}

// age reads "30d", "2w", "36h" or "90m".
func age(text string) (time.Duration, error) {
	units := map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour}
	for unit, length := range units {
		if count, ok := strings.CutSuffix(text, unit); ok {
			if n, err := strconv.ParseUint(count, 10, 16); err == nil && n > 0 && n <= uint64(math.MaxInt64/length) { //nolint:gosec // a length is positive
				return time.Duration(n) * length, nil
			}
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d > 0 {
		return d, nil
	}
	return 0, fmt.Errorf("--idle %q: it must be a time such as 30d, 2w or 36h", text)
}

// statesOf reads names of states, in any case. Bound, as the status of pools has it, is InUse.
func statesOf(names []string) ([]picture.State, error) {
	var states []picture.State
	for _, name := range names {
		if strings.EqualFold(name, v1alpha1.AllocationBound) {
			name = string(picture.InUse)
		}
		i := slices.IndexFunc(listed, func(s picture.State) bool { return strings.EqualFold(string(s), name) })
		if i < 0 {
			return nil, fmt.Errorf("--state %q: it must be one of %s", name, strings.ToLower(strings.Join(namesOf(listed), ", ")))
		}
		states = append(states, listed[i])
	}
	return states, nil
}

// listed are the states that a number on the list may have.
var listed = []picture.State{picture.InUse, picture.Pending, picture.Held, picture.Reserved, picture.Conflict, picture.Clashing}

func namesOf(states []picture.State) []string {
	var names []string
	for _, s := range states {
		names = append(names, string(s))
	}
	return names
}
