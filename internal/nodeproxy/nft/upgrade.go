package nft

import (
	"maps"
	"slices"

	"golang.org/x/sys/unix"
)

// upgrade is what lies between the table as it is and as it should be, apart from the elements.
type upgrade struct {
	rules Rules
	codes *codes
	// oddSets and oddChains are there and should not be, at least not as they are.
	oddSets, oddChains []string
	// oddPicks lead somewhere else than they should; picks lack.
	oddPicks []uint32
	picks    map[code]Action
	// flush are sets that others have written to.
	flush []string
	// sets and chains lack. Of the chains in rewrite, the rules do.
	sets    []*set
	chains  []chain
	rewrite []chain
	// all: no chain is taken for right. A set of theirs goes away.
	all bool
}

// newUpgrade expects a table with these rules and codes, and nothing in it. Codes that no word uses are given up.
func newUpgrade(r Rules, c *codes) *upgrade {
	c = c.clone()
	c.drop()
	c.lengths.drop()
	for _, a := range permanentActions() {
		c.learn(mustFixed(a), a)
	}
	if r.GuardOnly {
		c.keep(Action.guards)
	}
	return &upgrade{rules: r, codes: c, picks: maps.Clone(c.action)}
}

func permanentActions() []Action {
	actions := []Action{Refuse(), Discard(), Pass(), Deny()}
	for n := range readyBalance {
		actions = append(actions, Balance(n+1))
	}
	return actions
}

func mustFixed(a Action) code {
	n, _ := fixedCode(a)
	return n
}

// wantedChains are all chains of a table with these rules and codes.
func wantedChains(r Rules, c *codes) []chain {
	chains := baseChains(r, c.lengths)
	for _, a := range slices.SortedFunc(maps.Values(c.action), compareActions) {
		chains = append(chains, a.chain())
	}
	return chains
}

func (u *upgrade) compareSets(present map[string]present) {
	for name, p := range present {
		if _, known := idsByName[name]; !known && p.flags&unix.NFT_SET_ANONYMOUS == 0 { // those go with their rules
			u.oddSets = append(u.oddSets, name)
		}
	}
	for _, id := range setIDs {
		s := sets[id]
		p, there := present[s.name]
		if u.codes.lengths.lack(id) {
			if there {
				u.oddSets = append(u.oddSets, s.name)
			}
			continue
		}
		if there && p.shape == s.shape() {
			continue
		}
		u.sets = append(u.sets, s)
		if there {
			u.oddSets = append(u.oddSets, s.name)
			u.all = true
		}
	}
	slices.Sort(u.oddSets)
}

func (u *upgrade) compareChains(chains, rules []object) {
	present, lists := map[string]object{}, map[string][]object{}
	for _, c := range chains {
		present[c.name] = c
	}
	for _, r := range rules {
		lists[r.name] = append(lists[r.name], r)
	}
	for _, c := range wantedChains(u.rules, u.codes) {
		o, there := present[c.name]
		delete(present, c.name)
		right := there && sameHook(o, c.hook)
		if there && !right {
			u.oddChains = append(u.oddChains, c.name)
		}
		if !right {
			u.chains = append(u.chains, c)
		}
		if !right || u.all || !sameRules(lists[c.name], c.rules) {
			u.rewrite = append(u.rewrite, c)
		}
	}
	u.oddChains = append(u.oddChains, slices.Sorted(maps.Keys(present))...)
}

func (u *upgrade) comparePick(word uint32, a Action) {
	n, list := splitWord(word)
	if wanted, ok := u.codes.action[n]; !ok || list != 0 || wanted != a {
		u.oddPicks = append(u.oddPicks, word)
		return
	}
	delete(u.picks, n)
}

// sameHook says whether packets come into a chain as they should, and pass where its rules say nothing.
func sameHook(o object, want *hook) bool {
	present, err := find(o.body, unix.NFTA_CHAIN_HOOK)
	if err != nil || want == nil || present == nil {
		return err == nil && want == nil && present == nil
	}
	var a attributes
	want.write(&a)
	a.u32(unix.NFTA_CHAIN_POLICY, acceptPacket)
	return covers(o.body, a.wire)
}

func sameRules(have []object, want []rule) bool {
	return slices.EqualFunc(have, want, func(o object, r rule) bool {
		var a attributes
		r.write(&a)
		return covers(o.body, a.wire)
	})
}

// steps do it. They come before elements change: a rule that begins to use a map costs a walk through what is in it.
func (u *upgrade) steps() []step {
	steps := []step{{write: u.writeObjects}}
	for _, c := range u.rewrite {
		steps = append(steps, step{write: func(b *batch) { b.writeRules(c) }})
	}
	return steps
}

// writeObjects makes sets and chains what they should be. What goes away must not be referred to any more, so rules go
// first: those that are to stay come again in the same batch.
func (u *upgrade) writeObjects(b *batch) {
	if len(u.oddChains)+len(u.oddSets) > 0 {
		for _, name := range u.chainsWithOldRules() {
			b.flushChain(name)
		}
	}
	pick := sets[pickSet].name
	if !slices.Contains(u.oddSets, pick) {
		b.deleteElements(pick, wordKeys(u.oddPicks))
	}
	for _, name := range u.oddChains {
		b.deleteChain(name)
	}
	for _, name := range u.oddSets {
		b.deleteSet(name)
	}
	for i, s := range u.sets {
		b.addSet(s, uint32(i)+1)
	}
	for _, c := range u.chains {
		b.addChain(c.name, c.hook)
	}
	b.addElements(pick, pickEntries(u.picks))
	for _, name := range u.flush {
		b.flushSet(name)
	}
}

// chainsWithOldRules are those that are there and whose rules go.
func (u *upgrade) chainsWithOldRules() []string {
	names := slices.Clone(u.oddChains)
	isNew := func(name string) bool {
		return slices.ContainsFunc(u.chains, func(c chain) bool { return c.name == name })
	}
	for _, c := range u.rewrite {
		if !isNew(c.name) {
			names = append(names, c.name)
		}
	}
	return names
}
