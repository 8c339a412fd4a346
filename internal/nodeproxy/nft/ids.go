package nft

// IDs hands out the numbers of lists or of ACLs, from 1 to Last. One that is given back is not handed out again before all
// others were: a packet that took one a moment ago must not find another's content under it. It is not safe for concurrent
// use.
type IDs[N List | ACL] struct {
	Last N

	next N
	used map[N]struct{}
	// shunned are free, but not handed out in the first round; seen counts the numbers of that round.
	shunned map[N]struct{}
	seen    N
}

// NewIDs shuns some as if they had just been given back.
func NewIDs[N List | ACL](last N, shunned ...N) *IDs[N] {
	i := &IDs[N]{Last: last, next: 1, used: map[N]struct{}{}, shunned: map[N]struct{}{}}
	for _, id := range shunned {
		i.shunned[id] = struct{}{}
	}
	return i
}

// Free is how many are not handed out.
func (i *IDs[N]) Free() int { return int(i.Last) - len(i.used) }

// Take hands one out; Free must not be 0.
func (i *IDs[N]) Take() N {
	for {
		id := i.next
		_, used := i.used[id]
		_, shunned := i.shunned[id]
		i.next = id%i.Last + 1
		if i.seen++; i.seen == i.Last {
			clear(i.shunned)
		}
		if !used && !shunned {
			i.used[id] = struct{}{}
			return id
		}
	}
}

// Keep marks a number as handed out already, and goes on after it. One that is none of these it leaves alone.
func (i *IDs[N]) Keep(id N) {
	if id < 1 || id > i.Last {
		return
	}
	i.used[id] = struct{}{}
	if id >= i.next {
		i.next = id%i.Last + 1
	}
}

// GiveBack takes one back.
func (i *IDs[N]) GiveBack(id N) { delete(i.used, id) }

// GiveBackAll takes all back, as before those are kept that stay.
func (i *IDs[N]) GiveBackAll() { clear(i.used) }
