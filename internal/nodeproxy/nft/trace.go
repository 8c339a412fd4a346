package nft

import (
	"fmt"
	"net/netip"
	"strings"
)

// Packet is the first one of a flow.
type Packet struct {
	From     netip.Addr
	To       netip.AddrPort
	Protocol Protocol
	// Interface is where it comes in; empty, where this node itself sends it.
	Interface string
	// ToNode: it goes to an address of the node, even if that has no node ports (see NodePortAddress).
	ToNode bool
}

// Fate is what becomes of a packet.
type Fate string

// The fates of packets.
const (
	// Passed: the table has nothing to do with it.
	Passed Fate = "passed"
	// Refused: the client learns at once that nobody listens.
	Refused Fate = "refused"
	// Dropped: nobody learns anything.
	Dropped Fate = "dropped"
	// Sent: it goes to one of Outcome.To.
	Sent Fate = "sent"
	// Redirected: it goes to Rules.Localhost. What becomes of it there is that of a packet that the node sends to the
	// node port.
	Redirected Fate = "redirected"
)

// Outcome is what becomes of a packet, and why.
type Outcome struct {
	Fate Fate
	// Word is what the table has for what it was sent to, if it has anything.
	Word Word
	// Grant is what the guard has for where it comes from: Pass, Deny or Limit; the zero Action where the port is not
	// guarded, and Deny where it is closed. A Fate leaves limits out.
	Grant Action
	// To are the endpoints that it may go to, one for each slot of the list, each as likely as any other. A client that
	// sticks goes where it went before.
	To []Destination
}

// Destination is an endpoint that a packet may go to.
type Destination struct {
	Endpoint netip.AddrPort
	// Masqueraded: the endpoint sees the node's address instead of the client's, unless it is on the node itself and
	// uses its network.
	Masqueraded bool
}

// String is as in "sent to 10.0.0.1:80, 10.0.0.2:80 (masqueraded)".
func (o Outcome) String() string {
	texts := make([]string, len(o.To))
	for i, d := range o.To {
		texts[i] = d.Endpoint.String()
		if d.Masqueraded {
			texts[i] += " (masqueraded)"
		}
	}
	if len(texts) == 0 {
		return string(o.Fate)
	}
	return fmt.Sprintf("%s to %s", o.Fate, strings.Join(texts, ", "))
}

// Trace says what becomes of a packet with this table and these Rules. It follows what is in guard.go, chains.go,
// variants.go, localhost.go and picks.go, which it has to be kept in step with: the tests send packets and compare.
func (t Table) Trace(p Packet, r Rules) Outcome {
	p.From, p.To = p.From.Unmap(), netip.AddrPortFrom(p.To.Addr().Unmap(), p.To.Port())
	grant := t.grant(p, r)
	o := Outcome{Fate: Passed}
	switch {
	case grant == Deny() && p.Protocol == TCP:
		o.Fate = Refused
	case grant == Deny():
		o.Fate = Dropped
	case !r.GuardOnly:
		o = t.translate(p, r)
	}
	o.Grant = grant
	return o
}

// grant is what the guard says of the packet; the zero Action where it says nothing.
func (t Table) grant(p Packet, r Rules) Action {
	if p.Interface == "" || !p.ToNode && !t.has(NodePortAddress(p.To.Addr())) {
		return Action{}
	}
	list, guarded := t.aclOf(p)
	granted := Action{}
	if guarded {
		granted = t.granted(list, p.From)
	}
	port := p.To.Port()
	closed := r.Closed != PortRange{} && port >= r.Closed.First && port <= r.Closed.Last
	if closed && !t.has(Use(p.Protocol, port)) {
		return Deny()
	}
	return granted
}

// aclOf is the list that says who may reach where the packet goes; false where none does.
func (t Table) aclOf(p Packet) (ACL, bool) {
	address, port := p.To.Addr(), p.To.Port()
	v, guarded := t[Guarded(familyOf(address), p.Protocol, port, 1).Key]
	if !guarded {
		return 0, false
	}
	if at, ok := t[GuardedAt(p.Protocol, port, "", address, 1).Key]; ok {
		v = at
	}
	if len(p.Interface) <= longestInterface {
		if at, ok := t[GuardedAt(p.Protocol, port, p.Interface, address, 1).Key]; ok {
			v = at
		}
	}
	return v.acl, true
}

// granted is what a list has for a source. One that is none grants nothing.
func (t Table) granted(list ACL, from netip.Addr) Action {
	if list < 1 || list > MaxACL {
		return Deny()
	}
	for bits := from.BitLen(); bits >= 0; bits-- {
		if v, ok := t[Grant(list, netip.PrefixFrom(from, bits), Pass()).Key]; ok && v.word.Action.guards() {
			return v.word.Action
		}
	}
	return Deny()
}

// translate is what becomes of a packet that the guard has let through.
func (t Table) translate(p Packet, r Rules) Outcome {
	address, port := p.To.Addr(), p.To.Port()
	if t.has(Restricted(address, p.Protocol, port)) && !t.allows(p) {
		return Outcome{Fate: Dropped}
	}
	if r.Localhost != 0 && p.Interface == "" && p.Protocol == TCP && address.IsLoopback() {
		if o, ok := t.localhost(p); ok {
			return o
		}
	}
	word, ok := t.shortCutWord(p)
	if !ok {
		word, ok = t.word(p, ServiceFrontend, NodePort)
	}
	switch {
	case ok:
		return t.act(p, r, word)
	case t.has(ClusterIP(address)):
		return Outcome{Fate: Refused}
	case t.inRange(serviceRangeKind, address):
		return Outcome{Fate: Dropped}
	}
	return Outcome{Fate: Passed}
}

func (t Table) has(e Element) bool {
	_, ok := t[e.Key]
	return ok
}

func (t Table) shortCutWord(p Packet) (Word, bool) {
	if p.Interface == "" || t.fromPod(p) {
		return t.word(p, ShortCut, ShortCutNodePort)
	}
	return Word{}, false
}

type (
	frontendOf func(netip.Addr, Protocol, uint16, Word) Element
	nodePortOf func(Family, Protocol, uint16, Word) Element
)

// word looks for the frontend that a packet is for, the address and port first and then the node port.
func (t Table) word(p Packet, frontend frontendOf, nodePort nodePortOf) (Word, bool) {
	address, port := p.To.Addr(), p.To.Port()
	if v, ok := t[frontend(address, p.Protocol, port, Word{}).Key]; ok {
		return v.word, true
	}
	if !t.has(NodePortAddress(address)) {
		return Word{}, false
	}
	v, ok := t[nodePort(familyOf(address), p.Protocol, port, Word{}).Key]
	return v.word, ok
}

// localhost is what becomes of a packet to a loopback address; false where it is at no node port.
func (t Table) localhost(p Packet) (Outcome, bool) {
	v, ok := t[NodePort(familyOf(p.To.Addr()), TCP, p.To.Port(), Word{}).Key]
	o := Outcome{Fate: Redirected, Word: v.word}
	if v.word.Action == Refuse() {
		o.Fate = Refused
	}
	return o, ok
}

func (t Table) act(p Packet, r Rules, w Word) Outcome {
	o := Outcome{Fate: Sent, Word: w}
	switch w.Action.kind {
	case refuseKind:
		o.Fate = Refused
	case balanceKind, stickKind:
		for slot := range w.Action.Endpoints() {
			if to, ok := t.endpoint(p, w, slot); ok {
				o.To = append(o.To, Destination{to, t.masquerades(p, r, to)})
			}
		}
	}
	if o.Fate == Sent && len(o.To) == 0 {
		o.Fate = Dropped
	}
	return o
}

// endpoint is the one in a slot of the word's list. Where there is none, slot 0 serves.
func (t Table) endpoint(p Packet, w Word, slot int) (netip.AddrPort, bool) {
	list, family := w.List, familyOf(p.To.Addr())
	if w.Action.kind == stickKind {
		number, ok := t.NumberAt(list, slot)
		if !ok {
			number, _ = t.NumberAt(list, 0)
		}
		list, slot = number, 0
	}
	if to, ok := t.EndpointAt(family, list, slot); ok {
		return to, true
	}
	return t.EndpointAt(family, list, 0)
}

func (t Table) masquerades(p Packet, r Rules, to netip.AddrPort) bool {
	address, port := p.To.Addr(), p.To.Port()
	isNodePort := t.has(NodePortAddress(address))
	hairpin := p.From == to.Addr() && t.has(Hairpin(p.Protocol, to))
	switch {
	case t.has(Masquerade(address, p.Protocol, port)), hairpin:
		return true
	case isNodePort && t.has(MasqueradeNodePort(familyOf(address), p.Protocol, port)):
		return true
	case t.has(ClusterIP(address)):
		m := r.masquerading(familyOf(address))
		return m == MasqueradeAll || m == MasqueradeOutside && !t.fromPod(p)
	case p.Interface != "":
		return false
	}
	_, shortCut := t.word(p, ShortCut, ShortCutNodePort)
	return shortCut
}

func (t Table) fromPod(p Packet) bool {
	return t.inRange(podKind, p.From) || p.Interface != "" && t.inInterfaces(p.Interface)
}

// inRange says whether an address is in a set of ranges.
func (t Table) inRange(kind setKind, a netip.Addr) bool {
	for bits := range a.BitLen() + 1 {
		if p, err := a.Prefix(bits); err == nil && t.has(Element{Key: prefixKey(kind, p)}) {
			return true
		}
	}
	return false
}

func (t Table) inInterfaces(name string) bool {
	for n := range len(name) + 1 {
		if t.has(PodInterface(name[:n] + "*")) {
			return true
		}
	}
	return t.has(PodInterface(name))
}

// allows says whether a Source allows the packet.
func (t Table) allows(p Packet) bool {
	if familyOf(p.From) != familyOf(p.To.Addr()) {
		return false
	}
	for bits := range p.From.BitLen() + 1 {
		if from, err := p.From.Prefix(bits); err == nil && t.has(Source(p.To.Addr(), p.Protocol, p.To.Port(), from)) {
			return true
		}
	}
	return false
}
