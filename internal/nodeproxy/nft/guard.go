package nft

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// The guard: who may reach a node port, whoever serves it. It comes before anybody translates, and lets the packet go on
// to whatever is done with node ports; what the node itself sends it does not see.
//
//	guard ── to an address of the node: node-ports ── access ──┬── guarded: lists ── check ──┬── pass ──> used
//	                                                           │                             ├── rate-R-B ──┬── pass
//	                                                           │                             │              └── drop
//	                                                           │                             └── deny, or no grant: again,
//	                                                           │                                 then shut
//	                                                           └── not guarded: used ── nobody's and closed: shut
//
// A packet takes the number of an ACL with it as a word without a code, which no list of endpoints has to do with, and
// then the word of its grant.

// guardChains are those of the guard but those of single actions.
func guardChains(r Rules, in lengths) []chain {
	chains := []chain{
		{name: "shut", rules: shutRules()},
		{name: "used", rules: usedRules(r.Closed)},
		{name: "access", rules: accessRules()},
		{name: "node-ports", rules: nodePortRules()},
		{name: "guard", hook: &hook{"nat", hookPrerouting, guarding}, rules: guardRules()},
	}
	var lists []chain
	for _, v := range views {
		lists = append(lists,
			chain{name: v.name("check"), rules: v.checkRules(in)},
			chain{name: v.name("lists"), rules: v.listRules()},
		)
	}
	return append(lists, chains...)
}

// guardRules are for what goes to an address of the node. They ask conntrack, although nobody can have translated the
// packet before: without any rule that does, the kernel would not track flows, and chains of type nat would see nothing.
func guardRules() []rule {
	toNode := rule{loadDestinationType(firstRegister), equal(firstRegister, number(unix.RTN_LOCAL))}
	return []rule{slices.Concat(untranslated(), toNode, rule{goTo("node-ports")})}
}

// nodePortRules look twice before they shut anybody out: a packet may take an ACL before a change, and look for places and
// grants after it.
func nodePortRules() []rule {
	return []rule{
		{jump("access")},
		slices.Concat(wordIs(again), setWord(0), rule{jump("access")}),
		append(wordIs(again), goTo("shut")),
		{goTo("used")},
	}
}

// accessRules take the ACL of a packet's port. Most ports have none, and that is all that they are asked.
func accessRules() []rule {
	var rules []rule
	for _, v := range views {
		rules = append(rules, v.only(v.take("ports", l4proto(), dport()), rule{goTo(v.name("lists"))}))
	}
	return rules
}

// listRules take that of the place instead, where it has one: of the interface and address, or of the address alone.
func (v view) listRules() []rule {
	check := rule{goTo(v.name("check"))}
	return []rule{
		v.only(v.take("scoped", l4proto(), dport(), inInterface(), v.daddr()), check),
		v.only(v.take("addressed", l4proto(), dport(), v.daddr()), check),
		check,
	}
}

// checkRules do what the longest prefix says that has the packet's source.
func (v view) checkRules(in lengths) []rule {
	var rules []rule
	for _, id := range in.of(v.family) {
		rules = append(rules, v.only(v.grant(id), act()))
	}
	return append(rules, rule{goTo("retry")})
}

// grant takes the word that the packet's ACL has for the prefix of its source.
func (v view) grant(id setID) rule {
	acl := field{1, func(to register) expression { return loadMeta(unix.NFT_META_PRIORITY, to) }}
	r := load(acl, v.saddr())
	if id.bits < v.bits() {
		mask := slices.Repeat([]byte{0xff}, int(v.length))
		setBits(mask, int(id.bits), 0)
		r = append(r, maskBits(firstRegister+1, mask))
	}
	return append(r,
		lookupMap(sets[id].name, firstRegister, firstRegister),
		setMeta(unix.NFT_META_PRIORITY, firstRegister),
	)
}

// usedRules count a flow that gets through to a number that is in use, and shut those that are in nobody's.
func usedRules(closed PortRange) []rule {
	rules := []rule{append(load(l4proto(), dport()), inSet("uses", firstRegister), accept())}
	if closed == (PortRange{}) {
		return rules
	}
	first, last := network.AppendUint16(nil, closed.First), network.AppendUint16(nil, closed.Last)
	for _, p := range protocols {
		rules = append(rules, slices.Concat(
			metaIs(unix.NFT_META_L4PROTO, []byte{byte(p.Protocol)}),
			load(dport()), rule{atLeast(firstRegister, first), atMost(firstRegister, last)},
			rule{goTo("shut")},
		))
	}
	return rules
}

// passRules take back what the packet took with it: whoever forwards it must not find that.
func passRules() []rule { return []rule{setWord(0), {goTo("used")}} }

// shutRules say no where that can be said without amplifying anything.
func shutRules() []rule {
	return []rule{
		append(metaIs(unix.NFT_META_L4PROTO, []byte{unix.IPPROTO_TCP}), rejectTCP()),
		{drop()},
	}
}

// limitRules drop what is too much for an address. Its limit is for the word that it came by, too: another limit begins
// anew.
func limitRules(perSecond, burst uint32) []rule {
	full := time.Second * time.Duration(1+(burst+perSecond-1)/perSecond) // by then nothing of the burst is used up
	var rules []rule
	for _, v := range views {
		word := field{1, func(to register) expression { return loadMeta(unix.NFT_META_PRIORITY, to) }}
		rules = append(rules, v.only(
			load(word, l4proto(), dport(), v.saddr()),
			rule{overLimit(v.name("rate"), firstRegister, full, perSecond, burst), drop()},
		))
	}
	return append(rules, rule{goTo(Pass().String())})
}
