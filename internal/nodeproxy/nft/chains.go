package nft

import (
	"slices"

	"golang.org/x/sys/unix"
)

// chain is a list of rules; one with a hook is where packets come in.
type chain struct {
	name  string
	hook  *hook
	rules []rule
}

// again is the word of a packet that met the table in the middle of a change, between two lookups: what the first one
// found is no longer there for the second. Also that of one whose client stuck to an endpoint that has gone. It goes
// through the table again, up to passes times, and then it is dropped: the client sends another.
var again = againCode.word(0)

// passes are enough for a client whose endpoint has gone, and that then meets a change.
const passes = 3

// Priorities of hooks. Once a chain has translated a flow, the kernel asks none that comes later, whosever table it is
// in. Others translate at -100 and masquerade at 100; of two at the same priority the one that was made last comes
// first.
const (
	guarding    = -110
	translating = -101
	unclaimed   = 99
)

// baseChains are the chains of the table but those of single actions. All base chains are of type nat: they see the
// first packet of a flow, and never another.
func baseChains(r Rules, in lengths) []chain {
	chains := append([]chain{{name: "retry", rules: []rule{setWord(again)}}}, guardChains(r, in)...)
	if r.GuardOnly {
		return chains
	}
	for _, v := range views {
		chains = append(chains,
			chain{name: v.name("forget"), rules: v.forgetRules()},
			chain{name: v.name("services"), rules: v.serviceRules()},
			chain{name: v.name("shortcuts"), rules: v.shortCutRules()},
			chain{name: v.name("inside"), rules: v.insideRules(r.masquerading(v.family))},
			chain{name: v.name("masquerade"), rules: v.masqueradeRules()},
		)
		if r.Localhost != 0 {
			chains = append(chains, chain{name: v.name("localhost"), rules: v.localhostRules(r.Localhost)})
		}
	}
	return append(chains,
		chain{name: "arriving", rules: arrivingRules()},
		chain{name: "departing", rules: departingRules(r)},
		chain{name: "prerouting", hook: &hook{"nat", hookPrerouting, translating}, rules: entryRules("arriving")},
		chain{name: "output", hook: &hook{"nat", hookOutput, translating}, rules: entryRules("departing")},
		chain{name: "unallocated", hook: &hook{"nat", hookPostrouting, unclaimed}, rules: unallocatedRules()},
		chain{name: "postrouting", hook: &hook{"nat", hookPostrouting, 100}, rules: postroutingRules()},
	)
}

// entryRules go through a chain, and again where a packet is to.
func entryRules(through string) []rule {
	rules := []rule{{jump(through)}}
	for range passes - 1 {
		rules = append(rules, slices.Concat(wordIs(again), setWord(0), rule{jump(through)}))
	}
	return append(rules, append(wordIs(again), drop()))
}

// arrivingRules are for what comes from others. Only local pods may take short cuts.
func arrivingRules() []rule {
	rules := restrictedRules()
	for _, v := range views {
		rules = append(rules, v.only(v.in("pods", v.saddr()), v.shortCut()))
	}
	for _, v := range views {
		rules = append(rules, v.only(interfaceIn("pod-interfaces"), v.shortCut()))
	}
	return append(rules, serviceJumps()...)
}

// departingRules are for what this node itself sends.
func departingRules(r Rules) []rule {
	rules := restrictedRules()
	for _, v := range views {
		if r.Localhost != 0 {
			rules = append(rules, v.localhostJump())
		}
	}
	for _, v := range views {
		rules = append(rules, v.only(v.shortCut()))
	}
	return append(rules, serviceJumps()...)
}

func (v view) shortCut() rule { return rule{jump(v.name("shortcuts"))} }

// restrictedRules drop what comes to a load balancer's address from elsewhere than its source ranges say.
//
// They have a set of ranges instead of the guard's lists: these end in chains that let the packet go on or refuse it for
// good, which here comes between two steps of the same chain, and for what the node itself sends, too.
func restrictedRules() []rule {
	var rules []rule
	for _, v := range views {
		source := append(v.frontend(), v.saddr())
		rules = append(rules, v.only(v.in("restricted", v.frontend()...), v.notIn("sources", source...), rule{drop()}))
	}
	return rules
}

// serviceJumps leave a packet alone that is to go again: else it would take the word that is not for it.
func serviceJumps() []rule {
	rules := []rule{append(wordIs(again), returnTo())}
	for _, v := range views {
		rules = append(rules, v.only(rule{jump(v.name("services"))}))
	}
	return rules
}

// act goes to the chain of the packet's word.
func act() rule {
	return append(loadWord(codeMask, firstRegister), lookupVerdict("picks", firstRegister))
}

func (v view) serviceRules() []rule {
	return []rule{
		v.only(v.take("service", v.frontend()...), act()),
		v.only(v.in("nodeport-ips", v.daddr()), v.take("nodeport", l4proto(), dport()), act()),
		v.only(v.in("cluster-ips", v.daddr()), rule{goTo(Refuse().String())}),
	}
}

// unallocatedRules drop what goes to a cluster IP that nobody has taken, on its way out: by then others have had the
// packet, to translate it or to deliver it on the node, whose Services we know nothing of.
func unallocatedRules() []rule {
	var rules []rule
	for _, v := range views {
		rules = append(rules, v.only(untranslated(), v.in("service-cidrs", v.daddr()), rule{drop()}))
	}
	return rules
}

func (v view) shortCutRules() []rule {
	return []rule{
		v.only(v.take("short", v.frontend()...), act()),
		v.only(v.in("nodeport-ips", v.daddr()), v.take("shortport", l4proto(), dport()), act()),
	}
}

// refuseRules answer TCP with a reset: the kernel limits ICMP errors to about one a second for each client, and those
// that get none would wait. ICMP is what the other protocols have.
func refuseRules() []rule {
	return []rule{
		append(metaIs(unix.NFT_META_L4PROTO, []byte{unix.IPPROTO_TCP}), rejectTCP()),
		{rejectPort()},
	}
}

// postroutingRules decide who is masqueraded, from what the client sent to.
func postroutingRules() []rule {
	rules := []rule{
		append(untranslated(), returnTo()),
		setWord(0),
	}
	for _, v := range views {
		rules = append(rules, v.only(rule{goTo(v.name("masquerade"))}))
	}
	return rules
}

// untranslated lets packets pass that go where they were sent to.
func untranslated() rule {
	return rule{
		loadConntrack(unix.NFT_CT_STATUS, firstRegister),
		maskBits(firstRegister, number(statusTranslated)),
		equal(firstRegister, number(0)),
	}
}

func (v view) masqueradeRules() []rule {
	fromOthers := rule{loadSourceType(firstRegister), notEqual(firstRegister, number(unix.RTN_LOCAL))}
	toNodePort := v.in("nodeport-ips", v.originalDaddr())
	return []rule{
		v.only(v.in("masq", v.originalFrontend()...), rule{masquerade()}),
		v.only(toNodePort, v.in("masq-ports", l4proto(), originalDport()), rule{masquerade()}),
		v.only(v.in("cluster-ips", v.originalDaddr()), rule{goTo(v.name("inside"))}),
		v.hairpin(),
		v.only(fromOthers, rule{returnTo()}),
		v.only(v.has("short", v.originalFrontend()...), rule{masquerade()}),
		v.only(toNodePort, v.has("shortport", l4proto(), originalDport()), rule{masquerade()}),
	}
}

// hairpin masquerades what an endpoint sends to its own Service and gets back itself: it would answer itself directly.
func (v view) hairpin() rule {
	return v.only(v.in("hairpin", v.saddr(), v.daddr(), l4proto(), dport()), rule{masquerade()})
}

// has lets packets pass for whose fields there is an element in a map. Kernels before 6.4 do not look into a map as
// into a set, so the word is taken, and put away again.
func (v view) has(dataMap string, fields ...field) rule {
	return slices.Concat(v.take(dataMap, fields...), setWord(0))
}
