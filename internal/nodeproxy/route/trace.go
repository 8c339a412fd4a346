package route

import (
	"net/netip"
	"strings"
)

// Packet is the first packet of a connection.
type Packet struct {
	// Interface is where it came in; "" for one from a process on the node itself.
	Interface   string
	Source      netip.Addr
	Protocol    Protocol
	Destination netip.AddrPort
}

// Rules are what the kernel's rules, which no Service changes, do beside looking into the table.
type Rules struct {
	ClusterIPs Masquerading
}

// Masquerading is who gets the node as its source on the way to a cluster IP.
type Masquerading uint8

const (
	// MasqueradeOutside is for those who are not known to be inside.
	MasqueradeOutside Masquerading = iota
	// MasqueradeAll is for everybody.
	MasqueradeAll
	// MasqueradeNone is for nobody, where nothing tells who is inside.
	MasqueradeNone
)

// Outcome is what becomes of a connection.
type Outcome struct {
	Action       Action
	Destinations []Destination // of Balance
}

// Destination is an endpoint that a connection may go to, and whether this node becomes its source then.
type Destination struct {
	Endpoint   netip.AddrPort
	Masquerade bool
}

func (o Outcome) String() string {
	if o.Action != Balance {
		return o.Action.String()
	}
	all := make([]string, len(o.Destinations))
	for i, d := range o.Destinations {
		all[i] = d.Endpoint.String()
		if d.Masquerade {
			all[i] += " masqueraded"
		}
	}
	return strings.Join(all, ", ")
}

// Trace says what the rules do with a packet by the table. Its destinations come in the order of their slots.
func (t Table) Trace(p Packet, r Rules) Outcome {
	tr := tracer{Table: t, Packet: p, Rules: r, addr: p.Destination.Addr()}
	tr.front = Frontend{Family: FamilyOf(tr.addr), Protocol: p.Protocol, Addr: tr.addr, Port: p.Destination.Port()}
	tr.port = tr.front
	tr.port.Addr = netip.Addr{}
	return tr.trace()
}

// tracer is a packet on its way. The kernel's rules are these, one by one.
type tracer struct {
	Table
	Packet
	Rules
	addr  netip.Addr
	front Frontend // the destination as an address
	port  Frontend // and as a node port
}

func (t *tracer) trace() Outcome {
	if t.has(t.front.key(Limited, 0)) && !t.admitted() {
		return Outcome{Action: Discard}
	}
	word := t.word()
	if word.Action != Balance {
		return Outcome{Action: word.Action}
	}
	o := Outcome{Action: Balance}
	for _, endpoint := range t.listed(listWord{word, t.front.Family}) {
		o.Destinations = append(o.Destinations, Destination{endpoint, t.masqueraded(endpoint)})
	}
	return o
}

func (t *tracer) has(k Key) bool {
	_, ok := t.Table[k]
	return ok
}

// admitted says whether the source is one of those that a limited frontend admits.
func (t *tracer) admitted() bool {
	return t.contains(t.Source, func(p netip.Prefix) Key {
		k := t.front.key(Sources, 0)
		k.Prefix = p
		return k
	})
}

// contains looks for an address under the prefixes of every length.
func (t *tracer) contains(a netip.Addr, key func(netip.Prefix) Key) bool {
	for bits := range a.BitLen() + 1 {
		if t.has(key(netip.PrefixFrom(a, bits).Masked())) {
			return true
		}
	}
	return false
}

// inside says whether the packet comes from a pod that counts as inside.
func (t *tracer) inside() bool {
	return t.contains(t.Source, func(p netip.Prefix) Key { return prefixKey(Pods, p) }) || t.onPodInterface()
}

func (t *tracer) onPodInterface() bool {
	for length := range t.Interface {
		if t.has(interfaceKey(t.Interface[:length] + "*")) {
			return true
		}
	}
	return t.has(interfaceKey(t.Interface))
}

// atNode says whether the destination is an address for node ports.
func (t *tracer) atNode() bool { return t.has(addrKey(NodePortIPs, t.addr)) }

// word is the first that the packet meets.
func (t *tracer) word() Word {
	var keys []Key
	if t.Interface == "" || t.inside() {
		keys = append(keys, t.front.key(Short, 0))
		if t.atNode() {
			keys = append(keys, t.port.key(0, ShortPorts))
		}
	}
	keys = append(keys, t.front.key(Services, 0))
	if t.atNode() {
		keys = append(keys, t.port.key(0, NodePorts))
	}
	for _, k := range keys {
		if d, ok := t.Table[k]; ok {
			return d.Word
		}
	}
	return Word{Action: t.unserved()}
}

// unserved is what becomes of what no frontend takes.
func (t *tracer) unserved() Action {
	switch {
	case t.has(addrKey(ClusterIPs, t.addr)):
		return Refuse
	case t.contains(t.addr, func(p netip.Prefix) Key { return prefixKey(ServiceCIDRs, p) }):
		return Discard
	default:
		return Pass
	}
}

// masqueraded says whether a connection to the endpoint has this node as its source. The rules for it know the
// destination as it was.
func (t *tracer) masqueraded(endpoint netip.AddrPort) bool {
	hairpin := Hairpin{t.Protocol, endpoint}.key()
	if t.Source == endpoint.Addr() && t.has(hairpin) {
		return true
	}
	if t.has(addrKey(ClusterIPs, t.addr)) {
		return t.Rules.ClusterIPs == MasqueradeAll || t.Rules.ClusterIPs == MasqueradeOutside && !t.inside()
	}
	if t.has(t.front.key(Masq, 0)) || t.atNode() && t.has(t.port.key(0, MasqPorts)) {
		return true
	}
	return t.Interface == "" && (t.has(t.front.key(Short, 0)) || t.atNode() && t.has(t.port.key(0, ShortPorts)))
}
