package nft

import "golang.org/x/sys/unix"

// addTable makes the table, or takes over one whose owner has gone, where flags say so.
func (b *batch) addTable(flags uint32) {
	b.message(unix.NFT_MSG_NEWTABLE, unix.NLM_F_CREATE, func() {
		b.text(unix.NFTA_TABLE_NAME, b.table)
		b.u32(unix.NFTA_TABLE_FLAGS, flags)
	})
}

// deleteTable deletes the table with all that is in it.
func (b *batch) deleteTable() {
	b.message(unix.NFT_MSG_DELTABLE, 0, func() { b.text(unix.NFTA_TABLE_NAME, b.table) })
}

// hook is where packets come into a base chain. The lower its priority, the earlier.
type hook struct {
	chainType string
	number    uint32
	priority  int32
}

// addChain makes a chain; one without a hook is entered from others.
func (b *batch) addChain(name string, h *hook) {
	b.message(unix.NFT_MSG_NEWCHAIN, unix.NLM_F_CREATE|unix.NLM_F_EXCL, func() {
		b.text(unix.NFTA_CHAIN_TABLE, b.table)
		b.text(unix.NFTA_CHAIN_NAME, name)
		if h != nil {
			h.write(&b.attributes)
		}
	})
}

func (h *hook) write(a *attributes) {
	a.nest(unix.NFTA_CHAIN_HOOK, func() {
		a.u32(unix.NFTA_HOOK_HOOKNUM, h.number)
		a.u32(unix.NFTA_HOOK_PRIORITY, uint32(h.priority)) //nolint:gosec // priorities are negative, and their bits are sent
	})
	a.text(unix.NFTA_CHAIN_TYPE, h.chainType)
}

// deleteChain deletes a chain that has no rules and that nothing leads to any more.
func (b *batch) deleteChain(name string) {
	b.message(unix.NFT_MSG_DELCHAIN, 0, func() {
		b.text(unix.NFTA_CHAIN_TABLE, b.table)
		b.text(unix.NFTA_CHAIN_NAME, name)
	})
}

// flushChain deletes the rules of a chain.
func (b *batch) flushChain(name string) {
	b.message(unix.NFT_MSG_DELRULE, 0, func() {
		b.text(unix.NFTA_RULE_TABLE, b.table)
		b.text(unix.NFTA_RULE_CHAIN, name)
	})
}

// rule is what is done with a packet, one expression after another. One that does not match ends it.
type rule []expression

// addRule adds a rule at the end of a chain.
func (b *batch) addRule(chain string, r rule) {
	b.message(unix.NFT_MSG_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_APPEND, func() {
		b.text(unix.NFTA_RULE_TABLE, b.table)
		b.text(unix.NFTA_RULE_CHAIN, chain)
		r.write(&b.attributes)
	})
}

func (r rule) write(a *attributes) {
	a.nest(unix.NFTA_RULE_EXPRESSIONS, func() {
		for _, e := range r {
			a.nest(unix.NFTA_LIST_ELEM, func() { e.write(a) })
		}
	})
}

// addWholeChain makes a chain and its rules. What they refer to must be there.
func (b *batch) addWholeChain(c chain) {
	b.addChain(c.name, c.hook)
	b.addRules(c)
}

// writeRules gives a chain that is there these rules instead of those that it has.
func (b *batch) writeRules(c chain) {
	b.flushChain(c.name)
	b.addRules(c)
}

func (b *batch) addRules(c chain) {
	for _, r := range c.rules {
		b.addRule(c.name, r)
	}
}
