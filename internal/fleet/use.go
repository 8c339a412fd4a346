package fleet

import (
	"fmt"
	"time"

	"github.com/portolan-dev/portolan/api/v1alpha1"
	"github.com/portolan-dev/portolan/internal/bitmap"
)

const (
	// TrafficInterval is the least time between two writes of an allocation for nothing but its number's being used. A
	// node reports a number that is in constant use as often.
	TrafficInterval = 10 * time.Minute
	// countsLost is how old the last report of a node may be that counts: one comes every hour at least.
	countsLost = 3 * time.Hour
	// countsLook is how often the nodes are looked at for who counts.
	countsLook = time.Minute
)

// Use folds what the nodes report of the use of numbers. The cost of a report is that of the numbers in it. It goes by
// the nodes' clocks.
type Use struct {
	nodes map[string]counting
	last  map[int32]time.Time // when each number was last used, as far as it is known
	news  map[int32]time.Time // when its use was last news

	earliest time.Time // since when one of nodes has counted; zero: none does
	looked   time.Time // when that was so; zero: it is not known
}

// counting is a node that counts: since when, and until when it has reported.
type counting struct{ since, to time.Time }

// NewUse is that of no node.
func NewUse() *Use {
	return &Use{nodes: map[string]counting{}, last: map[int32]time.Time{}, news: map[int32]time.Time{}}
}

// Put takes in a node's state. Changed are the numbers whose use is news, which that of a number is once in
// TrafficInterval; all, where there is somebody who counts now. It fails where the node's numbers cannot be read: then
// none of them counts as used.
func (u *Use) Put(state *v1alpha1.NodePortNodeState, now time.Time) (Changes, error) {
	activity := state.Status.Activity
	if activity == nil {
		return u.Drop(state.Name), nil
	}
	before, known := u.nodes[state.Name]
	after := counting{since: activity.Since.Time, to: activity.To.Time}
	if after.to.After(now) { // its clock is ahead
		after.to = now
	}
	if known && after == before {
		return Changes{}, nil
	}
	all := len(u.nodes) == 0
	if u.nodes[state.Name] = after; after.since != before.since {
		u.looked = time.Time{}
	}
	numbers, err := bitmap.Parse(activity.NodePorts)
	if err != nil {
		return Changes{All: all}, fmt.Errorf("activity: %w", err)
	}
	return Changes{Numbers: u.note(numbers, after.to), All: all}, nil
}

// note has numbers used at a time, and returns those of which that is news.
func (u *Use) note(numbers *bitmap.Set, at time.Time) []int32 {
	var news []int32
	for n := range numbers.TakenNumbers() {
		if at.After(u.last[n]) {
			u.last[n] = at
		}
		if at.Sub(u.news[n]) >= TrafficInterval {
			u.news[n] = at
			news = append(news, n)
		}
	}
	return news
}

// Drop forgets that a node counts. All numbers change where it was the last one.
func (u *Use) Drop(node string) Changes {
	if _, known := u.nodes[node]; !known {
		return Changes{}
	}
	delete(u.nodes, node)
	u.looked = time.Time{}
	return Changes{All: len(u.nodes) == 0}
}

// Used is what nodes say of the use of a number.
type Used struct {
	Last time.Time // zero: nobody has, that is known
	// Since is when one of the nodes that count began to; zero: none does.
	Since time.Time
}

// Of is the use of a number, as known now.
func (u *Use) Of(number int32, now time.Time) Used {
	if u.looked.IsZero() || now.Sub(u.looked) >= countsLook {
		u.earliest, u.looked = u.count(now), now
	}
	return Used{Last: u.last[number], Since: u.earliest}
}

// count finds since when one of the nodes has counted. It looks at every node.
func (u *Use) count(now time.Time) time.Time {
	var earliest time.Time
	for _, node := range u.nodes {
		if now.Sub(node.to) < countsLost && (earliest.IsZero() || node.since.Before(earliest)) {
			earliest = node.since
		}
	}
	return earliest
}
