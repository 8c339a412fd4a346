package nft

import (
	"time"

	"golang.org/x/sys/unix"
)

// chain is the chain that a packet goes to whose word has the action.
func (a Action) chain() chain {
	c := chain{name: a.String()}
	switch a.kind {
	case refuseKind:
		c.rules = refuseRules()
	case discardKind:
		c.rules = []rule{{drop()}}
	case passKind:
		c.rules = passRules()
	case denyKind:
		c.rules = []rule{{goTo("retry")}} // see nodePortRules
	case limitKind:
		c.rules = limitRules(a.perSecond, a.burst)
	case balanceKind:
		c.rules = balanceRules(uint32(a.endpoints))
	case stickKind:
		c.rules = stickRules(uint32(a.endpoints), a.Timeout())
	}
	return c
}

// balanceRules send the packet to any of n endpoints.
//
// A list becomes shorter while packets pass: the word is taken, then the last slot goes away. Slot 0 is there as long as
// the list is, so it serves those that find nothing in the slot that they have drawn.
func balanceRules(n uint32) []rule {
	var rules []rule
	for _, v := range views {
		rules = append(rules, v.only(v.translate(n)))
		if n > 1 {
			rules = append(rules, v.only(v.translate(1)))
		}
	}
	return append(rules, rule{goTo("retry")})
}

// translate sends the packet to one of the first n endpoints of its list.
func (v view) translate(n uint32) rule {
	return append(draw(n),
		lookupMap(v.name("endpoints"), firstRegister, firstRegister),
		translateTo(uint32(v.protocol), firstRegister, firstRegister+v.registers),
	)
}

// draw loads the packet's list and one of its first n slots.
func draw(n uint32) rule {
	return append(loadWord(listMask, firstRegister), loadRandom(n, firstRegister+1))
}

// stickRules send the packet where the client's last one went; the first to any of n endpoints.
//
// The packet's word becomes the number of an endpoint, which has no code, and so differs from the word it had. That
// number is kept for the client; by a rule of its own, so that a map that is full keeps nobody from being served. An
// endpoint that has gone is noticed by its number: the client forgets it and goes again.
func stickRules(n uint32, timeout time.Duration) []rule {
	var rules []rule
	for _, v := range views {
		rules = append(rules,
			v.only(v.take("affinity", v.flow()...), v.remember(timeout), v.translate(1)),
			v.only(codeIs(equal, noCode), v.forget()),
		)
	}
	rules = append(rules, pickSlot(n))
	if n > 1 {
		rules = append(rules, pickSlot(1)) // as in balanceRules; for the number of an endpoint there is no slot
	}
	rules = append(rules, append(codeIs(notEqual, noCode), goTo("retry")))
	for _, v := range views {
		rules = append(rules, v.only(v.remember(timeout)), v.only(v.translate(1)), v.only(v.forget()))
	}
	return rules
}

// pickSlot takes the number of one of the first n endpoints of the packet's list.
func pickSlot(n uint32) rule {
	return append(draw(n), lookupMap("slots", firstRegister, firstRegister), setMeta(unix.NFT_META_PRIORITY, firstRegister))
}

// remember keeps the number of the endpoint for the client; for one that is kept it begins the timeout anew.
func (v view) remember(timeout time.Duration) rule {
	data := after(v.flow()...)
	return append(load(v.flow()...),
		loadMeta(unix.NFT_META_PRIORITY, data),
		updateElement(v.name("affinity"), firstRegister, data, timeout),
	)
}

func (v view) forget() rule { return rule{goTo(v.name("forget"))} }

// forgetRules are the end of a client's affinity to an endpoint that has gone.
func (v view) forgetRules() []rule {
	data := after(v.flow()...)
	deletion := rule{loadConstant(number(0), data), deleteElement(v.name("affinity"), firstRegister, data)}
	return []rule{
		v.only(load(v.flow()...), deletion),
		{goTo("retry")},
	}
}

// codeIs compares the code of the packet's word.
func codeIs(compare func(register, []byte) expression, c code) rule {
	return append(loadWord(codeMask, firstRegister), compare(firstRegister, number(c.word(0))))
}
