package route

import (
	"iter"

	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// ids hands out numbers from 1 to last: to lists, and to endpoints that clients stick to. One that is given back is not
// handed out again before all others were: a packet that looked up a list a moment ago must not find another's in its
// place, nor a client's affinity an endpoint that it has never met.
type ids struct {
	last, next nft.List
	used       map[nft.List]struct{}
	// shunned are free, but not handed out in the first round; seen counts the numbers of that round.
	shunned map[nft.List]struct{}
	seen    nft.List
}

func newIDs(last nft.List, shunned iter.Seq[nft.List]) *ids {
	i := &ids{last: last, next: 1, used: map[nft.List]struct{}{}, shunned: map[nft.List]struct{}{}}
	for id := range shunned {
		i.shunned[id] = struct{}{}
	}
	return i
}

// free is how many are left.
func (i *ids) free() int { return int(i.last) - len(i.used) }

// take hands one out; free must not be 0.
func (i *ids) take() nft.List {
	for {
		id := i.next
		_, used := i.used[id]
		_, shunned := i.shunned[id]
		i.next = id%i.last + 1
		if i.seen++; i.seen == i.last {
			clear(i.shunned)
		}
		if !used && !shunned {
			i.used[id] = struct{}{}
			return id
		}
	}
}

// keep marks a number as handed out already, and goes on after it.
func (i *ids) keep(id nft.List) {
	if id < 1 || id > i.last {
		return
	}
	i.used[id] = struct{}{}
	if id >= i.next {
		i.next = id%i.last + 1
	}
}

func (i *ids) giveBack(id nft.List) { delete(i.used, id) }
