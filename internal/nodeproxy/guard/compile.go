package guard

import (
	"net/netip"
	"slices"

	"github.com/portolan-dev/portolan/internal/access"
	"github.com/portolan-dev/portolan/internal/nodeproxy/nft"
)

// compile is who is let in where these have a say.
//
// It walks through the edges of all ranges that anybody names, outer ones first, and knows at each who has let in or
// shut out what lies there and in no narrower range: no more than one step for each edge, and the depth of nesting.
func compile(s say) *content {
	w := newWalk(s)
	var entries []entry
	for at := 0; at < len(w.edges); {
		prefix := w.edges[at].prefix
		around := w.leave(prefix)
		next := at
		for next < len(w.edges) && w.edges[next].prefix == prefix {
			w.cross(w.edges[next], 1)
			next++
		}
		action := w.decide()
		w.open = append(w.open, opened{prefix: prefix, edges: w.edges[at:next], action: action})
		if action != around {
			entries = append(entries, entry{prefix, action})
		}
		at = next
	}
	return newContent(slices.Clip(entries))
}

// walk is where compile is.
type walk struct {
	say   say
	edges []edge // sorted, a range before those in it
	open  []opened

	blocks []standing
	// ceiling counts the blocks of the ceiling that let in; grants, those of each policy.
	ceiling int
	grants  []int
	// rates are the different rates of the policies, the most generous first; rank is that of each policy, granting how
	// many policies of each let in.
	rates    []access.Rate
	rank     []int
	granting []int
}

// edge is that of a range: of a block, or of an exception to one.
type edge struct {
	prefix netip.Prefix
	block  int
	except bool
}

// opened is a range that the walk is in, and what becomes of who is there.
type opened struct {
	prefix netip.Prefix
	edges  []edge
	action nft.Action
}

// nobodys is the block of an edge at which nothing changes.
const nobodys = -1

// standing is how many ranges of a block the walk is in, of a policy or of the ceiling.
type standing struct {
	policy           int // or ofCeiling
	inside, excepted int
}

const ofCeiling = -1

func newWalk(s say) *walk {
	w := &walk{say: s, grants: make([]int, len(s.policies)), rank: make([]int, len(s.policies))}
	for _, p := range s.policies {
		w.rates = append(w.rates, p.Rate)
	}
	slices.SortFunc(w.rates, access.Rate.Compare)
	w.rates = slices.Compact(w.rates)
	w.granting = make([]int, len(w.rates))

	for _, all := range everybody {
		w.edges = append(w.edges, edge{prefix: all, block: nobodys})
	}
	if s.pool != nil {
		w.addBlocks(ofCeiling, s.pool.Sources)
	}
	for i, p := range s.policies {
		w.rank[i], _ = slices.BinarySearchFunc(w.rates, p.Rate, access.Rate.Compare)
		w.addBlocks(i, p.Sources)
		if len(p.Sources) == 0 {
			w.grant(i, 1)
		}
	}
	slices.SortFunc(w.edges, func(a, b edge) int { return a.prefix.Compare(b.prefix) })
	return w
}

func (w *walk) addBlocks(policy int, blocks []access.Block) {
	for _, b := range blocks {
		n := len(w.blocks)
		w.blocks = append(w.blocks, standing{policy: policy})
		w.edges = append(w.edges, edge{prefix: b.CIDR, block: n})
		for _, e := range b.Except {
			w.edges = append(w.edges, edge{prefix: e, block: n, except: true})
		}
	}
}

// leave goes out of all ranges that a prefix is not in, and returns what becomes of those around it.
func (w *walk) leave(prefix netip.Prefix) nft.Action {
	for len(w.open) > 0 {
		last := w.open[len(w.open)-1]
		if last.prefix.Overlaps(prefix) {
			return last.action
		}
		for _, e := range last.edges {
			w.cross(e, -1)
		}
		w.open = w.open[:len(w.open)-1]
	}
	return nft.Deny()
}

// cross goes over an edge, in (1) or out (-1).
func (w *walk) cross(e edge, step int) {
	if e.block == nobodys {
		return
	}
	b := &w.blocks[e.block]
	before := b.admits()
	if e.except {
		b.excepted += step
	} else {
		b.inside += step
	}
	if change := truth(b.admits()) - truth(before); b.policy == ofCeiling {
		w.ceiling += change
	} else {
		w.grant(b.policy, change)
	}
}

func (b *standing) admits() bool { return b.inside > 0 && b.excepted == 0 }

// grant counts blocks of a policy that have come to let in, or ceased to.
func (w *walk) grant(policy, change int) {
	before := w.grants[policy] > 0
	w.grants[policy] += change
	w.granting[w.rank[policy]] += truth(w.grants[policy] > 0) - truth(before)
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// decide is what becomes of who is where the walk is.
func (w *walk) decide() nft.Action {
	if w.say.pool != nil && w.ceiling == 0 {
		return nft.Deny()
	}
	if !w.say.selected {
		return nft.Pass()
	}
	for i, n := range w.granting {
		if n > 0 {
			return actionOf(w.rates[i])
		}
	}
	return nft.Deny()
}

func actionOf(r access.Rate) nft.Action {
	if r == (access.Rate{}) {
		return nft.Pass()
	}
	return nft.Limit(r.PerSecond, r.Burst)
}
