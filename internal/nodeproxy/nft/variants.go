package nft

// Rules are what the table's rules do beside looking into its maps. What they are follows from the flags and
// from what is known of the node; no Service changes them. The zero value is the default.
type Rules struct {
	// IPv4 and IPv6 are who is masqueraded: what tells who is inside may be known in one family alone.
	IPv4, IPv6 Masquerading
	// Localhost is the port of 127.0.0.1 and ::1 where somebody (see package localhost) takes what processes of the node
	// send over TCP to node ports at loopback addresses; 0, where that is not served. While nobody listens there it is
	// refused.
	Localhost uint16
	// Closed are numbers that are closed unless there is a Use of them, whoever serves them on the node.
	Closed PortRange
	// GuardOnly: the table translates nothing, and has no chains for that. Elements of Services can then be deleted, and
	// not added.
	GuardOnly bool
}

// masquerading is who is masqueraded in a family.
func (r Rules) masquerading(f Family) Masquerading {
	if f == IPv4 {
		return r.IPv4
	}
	return r.IPv6
}

// Masquerading is who gets an address of the node as its source on the way to a cluster IP's endpoints. Whoever is sent
// back to itself always does, and elsewhere than at cluster IPs this changes nothing: see Masquerade.
type Masquerading uint8

const (
	// MasqueradeOutside is for those who are not known to be inside, by Pods or PodInterface.
	MasqueradeOutside Masquerading = iota
	// MasqueradeAll is for everybody, as kube-proxy has it with --masquerade-all.
	MasqueradeAll
	// MasqueradeNone is for nobody, as kube-proxy has it where nothing tells who is inside: the table then has neither
	// Pods nor PodInterface, and with MasqueradeOutside the pods themselves would be masqueraded.
	MasqueradeNone
)

// insideRules are for what was sent to a cluster IP.
func (v view) insideRules(m Masquerading) []rule {
	everybody := v.only(rule{masquerade()})
	switch m {
	case MasqueradeAll:
		return []rule{everybody}
	case MasqueradeNone:
		return []rule{v.hairpin()}
	}
	return []rule{
		v.hairpin(),
		v.only(v.in("pods", v.saddr()), rule{returnTo()}),
		v.only(interfaceIn("pod-interfaces"), rule{returnTo()}),
		everybody,
	}
}
